package render

import (
	"fmt"
	"io"
	"slices"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

const (
	adminHost = "127.0.0.1"
	adminPort = 9901
)

// Bootstrap writes list as one static configuration for an Envoy that serves without l4xds: endpoints that would travel
// by EDS stand in their clusters, routes in their listeners, and secrets are read from the files that they are read from now. The admin interface is on
// 127.0.0.1:9901.
// An error means that two listeners have one name, which happens where different nodes are given them: list must then be
// the resources of one node.
func Bootstrap(w io.Writer, c *config.Config, list []*translate.Resource) error {
	listeners := ofType(list, resourcev3.ListenerType)
	for i := 1; i < len(listeners); i++ {
		if r := listeners[i]; r.Name == listeners[i-1].Name {
			return fmt.Errorf("two listeners are named %q; choose the node that the file is for", r.Name)
		}
	}
	p := &printer{}
	p.line(0, "# Serves without l4xds: envoy -c FILE. Changes of the l4xds file do not reach it.")
	if slices.ContainsFunc(listeners, needsNetRaw) {
		p.line(0, "# It has listeners that work with addresses which are not this host's: start Envoy with CAP_NET_RAW or CAP_NET_ADMIN.")
	}
	p.block(tree(encode(&bootstrapv3.Bootstrap{Admin: admin(), BootstrapExtensions: extensions(listeners)})), 0)
	p.line(0, "static_resources:")
	p.resources(c, "listeners", withStaticSecrets(withStaticRoutes(listeners, list)))
	p.resources(c, "clusters", static(list))
	if secrets := ofType(list, resourcev3.SecretType); len(secrets) > 0 {
		p.resources(c, "secrets", secrets)
	}
	_, err := w.Write(p.Bytes())
	return err
}

func needsNetRaw(r *translate.Resource) bool { return r.Needs&translate.NeedsNetRaw != 0 }

// resources writes one of the lists of static resources.
func (p *printer) resources(c *config.Config, key string, list []*translate.Resource) {
	if len(list) == 0 {
		p.line(2, key+": []")
		return
	}
	p.line(2, key+":")
	for _, r := range list {
		p.resource(c, r, tree(encode(shown(r))), 2)
	}
}

// extensions are what Envoy needs for listeners that only it itself connects to; none where there are no such.
func extensions(listeners []*translate.Resource) []*corev3.TypedExtensionConfig {
	if !slices.ContainsFunc(listeners, func(r *translate.Resource) bool {
		return r.Msg.(*listenerv3.Listener).GetInternalListener() != nil
	}) {
		return nil
	}
	return []*corev3.TypedExtensionConfig{{Name: "envoy.bootstrap.internal_listener", TypedConfig: pack(&internalv3.InternalListener{})}}
}

func admin() *bootstrapv3.Admin {
	return &bootstrapv3.Admin{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{
			Address:       adminHost,
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: adminPort},
		},
	}}}
}

// static is the clusters of list with their endpoints inside.
func static(list []*translate.Resource) []*translate.Resource {
	assignments := make(map[string]*endpointv3.ClusterLoadAssignment)
	for _, r := range ofType(list, resourcev3.EndpointType) {
		assignments[r.Name] = r.Msg.(*endpointv3.ClusterLoadAssignment)
	}
	var clusters []*translate.Resource
	for _, r := range ofType(list, resourcev3.ClusterType) {
		inlined := *r
		inlined.Msg = staticCluster(r.Msg.(*clusterv3.Cluster), assignments)
		clusters = append(clusters, &inlined)
	}
	return withStaticSecrets(clusters)
}

// staticCluster is c with its endpoints inside; a cluster that does not wait for an assignment has them already.
func staticCluster(c *clusterv3.Cluster, assignments map[string]*endpointv3.ClusterLoadAssignment) *clusterv3.Cluster {
	if c.EdsClusterConfig == nil {
		return c
	}
	s := proto.CloneOf(c)
	s.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	s.LoadAssignment = assignments[c.EdsClusterConfig.ServiceName]
	s.EdsClusterConfig = nil
	return s
}
