package config

import (
	"net/netip"
	"reflect"
	"slices"
)

// Backend is a set of endpoints and how to choose and reach one of them.
// Envoy: envoy.config.cluster.v3.Cluster and its ClusterLoadAssignment.
type Backend struct {
	// Name is the name of a backend of `backends:`; empty for an inline one.
	Name string
	// At is the place of the backend's name, or of the inline `to`.
	At Place

	// Endpoints are the addresses that serve it, each once: `host:port`, `"[v6]:port"`, `unix:/path`, or a map with more
	// to say. A host name is resolved by Envoy, again and again.
	// Envoy: envoy.config.endpoint.v3.ClusterLoadAssignment, by EDS; within the cluster where there is a host name
	Endpoints []Endpoint `yaml:"endpoints" required:"true"`
	// EndpointsAt is the place of the list.
	EndpointsAt Place
	// Balance says which endpoint a new connection or session goes to. The hashing ones go by the client's address.
	// Default: round_robin, which is fair where connections are alike and surprises nobody.
	// Envoy: envoy.config.cluster.v3.Cluster.load_balancing_policy
	Balance Balance `yaml:"balance" default:"round_robin"`
	// Check is the active health check: endpoints that fail it get no new connections.
	// Default: none, for a check is traffic that the servers see.
	// Envoy: envoy.config.cluster.v3.Cluster.health_checks
	Check *Check `yaml:"check" default:"none"`
	// ConnectTimeout is how long one attempt to reach an endpoint may take.
	// Default: 5s; three lost SYN packets are forgiven, and a dead host costs no more.
	// Envoy: envoy.config.cluster.v3.Cluster.connect_timeout
	ConnectTimeout Duration `yaml:"timeouts.connect" default:"5s" range:"1ms..8760h" only:"tcp"`
	// Keepalive is TCP keepalive on the connections to the endpoints; `none` turns it off. A listener has its own.
	// Default: on, for idle connections are kept, and those whose server is gone must be found.
	// Envoy: envoy.config.cluster.v3.Cluster.upstream_connection_options
	Keepalive *Keepalive `yaml:"keepalive" default:"on" only:"tcp"`
	// Source is the address that connections and sessions to the endpoints have, one of each family at most; the endpoints of
	// each family then need one. To let the endpoints see the clients' addresses write `source: client` on the listener.
	// Default: none, Envoy's host chooses.
	// Envoy: envoy.config.cluster.v3.Cluster.upstream_bind_config
	Source *BackendSource `yaml:"source" default:"none"`
	// TLS is spoken to the endpoints, whose certificates are checked; TCP only. On a listener the key is the clients' side:
	// of an inline backend it stands beside its `endpoints`. Of
	// the defaults it is left out for a backend that UDP uses, too.
	// Default: none, the connection's bytes as they are.
	// Envoy: envoy.config.cluster.v3.Cluster.transport_socket
	TLS *BackendTLS `yaml:"tls" default:"none" only:"tcp" hard:"true" because:"that would be DTLS, which Envoy does not speak"`
	// TLSAt is the place of the key; the zero Place where TLS stands in the defaults.
	TLSAt Place
	// ProxyProtocol tells the endpoints whom each connection is from, before TLS; TCP only. They must expect it: it stands in
	// front of the first byte. Checks have it, too: of v2 one that tells nobody, of v1 one with Envoy's own address. Of an inline
	// backend it stands beside its `endpoints`. Of the defaults it is left out for a backend that UDP uses, too, and for the far
	// ends of a tunnel.
	// Default: none, and the endpoints see Envoy's address.
	// Envoy: envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
	ProxyProtocol *ProxyProtocol `yaml:"proxy_protocol" default:"none" only:"tcp" hard:"true" because:"datagrams have no beginning that a header could stand at; source: client on the listener shows the server the client's address"`
}

// UsesDNS reports whether some endpoint is a host name, so that Envoy resolves them.
func (b *Backend) UsesDNS() bool {
	for _, e := range b.Endpoints {
		if e.Host != "" {
			return true
		}
	}
	return false
}

