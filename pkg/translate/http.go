package translate

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

const (
	// maxQUICPacket is the largest QUIC packet to a far end, in bytes: what fits into 1500 with the headers of IPv6 and
	// UDP. It lets datagrams of config.MaxHTTP3Datagram through, in both directions; QUICHE's own size stops at 1220.
	maxQUICPacket = 1452
	// maxQUICStreams is how many streams an exit takes on one QUIC connection, as Envoy does on HTTP/2, and a near end may
	// use. What a near end is told is not what it goes by (1 hangs the second stream, 2 lets more through): it opens another
	// connection when the far end takes no more.
	maxQUICStreams = 1024
	// quicHaste is how much sooner than was said the near end gives up a connection on which nothing came in: a second, so that
	// it sends nothing on one that the far end has closed, and another one by which its question may be late.
	quicHaste = 2 * time.Second
)

// spoken are the protocols that are asked for in TLS at the far ends of t, by their ALPN names; none where t is nil.
// QUIC, and a choice of versions, ask for the right ones by themselves.
func spoken(t *config.Tunnel) []string {
	switch {
	case t == nil:
		return nil
	case t.HTTP == config.HTTP1:
		return []string{"http/1.1"}
	case t.HTTP == config.HTTP2:
		return []string{"h2"}
	}
	return nil
}

// httpOptions is the version of HTTP that the far ends of t are spoken to with; nil for a cluster of no tunnel. Envoy
// would otherwise take HTTP/1.1 without a word.
func httpOptions(t *config.Tunnel) map[string]*anypb.Any {
	if t == nil {
		return nil
	}
	options := &httpv3.HttpProtocolOptions{}
	if t.HTTP == config.HTTPAuto {
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_AutoConfig{AutoConfig: agreedVersion(t)}
	} else {
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: httpVersion(t)}
	}
	return map[string]*anypb.Any{httpOptionsName: pack(options)}
}

// agreedVersion is the version that TLS agrees on.
func agreedVersion(t *config.Tunnel) *httpv3.HttpProtocolOptions_AutoHttpConfig {
	return &httpv3.HttpProtocolOptions_AutoHttpConfig{
		HttpProtocolOptions:  &corev3.Http1ProtocolOptions{},
		Http2ProtocolOptions: http2Options(t),
	}
}

func httpVersion(t *config.Tunnel) *httpv3.HttpProtocolOptions_ExplicitHttpConfig {
	switch t.HTTP {
	case config.HTTP1:
		return &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
				HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
			},
		}
	case config.HTTP3:
		return &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http3ProtocolOptions{
				Http3ProtocolOptions: &corev3.Http3ProtocolOptions{QuicProtocolOptions: quicOptions(t)},
			},
		}
	}
	return &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: http2Options(t),
		},
	}
}

func http2Options(t *config.Tunnel) *corev3.Http2ProtocolOptions {
	return &corev3.Http2ProtocolOptions{
		MaxConcurrentStreams: number(t.StreamsPerConnection),
		ConnectionKeepalive:  ping(t.Ping),
	}
}

// ping finds the other end of a tunnel that is connected and hangs.
func ping(p *config.Ping) *corev3.KeepaliveSettings {
	if p == nil {
		return nil
	}
	return &corev3.KeepaliveSettings{Interval: duration(p.Interval), Timeout: duration(p.Timeout)}
}

// quicOptions are those of connections to the far ends of t.
func quicOptions(t *config.Tunnel) *corev3.QuicProtocolOptions {
	options := &corev3.QuicProtocolOptions{
		MaxConcurrentStreams: wrapperspb.UInt32(maxQUICStreams),
		MaxPacketLength:      wrapperspb.UInt64(maxQUICPacket),
		ConnectionKeepalive:  &corev3.QuicKeepAliveSettings{MaxInterval: duration(0)}, // off; else every 15 s
	}
	if p := t.Ping; p != nil {
		// QUIC has no time in which an answer must come. It closes a connection on which nothing came in for a while.
		options.ConnectionKeepalive = &corev3.QuicKeepAliveSettings{MaxInterval: duration(p.Interval)}
		options.IdleNetworkTimeout = duration(config.Duration(time.Duration(p.Interval) + time.Duration(p.Timeout) + quicHaste))
	}
	return options
}

// quicFarOptions are those of connections to an exit.
func quicFarOptions() *corev3.QuicProtocolOptions {
	return &corev3.QuicProtocolOptions{MaxConcurrentStreams: wrapperspb.UInt32(maxQUICStreams)}
}
