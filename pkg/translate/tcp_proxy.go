package translate

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// tcpProxy is the last filter of a TCP route. Its stat prefix is the stanza's name, for all its routes.
func tcpProxy(l *config.Listener, r routePlan) *listenerv3.Filter {
	p := &tcpproxyv3.TcpProxy{
		StatPrefix:         l.Name,
		IdleTimeout:        duration(r.route.Timeouts.Idle),
		MaxConnectAttempts: attempts(firstRetry(r.route)),
		BackoffOptions:     backoff(firstRetry(r.route)),
		HashPolicy:         []*typev3.HashPolicy{clientHash()},
		AccessLog:          connectionLog(l, r.route.AccessLog),
		TunnelingConfig:    tcpTunneling(r.route),
	}
	if len(r.clusters) == 1 {
		p.ClusterSpecifier = &tcpproxyv3.TcpProxy_Cluster{Cluster: r.clusters[0].name}
	} else {
		p.ClusterSpecifier = &tcpproxyv3.TcpProxy_WeightedClusters{WeightedClusters: weightedClusters(r.clusters)}
	}
	return networkFilter(tcpProxyName, p)
}

// clientHash lets the hashing policies go by the client's address. It is there for every policy, so that to change
// `balance` is to change the cluster, and leaves the listener's connections alone.
func clientHash() *typev3.HashPolicy {
	return &typev3.HashPolicy{PolicySpecifier: &typev3.HashPolicy_SourceIp_{SourceIp: &typev3.HashPolicy_SourceIp{}}}
}

// weightedClusters shares connections out between clusters whose settings differ.
func weightedClusters(clusters []weightedCluster) *tcpproxyv3.TcpProxy_WeightedCluster {
	weighted := &tcpproxyv3.TcpProxy_WeightedCluster{}
	for _, c := range clusters {
		weighted.Clusters = append(weighted.Clusters, &tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight{
			Name:   c.name,
			Weight: c.weight,
		})
	}
	return weighted
}
