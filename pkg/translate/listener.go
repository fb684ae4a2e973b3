package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	originalsrcv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_src/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

const (
	// bufferLimit is how many bytes of a connection Envoy holds on each side before it stops reading from the other.
	// Envoy's own 1 MiB, twice for every slow client, is much where connections are many; it is a soft limit.
	bufferLimit = 64 << 10
	// maxDatagram is the largest datagram that is passed on unless the file says otherwise. Envoy's own 1500 bytes drop
	// larger ones without a word; 9000 is what jumbo frames carry.
	maxDatagram = 9000
	// inspectTimeoutSeconds is how long a client may take to send its PROXY header and its TLS hello.
	inspectTimeoutSeconds = 5
)

// listener is the Envoy listener of one bound address of s.
func listener(s *stanzaPlan, b *config.Bind) *listenerv3.Listener {
	switch {
	case s.stanza.Protocol == config.TCP:
		return tcpListener(s, b)
	case s.stanza.Exit != nil:
		return quicListener(s, b)
	}
	return udpListener(s, b)
}

// tcpListener reads the client's TLS hello only if the stanza asks for it: a client that waits for the server to speak
// first, as that of MySQL or SMTP does, would hang.
func tcpListener(s *stanzaPlan, b *config.Bind) *listenerv3.Listener {
	l := &listenerv3.Listener{
		Name:                          listenerName(config.TCP, *b),
		Address:                       bindAddress(corev3.SocketAddress_TCP, b, b.Port),
		AdditionalAddresses:           additionalAddresses(corev3.SocketAddress_TCP, b),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		TcpKeepalive:                  listenerKeepalive(s.stanza, b),
		Transparent:                   transparent(s.stanza),
		Freebind:                      freebind(s.stanza),
		ListenerFilters:               listenerFilters(s.stanza),
		FilterChains:                  filterChains(s),
	}
	l.DefaultFilterChain = defaultFilterChain(s)
	if s.refuses() {
		l.AccessLog = refusedLog(s.stanza)
	}
	if s.matches() {
		l.FilterChainMatcher = matchBelieved(s.stanza, matcher(s, s.listed(), chainAction))
	}
	if s.stanza.Inspects || s.stanza.ProxyProtocol != nil {
		l.ListenerFiltersTimeout = &durationpb.Duration{Seconds: inspectTimeoutSeconds}
	}
	return l
}

// udpListener has no filter chains: udp_proxy is a listener filter.
func udpListener(s *stanzaPlan, b *config.Bind) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                listenerName(config.UDP, *b),
		Address:             bindAddress(corev3.SocketAddress_UDP, b, b.Port),
		AdditionalAddresses: additionalAddresses(corev3.SocketAddress_UDP, b),
		Transparent:         transparent(s.stanza),
		Freebind:            freebind(s.stanza),
		SocketOptions:       splitting(b),
		UdpListenerConfig:   &listenerv3.UdpListenerConfig{DownstreamSocketConfig: udpSocket(s.stanza)},
		ListenerFilters:     []*listenerv3.ListenerFilter{udpProxy(s)},
	}
}

// quicListener takes the QUIC connections of HTTP/3.
func quicListener(s *stanzaPlan, b *config.Bind) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          listenerName(config.UDP, *b),
		Address:                       bindAddress(corev3.SocketAddress_UDP, b, b.Port),
		AdditionalAddresses:           additionalAddresses(corev3.SocketAddress_UDP, b),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		Freebind:                      freebind(s.stanza),
		UdpListenerConfig: &listenerv3.UdpListenerConfig{
			QuicOptions:            &listenerv3.QuicProtocolOptions{QuicProtocolOptions: quicFarOptions()},
			DownstreamSocketConfig: &corev3.UdpSocketConfig{PreferGro: wrapperspb.Bool(true)},
		},
		FilterChains: filterChains(s),
	}
}

// listenerFilters are those of a TCP listener, in the order in which they work: where the client was going, who it is and what
// its TLS hello says, and only then whose address the server is to see.
func listenerFilters(l *config.Listener) []*listenerv3.ListenerFilter {
	var filters []*listenerv3.ListenerFilter
	if l.Transparent != nil {
		filters = append(filters, listenerFilter(originalDstName, &originaldstv3.OriginalDst{}))
	}
	if l.ProxyProtocol != nil {
		filters = append(filters, clientProxy(l.ProxyProtocol))
	}
	if l.Inspects {
		filters = append(filters, tlsInspector())
	}
	if l.Source == config.SourceClient {
		filters = append(filters, listenerFilter(originalSrcName, &originalsrcv3.OriginalSrc{}))
	}
	return filters
}

// transparent lets the sockets take what is for other addresses, and leaves them as they are otherwise.
func transparent(l *config.Listener) *wrapperspb.BoolValue {
	if l.Transparent == nil || l.Transparent.Mode != config.TProxy {
		return nil
	}
	return wrapperspb.Bool(true)
}

// freebind lets the sockets listen on addresses that are not there.
func freebind(l *config.Listener) *wrapperspb.BoolValue {
	if !l.Freebind {
		return nil
	}
	return wrapperspb.Bool(true)
}

// tlsInspector reads the TLS hello, for the filter chains to match.
func tlsInspector() *listenerv3.ListenerFilter {
	return listenerFilter(tlsInspectorName, &tlsinspectorv3.TlsInspector{})
}

// udpSocket is how datagrams are read, the same on both sides. With GRO Envoy has room for 16 times the size, so that a
// size which is asked for would hold for nothing.
func udpSocket(l *config.Listener) *corev3.UdpSocketConfig {
	size := l.MaxDatagram
	if l.OverHTTP3() && (size == 0 || size > config.MaxHTTP3Datagram) {
		size = config.MaxHTTP3Datagram // here it is counted; QUIC drops it without a word
	}
	if size != 0 {
		return &corev3.UdpSocketConfig{
			MaxRxDatagramSize: wrapperspb.UInt64(uint64(size)),
			PreferGro:         wrapperspb.Bool(false),
		}
	}
	return &corev3.UdpSocketConfig{MaxRxDatagramSize: wrapperspb.UInt64(maxDatagram), PreferGro: wrapperspb.Bool(true)}
}
