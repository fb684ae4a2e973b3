package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	forwardv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	dnscachev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/dynamic_forward_proxy/v3"
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
func exitFilterChain(l *config.Listener) *listenerv3.FilterChain {
	return &listenerv3.FilterChain{
		Name: l.Name,
		Filters: []*listenerv3.Filter{networkFilter(httpConnectionName, &httpconnv3.HttpConnectionManager{
			StatPrefix:           l.Name,
			CodecType:            httpconnv3.HttpConnectionManager_AUTO,
			StreamIdleTimeout:    duration(l.Timeouts.Idle), // Envoy's own 5 minutes would cut idle tunnels
			RouteSpecifier:       &httpconnv3.HttpConnectionManager_RouteConfig{RouteConfig: exitRoutes(l.Exit)},
			HttpFilters:          exitFilters(l.Exit),
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true},
			AccessLog:            connectionLog(l),
		})},
	}
}

// exitRoutes let Envoy take a listener before its clusters are there, as they are for every other listener.
func exitRoutes(e *config.Exit) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{
		Name:             e.Cluster,
		ValidateClusters: wrapperspb.Bool(false),
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    e.Cluster,
			Domains: e.Targets,
			Routes:  []*routev3.Route{exitRoute(e)},
		}},
	}
}

// exitRoute has no timeout: Envoy's own 15 s would cut a stream whose client has nothing more to say.
func exitRoute(e *config.Exit) *routev3.Route {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: e.Cluster},
		Timeout:          &durationpb.Duration{},
	}
	if e.Tunnel.Method == config.Post {
		action.UpgradeConfigs = []*routev3.RouteAction_UpgradeConfig{upgrade(connectUpgrade, true)}
	} else {
		action.UpgradeConfigs = []*routev3.RouteAction_UpgradeConfig{
			upgrade(connectUpgrade, false), upgrade(connectUDPUpgrade, false),
		}
	}
	return &routev3.Route{Match: exitMatch(e.Tunnel), Action: &routev3.Route_Route{Route: action}}
}

// upgrade ends the stream here, rather than passing it on.
func upgrade(kind string, post bool) *routev3.RouteAction_UpgradeConfig {
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

func exitFilters(e *config.Exit) []*httpconnv3.HttpFilter {
	return []*httpconnv3.HttpFilter{
		httpFilter(forwardFilterName, &forwardfilterv3.FilterConfig{
			ImplementationSpecifier: &forwardfilterv3.FilterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache(e.Cluster)},
		}),
		httpFilter(routerName, &routerv3.Router{}),
	}
}

func httpFilter(name string, m proto.Message) *httpconnv3.HttpFilter {
	return &httpconnv3.HttpFilter{Name: name, ConfigType: &httpconnv3.HttpFilter_TypedConfig{TypedConfig: pack(m)}}
}

// forwardCluster goes where it is asked to; what that may be is for the exit to say.
func forwardCluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          name,
		AltStatName:                   altStatName(name),
		ConnectTimeout:                &durationpb.Duration{Seconds: forwardConnectTimeoutSeconds},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		LbPolicy:                      clusterv3.Cluster_CLUSTER_PROVIDED,
		CircuitBreakers:               noBreakers(),
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name: forwardClusterName,
			TypedConfig: pack(&forwardv3.ClusterConfig{
				ClusterImplementationSpecifier: &forwardv3.ClusterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache(name)},
			}),
		}},
	}
}

// dnsCache must be the same in the filter and in the cluster: they find each other by its name.
func dnsCache(name string) *dnscachev3.DnsCacheConfig {
	return &dnscachev3.DnsCacheConfig{Name: name, DnsLookupFamily: clusterv3.Cluster_V4_PREFERRED}
}
