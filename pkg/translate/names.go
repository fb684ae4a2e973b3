package translate

import (
	"strings"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// The types of the resources that are made.
const (
	listenerType = resourcev3.ListenerType
	clusterType  = resourcev3.ClusterType
	endpointType = resourcev3.EndpointType
)

// The names of Envoy's extensions. Envoy finds an extension by the type of its configuration; its name is for people,
// and stands in errors.
const (
	tlsInspectorName = "envoy.filters.listener.tls_inspector"
	tcpProxyName     = "envoy.filters.network.tcp_proxy"
	udpProxyName     = "envoy.filters.udp_listener.udp_proxy"
	capsuleName      = "envoy.filters.udp.session.http_capsule"

	httpConnectionName = "envoy.filters.network.http_connection_manager"
	forwardFilterName  = "envoy.filters.http.dynamic_forward_proxy"
	routerName         = "envoy.filters.http.router"
	forwardClusterName = "envoy.clusters.dynamic_forward_proxy"

	// httpOptionsName is a key, and cannot be chosen.
	httpOptionsName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

	dnsClusterName = "envoy.cluster.dns"
	fileLogName    = "envoy.access_loggers.file"
	stdoutLogName  = "envoy.access_loggers.stdout"
	stderrLogName  = "envoy.access_loggers.stderr"

	roundRobinName   = "envoy.load_balancing_policies.round_robin"
	leastRequestName = "envoy.load_balancing_policies.least_request"
	randomName       = "envoy.load_balancing_policies.random"
	maglevName       = "envoy.load_balancing_policies.maglev"
	ringHashName     = "envoy.load_balancing_policies.ring_hash"

	// udpRouteName is free: the action of udp_proxy's matcher.
	udpRouteName = "route"
)

// listenerName is the name of the Envoy listener of one bound address: "tcp/0.0.0.0:5432", "udp/[::]:53",
// "tcp/unix:/run/x.sock". It says nothing of the stanza: renaming that then moves no socket, and two stanzas on one
// address cannot both be given to a node.
func listenerName(p config.Protocol, b config.Bind) string {
	return string(p) + "/" + b.String()
}

// chainName is the name of the filter chain of a route, "edge/a.example.com" or, for everything else, "edge". It is what
// an access log shows as %FILTER_CHAIN_NAME%.
func chainName(l *config.Listener, r *config.Route) string {
	if r.Name == "" {
		return l.Name
	}
	return l.Name + "/" + r.Name
}

// statReplacer takes out what Envoy's statistics read as a separator: with a dot the rest of the name becomes part of
// the metric's name, and a colon becomes an underscore. A slash is kept as it is.
var statReplacer = strings.NewReplacer(".", "_", ":", "_")

// altStatName is the name of a cluster in statistics, empty if it is the cluster's own.
func altStatName(cluster string) string {
	if name := statReplacer.Replace(cluster); name != cluster {
		return name
	}
	return ""
}
