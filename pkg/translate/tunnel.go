package translate

import (
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	capsulev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/session/http_capsule/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// tcpTunneling asks the far end of a tunnel for a connection; nil for a route without a tunnel, and for the first step of one
// with something inside.
func tcpTunneling(r *config.Route) *tcpproxyv3.TcpProxy_TunnelingConfig {
	if r.Via == nil || r.Inside != nil {
		return nil
	}
	return &tcpproxyv3.TcpProxy_TunnelingConfig{
		Hostname:     r.Ask.String(),
		UsePost:      r.Via.Method == config.Post,
		PostPath:     r.Via.Path,
		HeadersToAdd: headersToAdd(r.Headers),

		PropagateResponseHeaders:  propagates(r.Via, config.PropagateHeaders),
		PropagateResponseTrailers: propagates(r.Via, config.PropagateTrailers),
	}
}

// udpTunneling asks the far end of a tunnel for a session; nil for a route without a tunnel.
func udpTunneling(r *config.Route) *udpproxyv3.UdpProxyConfig_UdpTunnelingConfig {
	if r.Via == nil {
		return nil
	}
	host, port := ProxyHost(r.Via)
	return &udpproxyv3.UdpProxyConfig_UdpTunnelingConfig{
		ProxyHost:         host,
		ProxyPort:         port,
		TargetHost:        r.Ask.Host,
		DefaultTargetPort: uint32(r.Ask.Port),
		UsePost:           r.Via.Method == config.Post,
		PostPath:          r.Via.Path,
		HeadersToAdd:      headersToAdd(r.Headers),
		RetryOptions:      udpRetry(r.Retry),
		BufferOptions:     udpBuffer(r.Buffer),

		PropagateResponseHeaders:  propagates(r.Via, config.PropagateHeaders),
		PropagateResponseTrailers: propagates(r.Via, config.PropagateTrailers),
	}
}

func propagates(t *config.Tunnel, p config.Propagated) bool { return slices.Contains(t.Propagate, p) }

// ProxyHost is how a UDP session names the far end: as it is written, as TLS asks for it, or by the first host name of
// the proxies. Where there is none it is the tunnel's name rather than an address, so that addresses come and go without a change of the
// listener, which would end its sessions.
func ProxyHost(t *config.Tunnel) (host string, port *wrapperspb.UInt32Value) {
	switch named := t.ProxyHost; {
	case named.Port != 0:
		return named.Host, wrapperspb.UInt32(uint32(named.Port))
	case named.Host != "":
		return named.Host, nil
	}
	if tls := t.Proxy.TLS; tls != nil && tls.SNI != "" {
		return tls.SNI, nil
	}
	for _, e := range t.Proxy.Endpoints {
		if e.Host != "" {
			return e.Host, wrapperspb.UInt32(uint32(e.Port))
		}
	}
	return strings.ReplaceAll(t.Name, "/", "."), nil // a slash is no part of a host
}

// sessionFilters put each datagram into a capsule, without which a tunnel comes up and nothing gets through. The filter
// has to be the last.
func sessionFilters(r *config.Route) []*udpproxyv3.UdpProxyConfig_SessionFilter {
	if r.Via == nil {
		return nil
	}
	return []*udpproxyv3.UdpProxyConfig_SessionFilter{{
		Name: capsuleName,
		ConfigType: &udpproxyv3.UdpProxyConfig_SessionFilter_TypedConfig{
			TypedConfig: pack(&capsulev3.FilterConfig{}),
		},
	}}
}

func headersToAdd(headers config.Headers) []*corev3.HeaderValueOption {
	var list []*corev3.HeaderValueOption
	for _, h := range headers {
		list = append(list, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: h.Name, Value: h.Value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return list
}

// attempts is how often one connection, or one session, is tried. Nothing was sent yet, so that a further try is safe.
func attempts(r *config.Retry) *wrapperspb.UInt32Value {
	if r == nil {
		return wrapperspb.UInt32(1)
	}
	return number(r.Attempts)
}

// maxBackoff is how many times the first wait Envoy waits at most, unless it is told.
const maxBackoff = 10

// backoff is nil where nothing is waited for. Envoy waits a random part of it.
func backoff(r *config.Retry) *corev3.BackoffStrategy {
	if r == nil || r.Backoff == 0 {
		return nil
	}
	b := &corev3.BackoffStrategy{BaseInterval: duration(r.Backoff)}
	if r.MaxBackoff != 0 {
		b.MaxInterval = duration(r.MaxBackoff)
	}
	return b
}

func udpRetry(r *config.Retry) *udpproxyv3.UdpProxyConfig_UdpTunnelingConfig_RetryOptions {
	return &udpproxyv3.UdpProxyConfig_UdpTunnelingConfig_RetryOptions{
		MaxConnectAttempts: attempts(r),
		BackoffOptions:     backoff(r),
	}
}

func udpBuffer(b *config.Buffer) *udpproxyv3.UdpProxyConfig_UdpTunnelingConfig_BufferOptions {
	if b == nil {
		return nil
	}
	return &udpproxyv3.UdpProxyConfig_UdpTunnelingConfig_BufferOptions{
		MaxBufferedDatagrams: number(b.Datagrams),
		MaxBufferedBytes:     wrapperspb.UInt64(uint64(b.Bytes)),
	}
}

// breakers are those of a cluster; t is nil where its endpoints are no far ends. Envoy counts a session through a tunnel
// as a connection too, besides the real one, so that only the number of streams can be limited.
func breakers(t *config.Tunnel) *clusterv3.CircuitBreakers {
	b := noBreakers()
	if t != nil && t.MaxStreams > 0 {
		b.Thresholds[0].MaxRequests = number(t.MaxStreams)
	}
	return b
}
