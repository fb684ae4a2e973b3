package translate

import (
	"crypto/sha256"
	"encoding/hex"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dnscachev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/dynamic_forward_proxy/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// families are Envoy's words for the families of addresses.
var families = map[config.Family]clusterv3.Cluster_DnsLookupFamily{
	config.V4:      clusterv3.Cluster_V4_ONLY,
	config.V6:      clusterv3.Cluster_V6_ONLY,
	config.V4First: clusterv3.Cluster_V4_PREFERRED,
	config.V6First: clusterv3.Cluster_AUTO,
	config.All:     clusterv3.Cluster_ALL,
}

// dnsCache must be the same in the filter and in the cluster of an exit: they find each other by its name. Envoy keeps a
// cache for as long as it runs, and refuses another one of its name that is set otherwise, so that the name tells how it
// is set.
func dnsCache(exit string, d *config.DNS) *dnscachev3.DnsCacheConfig {
	cache := &dnscachev3.DnsCacheConfig{
		Name:                   exit,
		DnsLookupFamily:        families[d.Family],
		DnsRefreshRate:         duration(d.Refresh),
		DnsMinRefreshRate:      duration(d.Refresh),
		TypedDnsResolverConfig: resolver(d.Servers),
	}
	sum := sha256.Sum256(pack(cache).Value)
	cache.Name += "-" + hex.EncodeToString(sum[:4])
	return cache
}

// resolver asks these servers; nil for those of the machine.
func resolver(servers []config.NameServer) *corev3.TypedExtensionConfig {
	if len(servers) == 0 {
		return nil
	}
	c := &caresv3.CaresDnsResolverConfig{}
	for _, s := range servers {
		c.Resolvers = append(c.Resolvers, socketAddress(&corev3.SocketAddress{
			Address: s.Addr().String(), PortSpecifier: portValue(s.Port()),
		}))
	}
	return extension(resolverName, c)
}
