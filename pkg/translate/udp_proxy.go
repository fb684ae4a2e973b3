package translate

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// udpProxy is the one filter of a UDP listener. Any change of it ends the listener's sessions, as any change of a UDP
// listener does.
func udpProxy(s *stanzaPlan) *listenerv3.ListenerFilter {
	return listenerFilter(udpProxyName, &udpproxyv3.UdpProxyConfig{
		StatPrefix:           s.stanza.Name,
		RouteSpecifier:       &udpproxyv3.UdpProxyConfig_Matcher{Matcher: matcher(s, s.routes, udpAction)},
		IdleTimeout:          duration(s.stanza.Timeouts.Idle),
		HashPolicies:         []*udpproxyv3.UdpProxyConfig_HashPolicy{udpClientHash()},
		UpstreamSocketConfig: udpSocket(s.stanza),
		UseOriginalSrcIp:     s.stanza.Source == config.SourceClient,
		AccessLog:            sessionLog(s.stanza),
		SessionFilters:       sessionFilters(s.routes[0].route),
		TunnelingConfig:      udpTunneling(s.routes[0].route),
	})
}

// udpAction sends a session to the one cluster of r. The matcher is the way to name it that is not deprecated.
func udpAction(r routePlan) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: udpRouteName, TypedConfig: pack(&udpproxyv3.Route{Cluster: r.clusters[0].name})}
}

// udpClientHash is clientHash for sessions.
func udpClientHash() *udpproxyv3.UdpProxyConfig_HashPolicy {
	return &udpproxyv3.UdpProxyConfig_HashPolicy{
		PolicySpecifier: &udpproxyv3.UdpProxyConfig_HashPolicy_SourceIp{SourceIp: true},
	}
}
