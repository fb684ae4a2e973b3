package translate

import (
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	forwardv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	forwardfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_forward_proxy/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	httpconnv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// The upgrades that an exit ends.
const (
	connectUpgrade    = "CONNECT"
	connectUDPUpgrade = "CONNECT-UDP"
)

// forwardConnectTimeoutSeconds is how long an exit tries to reach what it is asked for; as for a backend.
const forwardConnectTimeoutSeconds = 5

// exitFilterChain ends the streams of a tunnel. Envoy puts what is asked for in the place of the authority before it
// chooses a virtual host, so that the domains of the one there is are the list of what may be asked for. All else is
// answered with 404.
func exitFilterChain(s *stanzaPlan) *listenerv3.FilterChain {
	l := s.stanza
	m := &httpconnv3.HttpConnectionManager{
		StatPrefix:        l.Name,
		StreamIdleTimeout: duration(l.Timeouts.Idle), // Envoy's own 5 minutes would cut idle tunnels
		RouteSpecifier:    &httpconnv3.HttpConnectionManager_Rds{Rds: exitRoutesByName(l)},
		HttpFilters:       exitFilters(s),
		AccessLog:         connectionLog(l, l.AccessLog),
	}
	if l.Protocol == config.UDP {
		m.CodecType = httpconnv3.HttpConnectionManager_HTTP3
		m.Http3ProtocolOptions = &corev3.Http3ProtocolOptions{AllowExtendedConnect: true}
	} else {
		m.CodecType = httpconnv3.HttpConnectionManager_AUTO
		m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{AllowConnect: true, ConnectionKeepalive: ping(l.Exit.Ping)}
	}
	return &listenerv3.FilterChain{
		Name:                          l.Name,
		Filters:                       []*listenerv3.Filter{networkFilter(httpConnectionName, m)},
		TransportSocket:               downstreamTLS(l),
		TransportSocketConnectTimeout: handshakeTimeout(l),
	}
}

// offered is what an exit speaks with TLS, by its ALPN names; none where e is nil.
func offered(e *config.Exit) []string {
	if e == nil {
		return nil
	}
	return []string{"h2", "http/1.1"}
}

// exitRoutesByName lets the routes travel by themselves: what may be asked for changes with every listener of the file that
// asks for something new, and a change of the listener would end what is open through it.
func exitRoutesByName(l *config.Listener) *httpconnv3.Rds {
	return &httpconnv3.Rds{ConfigSource: overADS(), RouteConfigName: exitName(l)}
}

// exitRoutes let Envoy take them before their clusters are there, as it takes every listener.
func exitRoutes(s *stanzaPlan) *routev3.RouteConfiguration {
	name := exitName(s.stanza)
	r := &routev3.RouteConfiguration{Name: name, ValidateClusters: wrapperspb.Bool(false)}
	if s.stanza.InOrder {
		r.VirtualHosts = []*routev3.VirtualHost{orderedRoutes(s)}
		return r
	}
	rest := s.routes[0]
	domains, patterns := targets(s.stanza.Exit.Targets)
	if len(domains) > 0 {
		r.VirtualHosts = append(r.VirtualHosts, &routev3.VirtualHost{
			Name: name, Domains: domains, Routes: []*routev3.Route{exitRoute(s, rest)},
		})
	}
	if len(patterns) > 0 {
		others := &routev3.VirtualHost{Name: name + "/rest", Domains: []string{"*"}}
		for _, pattern := range patterns {
			others.Routes = append(others.Routes, exitRoute(s, rest, authorityLike(pattern)))
		}
		r.VirtualHosts = append(r.VirtualHosts, others)
	}
	return r
}

// exitRoute takes what the near end asks, and of that only what has these headers.
func exitRoute(s *stanzaPlan, r routePlan, headers ...*routev3.HeaderMatcher) *routev3.Route {
	match := exitMatch(s.stanza.Exit.Tunnel)
	match.Headers = append(match.Headers, headers...)
	return &routev3.Route{Match: match, Action: &routev3.Route_Route{Route: exitAction(s, r)}}
}

// authorityLike matches what is asked for.
func authorityLike(pattern string) *routev3.HeaderMatcher {
	return headerPattern(":authority", pattern)
}

// headerPattern matches a header whose whole value the pattern matches.
func headerPattern(name, pattern string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name: name,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}},
		}},
	}
}

