package config

import "net/netip"

// Tunnel is a hop that carries connections and sessions inside HTTP: one stream for each.
// Envoy: the cluster of its far ends, and what tcp_proxy and udp_proxy ask them for.
type Tunnel struct {
	// Name is the name of the tunnel, and of the cluster of its far ends.
	Name string
	// At is the place of the name.
	At Place
	// Proxy are the far ends; nil for a tunnel that is only an exit.
	Proxy *Backend

	// HTTP is the version of HTTP that is spoken with the far ends: 1 takes a connection for each stream, 2 shares one, 3 is
	// QUIC, where a lost packet holds up one stream only and datagrams stay datagrams; it needs `tls`. `auto` is 2 or 1, as
	// TLS agrees with the far end; TCP only.
	// Envoy: envoy.extensions.upstreams.http.v3.HttpProtocolOptions.explicit_http_config, or auto_config
	HTTP HTTPVersion `yaml:"http"`
	// Method is how the far end is asked: `connect` is CONNECT for TCP and CONNECT-UDP for UDP. `post` is a POST whose
	// bodies are the stream, for proxies in between that let nothing else through.
	// Default: connect, the standard, which every proxy of the kind knows.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.use_post, and the same of udp_proxy
	Method Method `yaml:"method" default:"connect"`
	// Path is what a POST asks for.
	// Default: /.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.post_path, and the same of udp_proxy
	Path string `yaml:"path" pattern:"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$" hint:"a path that starts with /"`
	// ProxyHost is the authority that a UDP session names the far end by: a host, or a host and its port.
	// Default: the `sni` of its `tls`, else the first host name of `proxy` with its port; the tunnel's name where there are
	// addresses only.
	// Envoy: envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.proxy_host and proxy_port
	ProxyHost proxyHost `yaml:"proxy_host"`
	// Request is what holds for all that goes through it, unless there is more beside `via`.
	Request `yaml:",inline"`
	// Ping asks the far end for a sign of life on each connection, and closes one on which none comes.
	// Default: on, for a far end that hangs would otherwise hold every session. HTTP/1.1 has none.
	// Envoy: envoy.config.core.v3.Http2ProtocolOptions.connection_keepalive, or QuicProtocolOptions.connection_keepalive and idle_network_timeout
	Ping *Ping `yaml:"ping" default:"on"`
	// StreamsPerConnection is how many streams share one connection, on each thread of Envoy; more take another one. The
	// far end may ask for fewer; over HTTP/3 it alone says how many, which an exit of this file does with 1024.
	// Default: 1024.
	// Envoy: envoy.config.core.v3.Http2ProtocolOptions.max_concurrent_streams
	StreamsPerConnection int `yaml:"streams_per_connection" default:"1024" range:"1..1000000"`
	// MaxStreams is how many connections and sessions one Envoy carries through the tunnel at once; further ones are
	// refused.
	// Default: none.
	// Envoy: envoy.config.cluster.v3.CircuitBreakers.Thresholds.max_requests
	MaxStreams int `yaml:"limits.streams" range:"1..1000000"`
	// Propagate is what of the far end's answer an access log can write, with
	// `%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:TYPED)%`, or `envoy.udp_proxy` and `trailers` in it.
	// Default: none.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.propagate_response_headers, and the same
	// of udp_proxy
	Propagate []Propagated `yaml:"propagate"`
}

// HTTPVersion is a version of HTTP, or a choice of them. Empty where there are no far ends.
// Envoy: HttpProtocolOptions.explicit_http_config, auto_config.
type HTTPVersion string

// The versions of HTTP.
const (
	HTTP1    HTTPVersion = "1"
	HTTP2    HTTPVersion = "2"
	HTTP3    HTTPVersion = "3"
	HTTPAuto HTTPVersion = "auto"
)

func (HTTPVersion) words() []string {
	return []string{string(HTTP1), string(HTTP2), string(HTTP3), string(HTTPAuto)}
}

// Request is how it is asked for a connection or a session. The keys may stand on a tunnel, and on a listener for what goes
// through its tunnel from there.
// Envoy: tcp_proxy, and the TunnelingConfig of udp_proxy.
type Request struct {
	// Headers are added to each request to a far end: a name, and a text that may hold Envoy's operators. Beside `via` they are
	// laid over those of the tunnel, where `none` takes one of them away, or all.
	// Default: none; beside `via` those of the tunnel.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.headers_to_add, and the same of udp_proxy
	Headers Headers `yaml:"headers"`
	// Retry is how it is tried again where an endpoint or a far end cannot be reached, or where a far end refuses. Beside `via` it
	// is laid over that of the tunnel. UDP that goes straight has nothing to try.
	// Default: 3 attempts, one after the other; beside `via` that of the tunnel.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.max_connect_attempts, and the same of udp_proxy
	Retry *Retry `yaml:"retry" default:"on"`
	// Buffer is what a UDP session holds until its stream is there; `none` drops it. Beside `via` it is laid over that of the
	// tunnel.
	// Default: on, or the first datagrams of each session would be lost; beside `via` that of the tunnel.
	// Envoy: envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.buffer_options
	Buffer *Buffer `yaml:"buffer" default:"on" only:"udp"`
}

