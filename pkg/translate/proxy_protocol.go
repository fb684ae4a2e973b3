package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
)

// proxyVersions are Envoy's words for the versions of the PROXY protocol.
var proxyVersions = map[config.ProxyVersion]corev3.ProxyProtocolConfig_Version{
	config.ProxyV1: corev3.ProxyProtocolConfig_V1,
	config.ProxyV2: corev3.ProxyProtocolConfig_V2,
}

// proxyProtocol sends the header of p, and then what inner makes of the connection, which is nil for its bytes as they
// are. It is inner itself where p is nil.
func proxyProtocol(p *config.ProxyProtocol, inner *corev3.TransportSocket) *corev3.TransportSocket {
	if p == nil {
		return inner
	}
	return transportSocket(proxyProtocolSocketName, &proxyprotocolv3.ProxyProtocolUpstreamTransport{
		Config:          &corev3.ProxyProtocolConfig{Version: proxyVersions[p.Version]},
		TransportSocket: orRaw(inner),
	})
}

// orRaw is s, or the socket that leaves the bytes as they are: what wraps another socket has to name it.
func orRaw(s *corev3.TransportSocket) *corev3.TransportSocket {
	if s != nil {
		return s
	}
	return transportSocket(rawSocketName, &rawbufferv3.RawBuffer{})
}

func transportSocket(name string, m proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: name, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(m)}}
}
