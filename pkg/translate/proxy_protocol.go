package translate

import (
	"maps"
	"reflect"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

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
		Config:          proxyConfig(p),
		TransportSocket: orRaw(inner),
	})
}

// proxyConfig is what the header of p says.
func proxyConfig(p *config.ProxyProtocol) *corev3.ProxyProtocolConfig {
	c := &corev3.ProxyProtocolConfig{Version: proxyVersions[p.Version], PassThroughTlvs: passedThrough(p.Pass)}
	for _, t := range p.TLVs {
		c.AddedTlvs = append(c.AddedTlvs, tlv(t))
	}
	return c
}

// passedThrough is what is taken from the client's header; nil for nothing.
func passedThrough(p config.Passed) *corev3.ProxyProtocolPassThroughTLVs {
	if p.None() {
		return nil
	}
	if p.All {
		return &corev3.ProxyProtocolPassThroughTLVs{MatchType: corev3.ProxyProtocolPassThroughTLVs_INCLUDE_ALL}
	}
	only := &corev3.ProxyProtocolPassThroughTLVs{MatchType: corev3.ProxyProtocolPassThroughTLVs_INCLUDE}
	for _, t := range p.Types {
		only.TlvType = append(only.TlvType, uint32(t))
	}
	return only
}

// tlv is t in a header. Operators there would be about Envoy's own connection to the server, so that the filter chain makes
// the text, for which the client is its own, and passes it on.
func tlv(t config.TLV) *corev3.TlvEntry {
	if !t.Dynamic() {
		return &corev3.TlvEntry{Type: uint32(t.Type), Value: []byte(t.Literal())}
	}
	return &corev3.TlvEntry{Type: uint32(t.Type), FormatString: inlineFormat(stateOperator(tlvState(t)))}
}

// tlvState is the filter state that the text of t is passed on in. Its name says no more than that: the text has characters
// that no name can.
func tlvState(t config.TLV) string { return tlvStatePrefix + shortHash([]byte(t.Text)) }

// dynamicTLVs are the texts that depend on the client, in all headers that r sends, each once.
func dynamicTLVs(r *config.Route) []config.TLV {
	var all []config.TLV
	for _, p := range r.Told() {
		for _, t := range p.TLVs {
			if t.Dynamic() && !slices.ContainsFunc(all, func(o config.TLV) bool { return o.Text == t.Text }) {
				all = append(all, t)
			}
		}
	}
	return all
}

// passesOn reports whether some header that r sends has values of the client's own.
func passesOn(r *config.Route) bool {
	return slices.ContainsFunc(r.Told(), func(p *config.ProxyProtocol) bool { return !p.Pass.None() })
}

// headerKey is the key by which an endpoint's metadata names the socket that sends its header.
const headerKey = "proxy_protocol"

// headerName is what that calls the header of p: its version, and a hash of what else there is in it.
func headerName(p *config.ProxyProtocol) string {
	switch {
	case p == nil:
		return "none"
	case p.Pass.None() && len(p.TLVs) == 0:
		return string(p.Version)
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(proxyConfig(p))
	if err != nil {
		panic(invalid{proxyConfig(p), err})
	}
	return string(p.Version) + "-" + shortHash(bytes)
}

// ownHeader reports whether e, an endpoint of b, expects another header than the rest of it.
func ownHeader(b *config.Backend, e *config.Endpoint) bool {
	return e.ProxyProtocol != b.ProxyProtocol && !reflect.DeepEqual(e.ProxyProtocol, b.ProxyProtocol)
}

// socketMatches are the sockets for the endpoints of p that expect another header than the rest: inner in each of them.
func socketMatches(p *clusterPlan, inner *corev3.TransportSocket) []*clusterv3.Cluster_TransportSocketMatch {
	own := map[string]*config.ProxyProtocol{}
	for _, part := range p.parts {
		for i := range part.Backend.Endpoints {
			if e := &part.Backend.Endpoints[i]; ownHeader(part.Backend, e) {
				own[headerName(e.ProxyProtocol)] = e.ProxyProtocol
			}
		}
	}
	var matches []*clusterv3.Cluster_TransportSocketMatch
	for _, name := range slices.Sorted(maps.Keys(own)) {
		matches = append(matches, &clusterv3.Cluster_TransportSocketMatch{
			Name: name, Match: named(headerKey, name), TransportSocket: orRaw(proxyProtocol(own[name], inner)),
		})
	}
	return matches
}

// headerMetadata names the socket of e, an endpoint of b; nil for that of the cluster.
func headerMetadata(b *config.Backend, e *config.Endpoint) *corev3.Metadata {
	if !ownHeader(b, e) {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		socketMatchName: named(headerKey, headerName(e.ProxyProtocol)),
	}}
}

func named(key, text string) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{key: structpb.NewStringValue(text)}}
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
