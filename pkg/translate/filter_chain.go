package translate

import (
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// anyTLS is the row of an `sni:` table for the TLS clients that no other row took, also those without a name.
const anyTLS = "*"

// filterChains is one chain for each route, and one for an exit. On a listener that chooses, the route for everything else is its default
// chain instead.
func filterChains(s *stanzaPlan) []*listenerv3.FilterChain {
	if s.stanza.Exit != nil {
		return []*listenerv3.FilterChain{exitFilterChain(s)}
	}
	var chains []*listenerv3.FilterChain
	for _, r := range s.routes {
		if !s.isDefault(r) {
			chains = append(chains, filterChain(s, r))
		}
	}
	return chains
}

// defaultFilterChain takes what no other chain matched; nil refuses it.
func defaultFilterChain(s *stanzaPlan) *listenerv3.FilterChain {
	for _, r := range s.routes {
		if s.isDefault(r) {
			return filterChain(s, r)
		}
	}
	return nil
}

// matches reports whether a matcher chooses the chain: there are routes in order, or one that may not go everywhere. The routes
// of an exit are those of HTTP.
func (s *stanzaPlan) matches() bool {
	return s.stanza.Exit == nil && (s.stanza.InOrder || slices.ContainsFunc(s.routes, routePlan.original))
}

// original reports whether r goes where the client was going.
func (r routePlan) original() bool { return r.route.Original }

// chooses reports whether there is more than one chain to go by, so that a connection may fit none.
func (s *stanzaPlan) chooses() bool { return s.stanza.Inspects || s.matches() }

// refuses reports whether a connection may fit no chain.
func (s *stanzaPlan) refuses() bool { return s.chooses() || believed(s.stanza) != nil }

// isDefault reports whether r is the default chain. Where nothing is chosen, the one route is an ordinary chain:
// Envoy changes a listener in place, without draining its connections, only if it has one.
// What has targets is no default: it does not take everything. Nor is any where some are not believed, who would fit it.
func (s *stanzaPlan) isDefault(r routePlan) bool {
	return s.chooses() && believed(s.stanza) == nil && r.route.Name == "" && !r.original()
}

// listed are the routes that the matcher chooses from.
func (s *stanzaPlan) listed() []routePlan {
	return slices.DeleteFunc(slices.Clone(s.routes), s.isDefault)
}

// refusal takes a filter chain that is not there, which Envoy answers by closing the connection.
func refusal() *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: chainActionName, TypedConfig: pack(wrapperspb.String(noChain))}
}

// chainAction takes the filter chain of r.
func chainAction(r routePlan) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: chainActionName, TypedConfig: pack(wrapperspb.String(r.name))}
}

func filterChain(s *stanzaPlan, r routePlan) *listenerv3.FilterChain {
	return &listenerv3.FilterChain{
		Name:                          r.name,
		FilterChainMatch:              s.chainMatch(r),
		Filters:                       append(passOn(r), tcpProxy(s.stanza, r)),
		TransportSocket:               downstreamTLS(s.stanza),
		TransportSocketConnectTimeout: handshakeTimeout(s.stanza),
	}
}

// chainMatch is nil where there is a matcher, and where everything matches.
func (s *stanzaPlan) chainMatch(r routePlan) *listenerv3.FilterChainMatch {
	if s.matches() {
		return nil
	}
	return fromBelieved(s.stanza, filterChainMatch(r.route.SNI))
}

// filterChainMatch is nil where everything matches. Envoy itself prefers the exact name to the wildcard, the longer
// wildcard to the shorter, and any name to none.
func filterChainMatch(sni string) *listenerv3.FilterChainMatch {
	switch sni {
	case "":
		return nil
	case anyTLS:
		return &listenerv3.FilterChainMatch{TransportProtocol: "tls"}
	}
	return &listenerv3.FilterChainMatch{ServerNames: []string{sni}}
}

func networkFilter(name string, m proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(m)}}
}

func listenerFilter(name string, m proto.Message) *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{Name: name, ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: pack(m)}}
}
