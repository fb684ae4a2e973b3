package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
)

// The types of the resources that are made.
const (
	listenerType = resourcev3.ListenerType
	clusterType  = resourcev3.ClusterType
	endpointType = resourcev3.EndpointType
	secretType   = resourcev3.SecretType
	routesType   = resourcev3.RouteType
)

// The names of Envoy's extensions. Envoy finds an extension by the type of its configuration; its name is for people,
// and stands in errors.
const (
	tlsInspectorName = "envoy.filters.listener.tls_inspector"
	clientProxyName  = "envoy.filters.listener.proxy_protocol"
	originalDstName  = "envoy.filters.listener.original_dst"
	originalSrcName  = "envoy.filters.listener.original_src"
	tcpProxyName     = "envoy.filters.network.tcp_proxy"
	setStateName     = "envoy.filters.network.set_filter_state"
	udpProxyName     = "envoy.filters.udp_listener.udp_proxy"
	capsuleName      = "envoy.filters.udp.session.http_capsule"

	httpConnectionName = "envoy.filters.network.http_connection_manager"
	forwardFilterName  = "envoy.filters.http.dynamic_forward_proxy"
	routerName         = "envoy.filters.http.router"
	forwardClusterName = "envoy.clusters.dynamic_forward_proxy"
	resolverName       = "envoy.network.dns_resolver.cares"

	// httpOptionsName is a key, and cannot be chosen.
	httpOptionsName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

	dnsClusterName = "envoy.cluster.dns"
	fileLogName    = "envoy.access_loggers.file"
	stdoutLogName  = "envoy.access_loggers.stdout"
	stderrLogName  = "envoy.access_loggers.stderr"
	tlsSocketName  = "envoy.transport_sockets.tls"
	quicSocketName = "envoy.transport_sockets.quic"
	ipMatcherName  = "envoy.matching.matchers.ip"

	proxyProtocolSocketName = "envoy.transport_sockets.upstream_proxy_protocol"
	internalSocketName      = "envoy.transport_sockets.internal_upstream"
	rawSocketName           = "envoy.transport_sockets.raw_buffer"

	roundRobinName   = "envoy.load_balancing_policies.round_robin"
	leastRequestName = "envoy.load_balancing_policies.least_request"
	randomName       = "envoy.load_balancing_policies.random"
	maglevName       = "envoy.load_balancing_policies.maglev"
	ringHashName     = "envoy.load_balancing_policies.ring_hash"

	// socketMatchName is a key of metadata, and cannot be chosen.
	socketMatchName = "envoy.transport_socket_match"

	// udpRouteName and chainActionName are free: the actions of the matchers of udp_proxy and of a listener.
	udpRouteName    = "route"
	chainActionName = "filter_chain"
	// noChain is the name of no filter chain: no stanza may have it.
	noChain = "none"
)

// listenerName is the name of the Envoy listener of one bound address: "tcp/0.0.0.0:5432", "udp/[::]:53",
// "tcp/unix:/run/x.sock". It says nothing of the stanza: renaming that then moves no socket, and two stanzas on one
// address cannot both be given to a node.
func listenerName(p config.Protocol, b config.Bind) string {
	return string(p) + "/" + b.String()
}

// insideListenerName is the name of the internal listener behind a cluster that speaks inside of a tunnel. It stands before
// those of the other listeners, so that Envoy has it before a listener that needs it.
func insideListenerName(cluster string) string { return "inside/" + cluster }

// chainName is the name of the filter chain of a route, "edge/a.example.com", "edge/office" or, for everything else, "edge". It is what
// an access log shows as %FILTER_CHAIN_NAME%.
func chainName(l *config.Listener, r *config.Route) string {
	if r.Name == "" {
		return l.Name
	}
	return l.Name + "/" + r.Name
}

// exitName is the name of the routes of an exit, and of their virtual host. One that listens on TCP and UDP has them twice.
func exitName(l *config.Listener) string {
	if l.Protocol == config.UDP {
		return l.Name + "/exit/udp"
	}
	return l.Name + "/exit"
}

// The names of secrets say what they are for, as the file has it: "listeners.api/cert", "listeners.api/client_ca",
// "backends.web/ca", "backends.web/cert". In front of the slash is their owner: a stanza, or for a backend inline in a
// listener "backends." and the name of its cluster.

// listenerOwner is the stanza; an exit may listen on UDP besides TCP, with secrets that each of its listeners has.
func listenerOwner(l *config.Listener) string {
	if l.Protocol == config.UDP {
		return l.At.Stanza + "/udp"
	}
	return l.At.Stanza
}

func clusterOwner(cluster string) string { return "backends." + cluster }

// frozenMark stands in the name of a cluster that never changes under it, before a hash of what it is. No name of the
// file has such a character.
const frozenMark = "@h3-"

// shortHashSize is how many bytes of a hash are in a name.
const shortHashSize = 4

// frozenName is the name of c, a cluster named base, where it must never change under its name.
func frozenName(base string, c *clusterv3.Cluster) string {
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil {
		panic(invalid{c, err})
	}
	return base + frozenMark + shortHash(bytes)
}

// shortHash is what tells bytes from a few others.
func shortHash(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:shortHashSize])
}

// Frozen reports whether cluster is the name of one that never changes, and must not be taken from an Envoy that has it:
// Envoy 1.40 crashes when a cluster with HTTP/3 streams goes, and nothing tells when the last one has ended.
func Frozen(cluster string) bool { return strings.Contains(cluster, frozenMark) }

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

// altStatName is the name of a cluster in statistics, empty if it is the cluster's own. Far ends, which via leads to, are
// called by the tunnel's name.
func altStatName(cluster string, via *config.Tunnel) string {
	if via != nil && via.Name != cluster {
		return statReplacer.Replace(via.Name)
	}
	if name := statReplacer.Replace(cluster); name != cluster {
		return name
	}
	return ""
}
