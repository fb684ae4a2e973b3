package config

import (
	"io/fs"
	"net/netip"
	"strconv"
)

// Protocol is what a listener speaks.
type Protocol string

// The protocols.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Listener is one stanza of `listeners:` for one of its protocols.
type Listener struct {
	// Name is the stanza's name: for people, and the prefix of the statistics.
	Name string
	// At is the place of the stanza's name.
	At Place
	// Protocol is TCP or UDP.
	Protocol Protocol
	// Binds are the elements of `tcp:` or `udp:`, in file order; each becomes one Envoy listener.
	Binds []Bind
	// Audience says which Envoys are given this listener. Default: all.
	Audience Selector
	// Inspects is whether the TLS client hello is read before a route is chosen (an `sni:` table is there).
	Inspects bool
	// Routes say where connections go: one per row of `sni:`, sorted by host, then the one for everything else, if any.
	// UDP has exactly one, TCP at least one.
	Routes []*Route
	// Timeouts, Keepalive and AccessLog are those of the client's side, defaults filled in.
	Timeouts ListenerTimeouts `yaml:"timeouts"`
	// Keepalive is that of the connections from the clients; nil is off, or UDP.
	Keepalive *Keepalive `yaml:"keepalive" default:"on" only:"tcp"`
	// AccessLog writes down each connection or session; nil is none.
	AccessLog *AccessLog `yaml:"access_log" default:"none"`
}

// Bind is one address that a listener listens on.
type Bind struct {
	At Place
	// Address is the IP address; [::] takes both families. The zero Addr means Path is set.
	Address netip.Addr
	// Port is the first port, Last the last one of the range; equal for a single port. 1..65535.
	Port, Last uint16
	// Path is that of a unix socket, TCP only; empty for IP addresses. "@name" is an abstract one.
	Path string
	// Mode is the file mode of the unix socket; 0 leaves it to Envoy's umask.
	Mode fs.FileMode
}

// String is b as it stands in names: "0.0.0.0:5432", "[::]:53", "unix:/run/x.sock". A range is named by its first port.
func (b Bind) String() string {
	if b.Path != "" {
		return "unix:" + b.Path
	}
	return netip.AddrPortFrom(b.Address, b.Port).String()
}

// Ports is b's port or range as written: "5432", "27000-27015".
func (b Bind) Ports() string {
	if b.Last == b.Port {
		return strconv.Itoa(int(b.Port))
	}
	return strconv.Itoa(int(b.Port)) + "-" + strconv.Itoa(int(b.Last))
}

// Route sends the connections that it matches to one target.
// Envoy: envoy.config.listener.v3.FilterChain with a tcp_proxy filter, or the action of udp_proxy's matcher.
type Route struct {
	// Name is the key of the table that the route stands in ("a.example.com", "*"); empty for `to:` on the listener.
	Name string
	At   Place
	// SNI is the host name that the client asks for, in lower case; "*.x" is any name below x; "*" any TLS client.
	// Empty: everything that no other route took.
	SNI string
	// To is where the connections go.
	To Target
}

// Target is where a route goes: one backend, or several with weights.
type Target struct {
	// Split is whether weights were written, even with one backend only: it then has a cluster of its own.
	Split bool
	// Cluster is the name of the cluster that the target becomes (of the split, where Split is Clusters).
	// A single named backend: the backend's name. Inline or split: STANZA, or STANZA/ROUTE.
	Cluster string
	// Parts has one element unless Split.
	Parts []Part
}

// Part is one backend of a target.
type Part struct {
	Backend *Backend
	// Weight is the share of new connections relative to the sum; 0..1000000; 0 gets none. 1 where no weights are written.
	Weight uint32
	At     Place
}

// Form is how a split is carried out: see docs/reference.md.
type Form int

// The forms, in the order in which they are preferred.
const (
	// Single is a target without weights: the backend's own cluster.
	Single Form = iota
	// Localities is one cluster with a weighted locality per backend, whose endpoints travel by EDS.
	Localities
	// DNSLocalities is the same with host names: STRICT_DNS, a shift of weights is a change of the cluster.
	DNSLocalities
	// Clusters is weighted clusters in tcp_proxy, for backends whose settings differ; TCP only.
	Clusters
)

// ListenerTimeouts end connections and sessions on which nothing happens.
type ListenerTimeouts struct {
	// Idle ends a TCP connection or UDP session on which no byte has moved for this long; 0 is off (TCP only).
	Idle Duration `yaml:"idle" default:"none" default_udp:"60s" range:"1ms..8760h" none:"tcp"`
}

// AccessLog is where each connection or session is written down when it ends.
type AccessLog struct {
	// File is a path on the Envoy, or "stdout", "stderr".
	File string `yaml:"file,main" required:"true"`
	// JSON are the fields of each line, sorted by name; Text is the line itself. At most one is set; neither means the
	// default JSON fields of the protocol.
	JSON Fields `yaml:"json" instead:"text"`
	Text string `yaml:"text" instead:"json"`
}

// Fields are the fields of a JSON log line, sorted by name.
type Fields []Field

// Field is one named value of a JSON log line.
type Field struct {
	Name, Value string
}

// Keepalive is TCP keepalive: the kernel's probes on a connection on which nothing moves.
// Envoy: envoy.config.core.v3.TcpKeepalive.
type Keepalive struct {
	// Idle is the quiet time before the first probe, Interval the time between probes. Whole seconds, 1s..32767s.
	Idle     Duration `yaml:"idle,main" default:"60s" range:"1s..32767s"`
	Interval Duration `yaml:"interval" default:"15s" range:"1s..32767s"`
	// Probes is how many may stay unanswered before the connection is closed. 1..127.
	Probes int `yaml:"probes" default:"4" range:"1..127"`
}
