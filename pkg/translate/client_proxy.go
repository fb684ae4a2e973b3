package translate

import (
	"slices"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	clientproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	inputsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// clientProxy reads the header in front of a connection. What stands in it besides addresses is
// always kept: whether a backend is told of that is then for its cluster alone to say.
func clientProxy(p *config.ClientProxy) *listenerv3.ListenerFilter {
	return listenerFilter(clientProxyName, &clientproxyv3.ProxyProtocol{
		AllowRequestsWithoutProxyProtocol: p.Mode == config.ProxyOptional,
		PassThroughTlvs:                   &corev3.ProxyProtocolPassThroughTLVs{MatchType: corev3.ProxyProtocolPassThroughTLVs_INCLUDE_ALL},
		DisallowedVersions:                disallowed(p.Versions),
	})
}

// disallowed are the versions that are not among these; none where none is.
func disallowed(versions []config.ProxyVersion) []corev3.ProxyProtocolConfig_Version {
	var others []corev3.ProxyProtocolConfig_Version
	for _, v := range []config.ProxyVersion{config.ProxyV1, config.ProxyV2} {
		if len(versions) > 0 && !slices.Contains(versions, v) {
			others = append(others, proxyVersions[v])
		}
	}
	return others
}

// believed are the networks whose headers are; nil for all. The filter knows none, so that what comes from elsewhere is let
// fit no filter chain, which closes it.
func believed(l *config.Listener) []config.Network {
	if l.ProxyProtocol == nil {
		return nil
	}
	return l.ProxyProtocol.From
}

// fromBelieved is m for connections from the networks whose headers l believes; m itself where it believes all.
func fromBelieved(l *config.Listener, m *listenerv3.FilterChainMatch) *listenerv3.FilterChainMatch {
	networks := believed(l)
	if networks == nil {
		return m
	}
	if m == nil {
		m = &listenerv3.FilterChainMatch{}
	}
	m.DirectSourcePrefixRanges = ranges(networks)
	return m
}

// matchBelieved is m for connections from the networks whose headers l believes; m itself where it believes all.
func matchBelieved(l *config.Listener, m *xdsmatcherv3.Matcher) *xdsmatcherv3.Matcher {
	networks := believed(l)
	if networks == nil {
		return m
	}
	return &xdsmatcherv3.Matcher{
		MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{
			Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
				Predicate: peers(networks, l.Name),
				OnMatch:   &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Matcher{Matcher: m}},
			}},
		}},
	}
}

// peers holds where the connection itself comes from one of the networks.
func peers(in []config.Network, owner string) *predicate {
	return networks("peer", &inputsv3.DirectSourceIPInput{}, in, owner)
}