// exitAction goes where a route says. It has no timeout: Envoy's own 15 s would cut a stream whose client has nothing more
// to say.
func exitAction(s *stanzaPlan, r routePlan) *routev3.RouteAction {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: r.clusters[0].name},
		Timeout:          &durationpb.Duration{},
		UpgradeConfigs:   upgrades(s.stanza.Exit.Tunnel, r.route.Via != nil),
	}
	if len(r.clusters) > 1 {
		action.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: weightedRoute(r.clusters)}
	}
	return action
}

// weightedRoute shares streams out between clusters whose settings differ.
func weightedRoute(clusters []weightedCluster) *routev3.WeightedCluster {
	weighted := &routev3.WeightedCluster{}
	for _, c := range clusters {
		weighted.Clusters = append(weighted.Clusters, &routev3.WeightedCluster_ClusterWeight{
			Name: c.name, Weight: wrapperspb.UInt32(c.weight),
		})
	}
	return weighted
}

// upgrades are the kinds of streams that an exit of t takes. Where they are passed on they are only let through; a POST is
// then a request as any other.
func upgrades(t *config.Tunnel, onward bool) []*routev3.RouteAction_UpgradeConfig {
	switch post := t.Method == config.Post; {
	case post && onward:
		return nil
	case post:
		return []*routev3.RouteAction_UpgradeConfig{ended(connectUpgrade, true)}
	case onward:
		return []*routev3.RouteAction_UpgradeConfig{{UpgradeType: connectUpgrade}, {UpgradeType: connectUDPUpgrade}}
	}
	return []*routev3.RouteAction_UpgradeConfig{ended(connectUpgrade, false), ended(connectUDPUpgrade, false)}
}

// ended ends the stream here, rather than passing it on.
func ended(kind string, post bool) *routev3.RouteAction_UpgradeConfig {
	return &routev3.RouteAction_UpgradeConfig{
		UpgradeType:   kind,
		ConnectConfig: &routev3.RouteAction_UpgradeConfig_ConnectConfig{AllowPost: post},
	}
}

// exitMatch is how the near end of t asks.
func exitMatch(t *config.Tunnel) *routev3.RouteMatch {
	if t.Method != config.Post {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}}}
	}
	path := t.Path
	if path == "" {
		path = "/"
	}
	return &routev3.RouteMatch{
		PathSpecifier: &routev3.RouteMatch_Path{Path: path},
		Headers: []*routev3.HeaderMatcher{{
			Name: ":method",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "POST"},
			}},
		}},
	}
}

// exitFilters resolve what is asked for, where some route goes there.
func exitFilters(s *stanzaPlan) []*httpconnv3.HttpFilter {
	router := httpFilter(routerName, &routerv3.Router{})
	if !slices.ContainsFunc(s.routes, func(r routePlan) bool { return r.route.Requested }) {
		return []*httpconnv3.HttpFilter{router}
	}
	return []*httpconnv3.HttpFilter{
		httpFilter(forwardFilterName, &forwardfilterv3.FilterConfig{
			ImplementationSpecifier: &forwardfilterv3.FilterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache(s.stanza.Exit.Cluster, &s.stanza.Exit.DNS)},
		}),
		router,
	}
}

func httpFilter(name string, m proto.Message) *httpconnv3.HttpFilter {
	return &httpconnv3.HttpFilter{Name: name, ConfigType: &httpconnv3.HttpFilter_TypedConfig{TypedConfig: pack(m)}}
}

// forwardCluster goes where it is asked to; what that may be is for the exit to say.
func forwardCluster(p *clusterPlan) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          p.name,
		AltStatName:                   altStatName(p.name, nil),
		ConnectTimeout:                &durationpb.Duration{Seconds: forwardConnectTimeoutSeconds},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		LbPolicy:                      clusterv3.Cluster_CLUSTER_PROVIDED,
		CircuitBreakers:               noBreakers(),
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name: forwardClusterName,
			TypedConfig: pack(&forwardv3.ClusterConfig{
				ClusterImplementationSpecifier: &forwardv3.ClusterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache(p.name, p.dns)},
			}),
		}},
	}
}
