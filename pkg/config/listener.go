package config

import (
	"io/fs"
	"net/netip"
	"slices"
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
	// Inspects is whether the TLS client hello is read before a route is chosen: an `sni:` table is there, or a route that
	// asks for what only the hello tells.
	Inspects bool
	// InOrder is whether the routes are those of `routes:`, of which the first that matches is taken.
	InOrder bool
	// Routes say where connections go: one per row of `sni:`, sorted by host, or those of `routes:` in file order; then the
	// one for everything else, if any. There is at least one; an exit may have none, and then goes where it is asked to.
	Routes []*Route
	// Exit is set for the far end of a tunnel, nil for all others.
	Exit *Exit

	// Timeouts are how long things may take.
	// Envoy: what its keys become.
	Timeouts ListenerTimeouts `yaml:"timeouts"`
	// Keepalive is TCP keepalive on the connections from the clients; `none` turns it off. A backend has its own.
	// Default: on, for idle connections are kept, and those whose client is gone must be found.
	// Envoy: envoy.config.listener.v3.Listener.tcp_keepalive
	Keepalive *Keepalive `yaml:"keepalive" default:"on" only:"tcp"`
	// AccessLog writes a line for each connection or session when it ends, refused ones too.
	// Default: none, for a log that nobody asked for fills disks.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.access_log, and the same of udp_proxy
	AccessLog *AccessLog `yaml:"access_log" default:"none"`
	// TLS ends the clients' TLS here, with these certificates; TCP only. With `sni:`, too, for all of its rows.
	// Default: none, and TLS passes through.
	// Envoy: envoy.config.listener.v3.FilterChain.transport_socket
	TLS *ListenerTLS `yaml:"tls" default:"none" only:"tcp"`
	// TLSAt is the place of the key; the zero Place where TLS stands in the defaults.
	TLSAt Place
	// Source is whose address the servers see. `client` is the client's: its IP address, and a port of Envoy's choice. The Envoy
	// needs CAP_NET_RAW or CAP_NET_ADMIN and says so (`l4xds bootstrap --capability net_raw`), else it is not given the listener;
	// and the answers must come back through its host, for which `l4xds kit` prints the rules. An address is a key of the backend
	// that stands inline in `to`.
	// Default: none, and the servers see Envoy's address.
	// Envoy: envoy.extensions.filters.listener.original_src.v3.OriginalSrc, and envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.use_original_src_ip
	Source ClientSource `yaml:"source" default:"none"`
	// Transparent takes traffic that was on its way to somebody else: `redirect` by NAT, which needs no privilege, or `tproxy`, for
	// which the Envoy needs what it needs for `source: client`. `l4xds kit` prints the rules that capture it.
	// Default: none, and only what is for the Envoy's own addresses arrives.
	// Envoy: envoy.config.listener.v3.Listener.transparent, and envoy.extensions.filters.listener.original_dst.v3.OriginalDst
	Transparent *Transparent `yaml:"transparent" default:"none"`
	// Freebind lets it listen on an address that the Envoy's host does not have, or not yet.
	// Default: false; such an address is refused by the Envoy.
	// Envoy: envoy.config.listener.v3.Listener.freebind
	Freebind bool `yaml:"freebind" default:"false"`
	// ProxyProtocol reads whom a connection is from, out of a header that a load balancer puts in front of the first byte, before
	// TLS; TCP only. What it says is then the client's address and the one that the client dialled: for the conditions of
	// `routes` but `peer`, for logs, for `balance`, and for what a backend is told. A header that tells of nobody, such as that
	// of a check (`LOCAL`, `UNKNOWN`), leaves what the connection has.
	// Default: none, and a header is the first of what the client says.
	// Envoy: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, a listener filter
	ProxyProtocol *ClientProxy `yaml:"proxy_protocol" default:"none" only:"tcp" hard:"true" because:"datagrams have no beginning that a header could stand at; let what is in front keep the client's address"`
	// MaxDatagram is the largest datagram that is passed on, to the backend and back; through a tunnel, of those to the far
	// end. Larger ones are dropped, and counted by `listener.ADDRESS.udp.downstream_rx_datagram_dropped`. What is passed on and
	// does not fit into a packet of the network is split, on both sides.
	// Default: 9000, what jumbo frames carry; larger ones pass as well where the kernel hands over several datagrams in one
	// piece (GRO). That is left off where the key is written, so that it is exact. Through HTTP/3 it is 1423, and no more:
	// what fits into one packet of QUIC.
	// Envoy: envoy.config.core.v3.UdpSocketConfig.max_rx_datagram_size and prefer_gro, of the listener and of udp_proxy
	MaxDatagram Size `yaml:"max_datagram" range:"1..65535" only:"udp"`
}

