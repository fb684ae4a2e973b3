package translate

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	lbcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	leastrequestv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	maglevv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/maglev/v3"
	randomv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/random/v3"
	ringhashv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	roundrobinv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// loadBalancingPolicy is how an endpoint is chosen; a split first chooses a locality by weight.
func loadBalancingPolicy(b config.Balance, split bool) *clusterv3.LoadBalancingPolicy {
	return &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{
		TypedExtensionConfig: balancer(b, split),
	}}}
}

// balancer is the policy that b names.
//
// The hashing ones were tried with TCP connections and UDP sessions: a client keeps its endpoint, in a split too.
// least_request compares two random endpoints, so that with two of them the busier one still gets every fourth
// connection; to look at all would send everything to an endpoint that fails fast. It does not count UDP sessions.
func balancer(b config.Balance, split bool) *corev3.TypedExtensionConfig {
	switch b {
	case config.RoundRobin:
		return extension(roundRobinName, &roundrobinv3.RoundRobin{LocalityLbConfig: localityConfig(split)})
	case config.LeastConnections:
		return extension(leastRequestName, &leastrequestv3.LeastRequest{LocalityLbConfig: localityConfig(split)})
	case config.Random:
		return extension(randomName, &randomv3.Random{LocalityLbConfig: localityConfig(split)})
	case config.Maglev:
		return extension(maglevName, &maglevv3.Maglev{LocalityWeightedLbConfig: localityWeights(split)})
	case config.RingHash:
		return extension(ringHashName, &ringhashv3.RingHash{LocalityWeightedLbConfig: localityWeights(split)})
	}
	panic(fmt.Sprintf("translate: balance %q", b)) // config lets no other value through
}

// localityConfig lets the weights of localities count, in a split.
func localityConfig(split bool) *lbcommonv3.LocalityLbConfig {
	if !split {
		return nil
	}
	return &lbcommonv3.LocalityLbConfig{
		LocalityConfigSpecifier: &lbcommonv3.LocalityLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: localityWeights(split),
		},
	}
}

// localityWeights is the same for the hashing policies, which have no other way to treat localities.
func localityWeights(split bool) *lbcommonv3.LocalityLbConfig_LocalityWeightedLbConfig {
	if !split {
		return nil
	}
	return &lbcommonv3.LocalityLbConfig_LocalityWeightedLbConfig{}
}
