package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	dnscommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// dnsRefreshSeconds is how often names are resolved whose answers tell no lifetime, and those that failed.
const dnsRefreshSeconds = 5

// dnsCluster is a cluster whose names Envoy resolves, and goes on resolving. Every address of an answer is an endpoint;
// IPv6 addresses are used only where a name has no IPv4 one.
// The lookup family is an enum of its own, whose numbers are not those of Cluster.DnsLookupFamily.
func dnsCluster() *clusterv3.Cluster_ClusterType {
	return &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: dnsClusterName,
		TypedConfig: pack(&dnsclusterv3.DnsCluster{
			DnsRefreshRate:  &durationpb.Duration{Seconds: dnsRefreshSeconds},
			RespectDnsTtl:   true,
			DnsLookupFamily: dnscommonv3.DnsLookupFamily_V4_PREFERRED,
		}),
	}}
}