// MaxHTTP3Datagram is the largest datagram that HTTP/3 carries, in bytes, where the networks between take packets of 1500.
const MaxHTTP3Datagram Size = 1423

// OverHTTP3 reports whether l is UDP, and goes through a tunnel over HTTP/3.
func (l *Listener) OverHTTP3() bool {
	return l.Protocol == UDP && slices.ContainsFunc(l.Routes, func(r *Route) bool { return r.Via != nil && r.Via.HTTP == HTTP3 })
}

// Backends are those that l sends to, as often as it does: the far ends where it goes through a tunnel.
func (l *Listener) Backends() []*Backend {
	var all []*Backend
	for _, r := range l.Routes {
		for _, p := range r.To.Parts {
			all = append(all, p.Backend)
		}
	}
	return all
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
	// Name is the key of the table that the route stands in ("a.example.com", "*"), or its name in `routes:`; empty for `to:`
	// on the listener.
	Name string
	At   Place
	// SNI is the host name that the client asks for, in lower case; "*.x" is any name below x; "*" any TLS client.
	// Empty: everything that no other route took.
	SNI string
	// Match is what a route of `routes:` asks for; nil for one that takes everything.
	Match *Match
	// RequestMatch is what a route of `routes:` of an exit asks for; nil for all others.
	RequestMatch *RequestMatch
	// Requested is whether an exit goes where the request asks; To is then empty.
	Requested bool
	// Original is whether the connections go where the client was going, within Targets; To then holds one backend without
	// endpoints, for how that is reached.
	Original bool
	Targets  []Reach
	// Timeouts and AccessLog are those of the listener, or the route's own; on an exit they are empty.
	Timeouts  ListenerTimeouts
	AccessLog *AccessLog
	// To is where the connections go.
	To Target
	// Via is the tunnel that carries them there; To then is its far ends. Nil: straight.
	Via *Tunnel
	// Ask is what the far end is asked for; zero without Via.
	Ask Ask
	// Request is how it is asked for: that of the tunnel, with what stands beside `via` laid over it. Without Via it holds how
	// TCP tries again, and nothing for UDP.
	Request
	// Inside is what is spoken with the target inside of Via; nil for the client's bytes as they are.
	Inside *Inside
}

// ListenerTimeouts end connections and sessions on which nothing happens.
type ListenerTimeouts struct {
	// Idle ends a TCP connection, or a UDP session, on which no byte has moved for this long. `none` is never, for TCP.
	// Default: none for TCP, for a proxy does not cut what both ends keep (keepalive finds the dead ones);
	// 60s for UDP, which has no other end; with `source: client` 30s, as the answers come back only as
	// long as the kernel of the Envoy's host knows of the session (its nf_conntrack_udp_timeout).
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.idle_timeout, and the same of udp_proxy
	Idle Duration `yaml:"idle" default:"none" default_udp:"60s" range:"1ms..8760h" none:"tcp"`
}

// AccessLog is where each connection or session is written down when it ends.
type AccessLog struct {
	// File is a path on the Envoy, or `stdout` or `stderr`.
	// Envoy: envoy.extensions.access_loggers.file.v3.FileAccessLog.path, or the stream loggers
	File string `yaml:"file,main" required:"true" pattern:"^(/.+|stdout|stderr)$" hint:"an absolute path, stdout or stderr"`
	// JSON gives each line these fields: a name, and a text with Envoy's operators, such as `%BYTES_SENT%`.
	// Default: fields that fit the protocol, if there is no text either.
	// Envoy: envoy.config.core.v3.SubstitutionFormatString.json_format
	JSON Fields `yaml:"json" instead:"text"`
	// Text is each line as a text with Envoy's operators.
	// Envoy: envoy.config.core.v3.SubstitutionFormatString.text_format_source
	Text string `yaml:"text" instead:"json" pattern:"^([^%]|%%|%[A-Za-z0-9_.:,/()@*? -]+%)*$" hint:"a format; operators stand between two %, and a % alone is written %%"`
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
	// Idle is the quiet time before the first probe, in whole seconds.
	// Default: 60s, which is shorter than the memory of common firewalls and NATs.
	// Envoy: envoy.config.core.v3.TcpKeepalive.keepalive_time
	Idle Duration `yaml:"idle,main" default:"60s" range:"1s..32767s" step:"1s"`
	// Interval is the time between probes, in whole seconds.
	// Default: 15s, so that with 4 probes a dead peer is found within two minutes.
	// Envoy: envoy.config.core.v3.TcpKeepalive.keepalive_interval
	Interval Duration `yaml:"interval" default:"15s" range:"1s..32767s" step:"1s"`
	// Probes is how many may stay unanswered before the connection is closed.
	// Default: 4, see interval.
	// Envoy: envoy.config.core.v3.TcpKeepalive.keepalive_probes
	Probes int `yaml:"probes" default:"4" range:"1..127"`
}
