package render

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	quicv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/quic/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/l4xds/l4xds/pkg/translate"
)

// withStaticSecrets is list with the secrets that it names taken from the same file: without a source of configuration, a
// name means a static secret.
func withStaticSecrets(list []*translate.Resource) []*translate.Resource {
	made := make([]*translate.Resource, len(list))
	for i, r := range list {
		static := *r
		static.Msg = proto.CloneOf(r.Msg)
		for _, socket := range transportSockets(static.Msg) {
			makeStatic(socket)
		}
		made[i] = &static
	}
	return made
}

// transportSockets are those of a listener or a cluster; some may be nil.
func transportSockets(m proto.Message) []*corev3.TransportSocket {
	switch m := m.(type) {
	case *clusterv3.Cluster:
		sockets := []*corev3.TransportSocket{m.GetTransportSocket()}
		for _, match := range m.GetTransportSocketMatches() {
			sockets = append(sockets, match.GetTransportSocket())
		}
		return sockets
	case *listenerv3.Listener:
		sockets := []*corev3.TransportSocket{m.GetDefaultFilterChain().GetTransportSocket()}
		for _, chain := range m.GetFilterChains() {
			sockets = append(sockets, chain.GetTransportSocket())
		}
		return sockets
	}
	return nil
}

// makeStatic takes the source of its secrets out of a TLS socket, also of one inside of another.
func makeStatic(socket *corev3.TransportSocket) {
	if socket == nil {
		return
	}
	context, err := socket.GetTypedConfig().UnmarshalNew()
	if err != nil {
		panic(fmt.Sprintf("render: read our own transport socket: %v", err))
	}
	if outer, ok := context.(interface {
		GetTransportSocket() *corev3.TransportSocket
	}); ok {
		makeStatic(outer.GetTransportSocket())
	}
	common := commonContext(context)
	secrets := append([]*tlsv3.SdsSecretConfig{common.GetValidationContextSdsSecretConfig()}, common.GetTlsCertificateSdsSecretConfigs()...)
	for _, s := range secrets {
		if s != nil {
			s.SdsConfig = nil
		}
	}
	socket.ConfigType = &corev3.TransportSocket_TypedConfig{TypedConfig: pack(context)}
}

func pack(m proto.Message) *anypb.Any {
	packed, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("render: write our own message: %v", err))
	}
	return packed
}

// commonContext is where a TLS socket names its secrets, that of QUIC too; nil for a socket of another kind.
func commonContext(context proto.Message) *tlsv3.CommonTlsContext {
	switch m := context.(type) {
	case *tlsv3.DownstreamTlsContext:
		return m.GetCommonTlsContext()
	case *tlsv3.UpstreamTlsContext:
		return m.GetCommonTlsContext()
	case *quicv3.QuicDownstreamTransport:
		return m.GetDownstreamTlsContext().GetCommonTlsContext()
	case *quicv3.QuicUpstreamTransport:
		return m.GetUpstreamTlsContext().GetCommonTlsContext()
	}
	return nil
}