// Endpoint is one address that serves a backend.
// Envoy: envoy.config.endpoint.v3.LbEndpoint.
type Endpoint struct {
	At Place
	// Exactly one of Address, Host and Path is set.
	Address netip.Addr
	Host    string
	Path    string // of a unix socket
	// Port is 1..65535; 0 for a unix socket.
	Port uint16
	// Weight is the share of this endpoint within its backend.
	// Default: 1, all alike.
	// Envoy: envoy.config.endpoint.v3.LbEndpoint.load_balancing_weight
	Weight uint32 `yaml:"weight" default:"1" range:"1..1000000"`
	// Priority says when this endpoint is used: those of 0 first, those of 1 when these are down by their `check`, and so on.
	// It is no step: once fewer than 72 of 100 are up, the next priority takes what is missing.
	// Default: 0.
	// Envoy: envoy.config.endpoint.v3.LocalityLbEndpoints.priority
	Priority uint32 `yaml:"priority" default:"0" range:"0..127"`
	// ProxyProtocol is what this endpoint is told of each connection, where it expects another header than the rest of them; `none`
	// where it expects none. Checks of it have the same. TCP only.
	// Default: that of the backend.
	// Envoy: envoy.config.cluster.v3.Cluster.transport_socket_matches, with metadata of the endpoint
	ProxyProtocol *ProxyProtocol `yaml:"proxy_protocol"`
}

// destination is where e is, without its weight and place: equal for two endpoints that are the same.
func (e Endpoint) destination() Endpoint {
	return Endpoint{Address: e.Address, Host: e.Host, Path: e.Path, Port: e.Port}
}

// Balance names a way to choose an endpoint.
// Envoy: envoy.config.cluster.v3.Cluster.load_balancing_policy.
type Balance string

// The ways to choose an endpoint; the hashing ones go by the client's address.
const (
	RoundRobin       Balance = "round_robin"
	LeastConnections Balance = "least_connections"
	Random           Balance = "random"
	Maglev           Balance = "maglev"
	RingHash         Balance = "ring_hash"
)

func (Balance) words() []string {
	return []string{string(RoundRobin), string(LeastConnections), string(Random), string(Maglev), string(RingHash)}
}

// wordOnly is the one protocol that a word works for; empty for both. Envoy counts connections, and UDP has none.
func (Balance) wordOnly(word string) Protocol {
	if word == string(LeastConnections) {
		return TCP
	}
	return ""
}

// Check is an active health check: endpoints that fail it get no new connections. One of TCP and HTTP is set.
// Envoy: envoy.config.core.v3.HealthCheck.
type Check struct {
	// TCP is the interval at which each endpoint is connected to.
	// Envoy: envoy.config.core.v3.HealthCheck.interval, with tcp_health_check
	TCP Duration `yaml:"tcp" instead:"http" range:"1ms..8760h"`
	// HTTP is the interval at which each endpoint is asked for `/` over HTTP, that of the tunnel where it is a far end, else
	// HTTP/1.1. Any answer but a server's error (5xx) will do: it says that somebody is at work there, where a connection is
	// also taken for one that hangs.
	// Envoy: envoy.config.core.v3.HealthCheck.interval, with http_health_check
	HTTP Duration `yaml:"http" instead:"tcp" range:"1ms..8760h"`
	// Timeout is how long one check may take.
	// Default: 1s; within a site an answer that takes longer is a fault.
	// Envoy: envoy.config.core.v3.HealthCheck.timeout
	Timeout Duration `yaml:"timeout" default:"1s" range:"1ms..8760h"`
	// Fall is how many failures in a row take an endpoint out.
	// Default: 3; one lost packet is no fault.
	// Envoy: envoy.config.core.v3.HealthCheck.unhealthy_threshold
	Fall int `yaml:"fall" default:"3" range:"1..1000"`
	// Rise is how many successes in a row bring an endpoint back.
	// Default: 2; one may be chance.
	// Envoy: envoy.config.core.v3.HealthCheck.healthy_threshold
	Rise int `yaml:"rise" default:"2" range:"1..1000"`
}

// Interval is the time between two checks.
func (c *Check) Interval() Duration { return c.TCP + c.HTTP }

func (c *Check) check(d *decoder, v *value) {
	s := shapeOf(reflect.TypeFor[Check]())
	misspelt := slices.ContainsFunc(v.pairs, func(p pair) bool { return s.index[p.key.text] == nil })
	if v.get("tcp") == nil && v.get("http") == nil && !misspelt {
		d.errorf(idNoValue, v, "has neither tcp nor http; write how often, as {tcp: 5s}")
	}
}
