package translate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dnscommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	lbcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	leastrequestv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	maglevv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/maglev/v3"
	randomv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/random/v3"
	ringhashv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	roundrobinv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// The promises of docs/reference.md about what is not asked for. To change one drains the connections of every fleet.
func TestDefaults(t *testing.T) {
	r := resources(t, "listeners: {x: {tcp: 1, udp: 1, to: 10.0.0.1:1}, cx: {tcp: 2, to: 10.0.0.1:2, check: {tcp: 5s}}}")
	tcp := tcpProxyOf(t, listenerOf(t, r, "tcp/0.0.0.0:1").FilterChains[0])
	udp := udpProxyOf(t, listenerOf(t, r, "udp/0.0.0.0:1"))
	cluster := clusterOf(t, r, "x")
	check := clusterOf(t, r, "cx").HealthChecks[0]
	breaker := cluster.CircuitBreakers.Thresholds[0]
	keepalive := &corev3.TcpKeepalive{
		KeepaliveTime: wrapperspb.UInt32(60), KeepaliveInterval: wrapperspb.UInt32(15), KeepaliveProbes: wrapperspb.UInt32(4),
	}
	for _, tt := range []struct {
		what      string
		got, want any
	}{
		{"stat prefix, TCP", tcp.StatPrefix, "x"},
		{"stat prefix, UDP", udp.StatPrefix, "x"},
		{"idle, TCP: written, and off", tcp.IdleTimeout.AsDuration(), 0 * time.Second},
		{"idle, UDP", udp.IdleTimeout.AsDuration(), time.Minute},
		{"attempts", tcp.MaxConnectAttempts.GetValue(), uint32(3)},
		{"hash, TCP", tcp.HashPolicy[0].GetSourceIp() != nil, true},
		{"hash, UDP", udp.HashPolicies[0].GetSourceIp(), true},
		{"no log, TCP", len(tcp.AccessLog), 0},
		{"no log, UDP", len(udp.AccessLog), 0},
		{"datagrams from clients", listenerOf(t, r, "udp/0.0.0.0:1").UdpListenerConfig.DownstreamSocketConfig.MaxRxDatagramSize.GetValue(), uint64(9000)},
		{"datagrams from endpoints", udp.UpstreamSocketConfig.MaxRxDatagramSize.GetValue(), uint64(9000)},
		{"buffer, client's side", listenerOf(t, r, "tcp/0.0.0.0:1").PerConnectionBufferLimitBytes.GetValue(), uint32(65536)},
		{"buffer, backend's side", cluster.PerConnectionBufferLimitBytes.GetValue(), uint32(65536)},
		{"keepalive, client's side", listenerOf(t, r, "tcp/0.0.0.0:1").TcpKeepalive, keepalive},
		{"keepalive, backend's side", cluster.UpstreamConnectionOptions.TcpKeepalive, keepalive},
		{"no listener filter", len(listenerOf(t, r, "tcp/0.0.0.0:1").ListenerFilters), 0},
		{"connect timeout", cluster.ConnectTimeout.AsDuration(), 5 * time.Second},
		{"panic threshold, written", cluster.CommonLbConfig.HealthyPanicThreshold != nil, true},
		{"panic threshold", cluster.CommonLbConfig.HealthyPanicThreshold.GetValue(), 0.0},
		{"a removed endpoint is gone", cluster.IgnoreHealthOnHostRemoval, true},
		{"no cap on connections", breaker.MaxConnections.GetValue(), uint32(math.MaxUint32)},
		{"no cap on pending connections", breaker.MaxPendingRequests.GetValue(), uint32(math.MaxUint32)},
		{"endpoints by EDS", cluster.GetType(), clusterv3.Cluster_EDS},
		{"over ADS", cluster.EdsClusterConfig.EdsConfig.GetAds() != nil, true},
		{"for at most", cluster.EdsClusterConfig.EdsConfig.InitialFetchTimeout.AsDuration(), 5 * time.Second},
		{"check: interval", check.Interval.AsDuration(), 5 * time.Second},
		{"check: the same without traffic", check.NoTrafficInterval.AsDuration(), 5 * time.Second},
		{"check: timeout", check.Timeout.AsDuration(), time.Second},
		{"check: fall", check.UnhealthyThreshold.GetValue(), uint32(3)},
		{"check: rise", check.HealthyThreshold.GetValue(), uint32(2)},
	} {
		if diff := cmp.Diff(tt.want, tt.got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
}

// Every value of `balance` is mapped, alone and in a split, where the weights of the localities must count.
func TestBalance(t *testing.T) {
	weighted := &lbcommonv3.LocalityLbConfig_LocalityWeightedLbConfig{}
	locality := &lbcommonv3.LocalityLbConfig{
		LocalityConfigSpecifier: &lbcommonv3.LocalityLbConfig_LocalityWeightedLbConfig_{LocalityWeightedLbConfig: weighted},
	}
	for balance, want := range map[config.Balance]struct{ alone, split proto.Message }{
		config.RoundRobin:       {&roundrobinv3.RoundRobin{}, &roundrobinv3.RoundRobin{LocalityLbConfig: locality}},
		config.LeastConnections: {&leastrequestv3.LeastRequest{}, &leastrequestv3.LeastRequest{LocalityLbConfig: locality}},
		config.Random:           {&randomv3.Random{}, &randomv3.Random{LocalityLbConfig: locality}},
		config.Maglev:           {&maglevv3.Maglev{}, &maglevv3.Maglev{LocalityWeightedLbConfig: weighted}},
		config.RingHash:         {&ringhashv3.RingHash{}, &ringhashv3.RingHash{LocalityWeightedLbConfig: weighted}},
	} {
		t.Run(string(balance), func(t *testing.T) {
			r := resources(t, strings.ReplaceAll(`
listeners: {one: {tcp: 1, to: a}, split: {tcp: 2, to: {a: 3, b: 1}}}
backends: {a: {endpoints: [10.0.0.1:1], balance: B}, b: {endpoints: [10.0.0.2:1], balance: B}}`, "B", string(balance)))
			if diff := cmp.Diff(want.alone, policyOf(t, r, "a"), protocmp.Transform()); diff != "" {
				t.Errorf("alone (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.split, policyOf(t, r, "split"), protocmp.Transform()); diff != "" {
				t.Errorf("in a split (-want +got):\n%s", diff)
			}
		})
	}
}

func policyOf(t *testing.T, r *translate.Resources, cluster string) proto.Message {
	t.Helper()
	policy := clusterOf(t, r, cluster).LoadBalancingPolicy.Policies[0].TypedExtensionConfig
	return unpack[proto.Message](t, policy.TypedConfig)
}

func TestSplitByEDS(t *testing.T) {
	r := resources(t, `
listeners: {api: {tcp: 1, to: {blue: 99, green: 1, next: 0}}}
backends: {blue: {endpoints: [10.0.0.1:1, 10.0.0.2:1]}, green: {endpoints: [10.0.0.3:1]}, next: {endpoints: [10.0.0.4:1]}}`)
	var got []string
	for _, l := range assignmentOf(t, r, "api").Endpoints {
		got = append(got, fmt.Sprintf("%s:%d", l.Locality.SubZone, l.LoadBalancingWeight.GetValue()))
	}
	if want := []string{"blue:99", "green:1"}; !slices.Equal(got, want) {
		t.Errorf("localities %q, want %q: a weight of 0 is left out", got, want)
	}
	if want := []string{"Cluster api", "ClusterLoadAssignment api", "Listener tcp/0.0.0.0:1"}; !slices.Equal(names(r), want) {
		t.Errorf("resources %q, want %q", names(r), want)
	}
}

func TestDNS(t *testing.T) {
	r := resources(t, `
listeners: {api: {tcp: 1, to: {blue: 90, green: 10}}, one: {tcp: 2, to: blue.example.com:80}}
backends: {blue: {endpoints: [blue.example.com:80]}, green: {endpoints: [10.0.0.3:1]}}`)
	for _, name := range []string{"api", "one"} {
		c := clusterOf(t, r, name)
		dns := unpack[*dnsclusterv3.DnsCluster](t, c.GetClusterType().GetTypedConfig())
		if dns.DnsLookupFamily != dnscommonv3.DnsLookupFamily_V4_PREFERRED || !dns.RespectDnsTtl || dns.AllAddressesInSingleEndpoint {
			t.Errorf("%s: resolved as %v", name, dns)
		}
		if c.EdsClusterConfig != nil || c.LoadAssignment == nil {
			t.Errorf("%s: the names do not stand in the cluster", name)
		}
	}
	if got := len(clusterOf(t, r, "api").LoadAssignment.Endpoints); got != 2 {
		t.Errorf("the split has %d localities, want 2", got)
	}
	if slices.ContainsFunc(names(r), func(n string) bool { return strings.HasPrefix(n, "ClusterLoadAssignment") }) {
		t.Errorf("an assignment for a name that Envoy resolves: %q", names(r))
	}
}

func TestAddresses(t *testing.T) {
	r := resources(t, `
listeners:
  all: {tcp: "[::]:10-12", to: "[2001:db8::1]:1"}
  one: {tcp: "[::1]:20", to: unix:/run/up.sock}
  socket: {tcp: {address: unix:/run/x.sock, mode: "0660"}, to: 10.0.0.1:1}
`)
	all := listenerOf(t, r, "tcp/[::]:10")
	ports := []uint32{all.Address.GetSocketAddress().GetPortValue()}
	for _, a := range all.AdditionalAddresses {
		ports = append(ports, a.Address.GetSocketAddress().GetPortValue())
		if !a.Address.GetSocketAddress().GetIpv4Compat() {
			t.Errorf("port %d does not take IPv4 clients", a.Address.GetSocketAddress().GetPortValue())
		}
	}
	if want := []uint32{10, 11, 12}; !slices.Equal(ports, want) {
		t.Errorf("ports %v, want %v", ports, want)
	}
	if one := listenerOf(t, r, "tcp/[::1]:20").Address.GetSocketAddress(); one.GetIpv4Compat() {
		t.Error("[::1] takes IPv4 clients, which Envoy refuses")
	}
	socket := listenerOf(t, r, "tcp/unix:/run/x.sock")
	if got := socket.Address.GetPipe(); got.GetPath() != "/run/x.sock" || got.GetMode() != 0o660 {
		t.Errorf("pipe %v", got)
	}
	if socket.TcpKeepalive != nil {
		t.Error("TCP keepalive on a unix socket")
	}
	if got := assignmentOf(t, r, "one").Endpoints[0].LbEndpoints[0].GetEndpoint().GetAddress().GetPipe().GetPath(); got != "/run/up.sock" {
		t.Errorf("endpoint %q", got)
	}
}

func TestStatNames(t *testing.T) {
	r := resources(t, `
listeners:
  edge: {tcp: 443, sni: {a.example.com: 10.0.0.1:1, "*": 10.0.0.2:1}}
`)
	for cluster, want := range map[string]string{"edge/a.example.com": "edge/a_example_com", "edge/*": ""} {
		if got := clusterOf(t, r, cluster).AltStatName; got != want {
			t.Errorf("cluster %q has the statistics %q, want %q", cluster, got, want)
		}
	}
}

// A listener without `sni:` must not wait for the client to speak first.
func TestOnlySNIInspects(t *testing.T) {
	r := resources(t, "listeners: {plain: {tcp: 1, to: 10.0.0.1:1}, edge: {tcp: 2, sni: {a.b: 10.0.0.1:1}}}")
	if got := listenerOf(t, r, "tcp/0.0.0.0:1"); len(got.ListenerFilters) > 0 {
		t.Errorf("plain has %v", got.ListenerFilters)
	}
	edge := listenerOf(t, r, "tcp/0.0.0.0:2")
	if len(edge.ListenerFilters) != 1 || edge.ListenerFiltersTimeout.AsDuration() != 5*time.Second {
		t.Errorf("edge has %v for %v", edge.ListenerFilters, edge.ListenerFiltersTimeout)
	}
}

// What only changes where connections go must change filter chains only: Envoy then keeps the listener's connections.
func TestRoutesChangeInPlace(t *testing.T) {
	const backends = "\nbackends: {b: {endpoints: [10.0.0.2:1]}}"
	before := listenerOf(t, resources(t, "listeners: {edge: {tcp: 443, access_log: stdout, "+
		"sni: {a.b: 10.0.0.1:1, c.d: b}}}"+backends), "tcp/0.0.0.0:443")
	after := listenerOf(t, resources(t, "listeners: {edge: {tcp: 443, access_log: stdout, "+
		"sni: {a.b: b}, to: b}}"+backends), "tcp/0.0.0.0:443")
	before, after = proto.CloneOf(before), proto.CloneOf(after)
	before.FilterChains, before.DefaultFilterChain = nil, nil
	after.FilterChains, after.DefaultFilterChain = nil, nil
	if diff := cmp.Diff(before, after, protocmp.Transform()); diff != "" {
		t.Errorf("a change of routes drains the listener:\n%s", diff)
	}
}
