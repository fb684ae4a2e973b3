package translate

import (
	"strconv"
	"strings"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// The types of the resources that are made.
const (
	listenerType = resourcev3.ListenerType
	clusterType  = resourcev3.ClusterType
	endpointType = resourcev3.EndpointType
	secretType   = resourcev3.SecretType
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
	tlsSocketName  = "envoy.transport_sockets.tls"

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

// The names of secrets say what they are for, as the file has it: "listeners.api/cert", "listeners.api/client_ca",
// "backends.web/ca", "backends.web/cert". In front of the slash is their owner: a stanza, or for a backend inline in a
// listener "backends." and the name of its cluster.

func listenerOwner(l *config.Listener) string { return l.At.Stanza }

func clusterOwner(cluster string) string { return "backends." + cluster }

// certName is the name of certificate i of an owner: the second one has a 2 behind it.
func certName(owner string, i int) string {
	if i == 0 {
		return owner + "/cert"
	}
	return owner + "/cert-" + strconv.Itoa(i+1)
}

func clientCAName(owner string) string { return owner + "/client_ca" }

func serverCAName(owner string) string { return owner + "/ca" }

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
