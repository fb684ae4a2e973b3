package translate

import (
	"math"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// fetchTimeoutSeconds is how long a cluster waits for its endpoints and secrets, and a listener for its secrets, before it
// goes on without. Until then Envoy holds back the acknowledgement of every cluster.
const fetchTimeoutSeconds = 5

// cluster is the Envoy cluster of one backend, of the far ends of a tunnel, or of a split. TCP and UDP listeners share it: Envoy goes by the listener,
// not by the protocol of an endpoint's address.
func cluster(p *clusterPlan) *clusterv3.Cluster {
	b := p.backend()
	if p.original {
		return originalCluster(p.name, b)
	}
	inner := upstreamTLS(p.owner(), b.TLS, p.tunnel)
	c := &clusterv3.Cluster{
		Name:                          p.name,
		AltStatName:                   altStatName(p.name, p.tunnel),
		ConnectTimeout:                duration(b.ConnectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		LoadBalancingPolicy:           loadBalancingPolicy(b.Balance, p.split),
		CommonLbConfig:                neverPanic(),
		HealthChecks:                  healthChecks(b.Check, p.tunnel),
		IgnoreHealthOnHostRemoval:     true, // else a removed endpoint is used until it fails its check
		CircuitBreakers:               breakers(p.tunnel),
		UpstreamConnectionOptions:     upstreamConnectionOptions(b.Keepalive, p.tunnel),
		UpstreamBindConfig:            bindConfig(b.Source),
		TypedExtensionProtocolOptions: httpOptions(p.tunnel),
		TransportSocket:               proxyProtocol(b.ProxyProtocol, inner),
		TransportSocketMatches:        socketMatches(p, inner),
	}
	if p.usesDNS() {
		c.ClusterDiscoveryType = dnsCluster()
		c.LoadAssignment = loadAssignment(p)
	} else {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
		c.EdsClusterConfig = edsClusterConfig(p.owner())
	}
	return c
}

// originalCluster goes where the client was going. It has no endpoints but the addresses of the connections that are open.
func originalCluster(name string, b *config.Backend) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          name,
		AltStatName:                   altStatName(name, nil),
		ConnectTimeout:                duration(b.ConnectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(bufferLimit),
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST},
		LbPolicy:                      clusterv3.Cluster_CLUSTER_PROVIDED,
		CircuitBreakers:               noBreakers(),
		UpstreamConnectionOptions:     upstreamConnectionOptions(b.Keepalive, nil),
		UpstreamBindConfig:            bindConfig(b.Source),
		TransportSocket:               proxyProtocol(b.ProxyProtocol, nil),
	}
}

// bindConfig is the address that connections and sessions to the endpoints have; the second is for the other family.
func bindConfig(s *config.BackendSource) *corev3.BindConfig {
	if s == nil {
		return nil
	}
	made := &corev3.BindConfig{SourceAddress: sourceAddress(s.Address[0])}
	for _, a := range s.Address[1:] {
		made.ExtraSourceAddresses = append(made.ExtraSourceAddresses, &corev3.ExtraSourceAddress{Address: sourceAddress(a)})
	}
	if s.Freebind {
		made.Freebind = wrapperspb.Bool(true)
	}
	return made
}

// sourceAddress is a with a port of the kernel's choice.
func sourceAddress(a config.SourceAddress) *corev3.SocketAddress {
	return &corev3.SocketAddress{Address: a.String(), PortSpecifier: portValue(0)}
}

// edsClusterConfig lets the endpoints travel by themselves: a change of them then leaves the cluster, and with it every
// UDP session, alone.
func edsClusterConfig(service string) *clusterv3.Cluster_EdsClusterConfig {
	return &clusterv3.Cluster_EdsClusterConfig{
		ServiceName: service,
		EdsConfig:   overADS(),
	}
}

// overADS is where what travels by itself comes from: the stream that the clusters and listeners came on.
func overADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		InitialFetchTimeout:   &durationpb.Duration{Seconds: fetchTimeoutSeconds},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}
}

// neverPanic keeps connections from endpoints that are down, also when most are: Envoy would spread over all of them
// once fewer than half are up.
func neverPanic() *clusterv3.Cluster_CommonLbConfig {
	return &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: 0}}
}

// noBreakers lifts Envoy's caps of 1024, which hold for connections and UDP sessions alike, and refuse without a word.
func noBreakers() *clusterv3.CircuitBreakers {
	unlimited := wrapperspb.UInt32(math.MaxUint32)
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     unlimited,
		MaxPendingRequests: unlimited,
		MaxRequests:        unlimited,
		MaxRetries:         unlimited,
	}}}
}