// Method is how a far end is asked for a stream.
// Envoy: TunnelingConfig.use_post.
type Method string

// The methods.
const (
	Connect Method = "connect"
	Post    Method = "post"
)

func (Method) words() []string { return []string{string(Connect), string(Post)} }

// Propagated is a part of the far end's answer.
// Envoy: TunnelingConfig.propagate_response_headers and propagate_response_trailers.
type Propagated string

// What can be propagated.
const (
	PropagateHeaders  Propagated = "headers"
	PropagateTrailers Propagated = "trailers"
)

func (Propagated) words() []string {
	return []string{string(PropagateHeaders), string(PropagateTrailers)}
}

// proxyHost is a host with or without a port.
type proxyHost struct {
	// Host is empty for the default.
	Host string
	// Port is 0 where none is written.
	Port uint16
}

// Headers are headers of a request, sorted by name.
type Headers []Field

// Retry is how often something is tried, and how long is waited before it is tried again.
// Envoy: envoy.config.core.v3.BackoffStrategy, beside a number of attempts.
type Retry struct {
	// Attempts are all attempts, the first one too.
	// Default: 3; nothing was sent yet, so that another try is safe.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.max_connect_attempts, and the same of udp_proxy
	Attempts int `yaml:"attempts,main" default:"3" range:"1..100"`
	// Backoff is the longest wait before the second attempt; each further one may take twice as long, up to `max_backoff`.
	// Default: none, at once: the next attempt goes to another far end.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.backoff_options, and the same of udp_proxy
	Backoff Duration `yaml:"backoff" default:"none" range:"1ms..60s" none:"any"`
	// MaxBackoff is the longest wait before any attempt; not shorter than `backoff`.
	// Default: ten times `backoff`.
	// Envoy: envoy.config.core.v3.BackoffStrategy.max_interval
	MaxBackoff Duration `yaml:"max_backoff" with:"backoff" range:"1ms..1h"`
}

// Buffer bounds what waits for the stream of a session.
// Envoy: envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions.
type Buffer struct {
	// Datagrams is how many datagrams are held; further ones are dropped.
	// Default: 1024.
	// Envoy: envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions.max_buffered_datagrams
	Datagrams int `yaml:"datagrams,main" default:"1024" range:"1..65536"`
	// Bytes is how many bytes they may have together.
	// Default: 16KiB, ten datagrams of the usual largest size.
	// Envoy: envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions.max_buffered_bytes
	Bytes Size `yaml:"bytes" default:"16KiB" range:"1..16MiB"`
}

// Ping is a question to the other end of a connection.
// Envoy: envoy.config.core.v3.KeepaliveSettings.
type Ping struct {
	// Interval is the time between two questions.
	// Default: 10s.
	// Envoy: envoy.config.core.v3.KeepaliveSettings.interval
	Interval Duration `yaml:"interval,main" default:"10s" range:"1ms..1h"`
	// Timeout is how long the answer may take.
	// Default: 5s.
	// Envoy: envoy.config.core.v3.KeepaliveSettings.timeout
	Timeout Duration `yaml:"timeout" default:"5s" range:"1ms..1h"`
}

// Exit is the far end of a tunnel: a listener that speaks HTTP, and goes where the requests ask.
// Envoy: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.
type Exit struct {
	// Tunnel is the tunnel that ends here.
	Tunnel *Tunnel
	// Cluster is the name of the cluster that goes where it is asked to: TUNNEL/exit, or TUNNEL/exit/requested where the
	// former goes elsewhere.
	Cluster string
	// Targets are what may be asked for where no route of `routes:` takes it, sorted by their texts. Where the listener has a
	// route for the rest, it then takes that one; else it goes where it is asked to. Without a target the rest is refused.
	Targets []Allowed
	// DNS is how names are resolved; not used where the listener has a route.
	DNS DNS
	// Ping asks the near ends for a sign of life; nil for none.
	Ping *Ping
}

// Allowed is what may be asked for at an exit. The zero Allowed is everything.
// Envoy: envoy.config.route.v3.VirtualHost.domains, or RouteMatch.headers.
type Allowed struct {
	// Host is a host name or an IP address, "*.x" for any name below x, or empty for all.
	Host string
	// Network holds the IPv4 addresses that are meant, where they are written as a network; Host is then empty. A name that
	// stands for one of them is not meant.
	Network netip.Prefix
	// Port and Last are the first and the last port; 0 is any.
	Port, Last uint16
}

// String is a as it is written in `targets`.
func (a Allowed) String() string {
	host, ports := a.Host, ""
	switch ip, err := netip.ParseAddr(a.Host); {
	case a == Allowed{}:
		return "any"
	case a.Network.IsValid():
		host = a.Network.String()
	case err == nil && ip.Is6():
		host = "[" + a.Host + "]"
	case host == "":
		host = "*"
	}
	if a.Port != 0 {
		ports = ":" + (Bind{Port: a.Port, Last: a.Last}).Ports()
	}
	return host + ports
}
