package config

import "net/netip"

// Backend is a set of endpoints and how to choose and reach one of them.
// Envoy: envoy.config.cluster.v3.Cluster and its ClusterLoadAssignment.
type Backend struct {
	// Name is the name of a backend of `backends:`; empty for an inline one.
	Name string
	// At is the place of the backend's name, or of the inline `to`.
	At Place
	// Endpoints are in file order, at least one, each address once.
	Endpoints []Endpoint `yaml:"endpoints" required:"true"`
	// EndpointsAt is the place of the list.
	EndpointsAt Place
	// Balance says which endpoint a new connection or session goes to.
	Balance Balance `yaml:"balance" default:"round_robin"`
	// Check is the active health check; nil means none.
	Check *Check `yaml:"check" default:"none"`
	// ConnectTimeout is how long one attempt to reach an endpoint may take (TCP).
	ConnectTimeout Duration `yaml:"timeouts.connect" default:"5s" range:"1ms..8760h" only:"tcp"`
	// Keepalive is that of the connections to the endpoints; nil is off.
	Keepalive *Keepalive `yaml:"keepalive" default:"on" only:"tcp"`
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
	// Weight is the share of this endpoint within its backend, 1..1000000. Default: 1.
	Weight uint32 `yaml:"weight" default:"1" range:"1..1000000"`
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

// Check is an active health check: endpoints that fail it get no new connections.
// Envoy: envoy.config.core.v3.HealthCheck.
type Check struct {
	// TCP is the interval at which each endpoint is connected to.
	TCP Duration `yaml:"tcp" required:"true" range:"1ms..8760h"`
	// Timeout is how long one check may take.
	Timeout Duration `yaml:"timeout" default:"1s" range:"1ms..8760h"`
	// Fall is how many failures in a row take an endpoint out, Rise how many successes bring it back.
	Fall int `yaml:"fall" default:"3" range:"1..1000"`
	Rise int `yaml:"rise" default:"2" range:"1..1000"`
}

func (Balance) words() []string {
	return []string{string(RoundRobin), string(LeastConnections), string(Random), string(Maglev), string(RingHash)}
}
