package translate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

const randomFiles = 100

// TestProperties holds what must be true of every file that Load accepts.
func TestProperties(t *testing.T) {
	var prev *translate.Resources
	accepted := 0
	for seed := range uint64(randomFiles) {
		c := tryLoad(randomFile(rand.New(rand.NewPCG(seed, 1))))
		if c == nil {
			continue
		}
		accepted++
		r := mustTranslate(t, c, nil)
		checkSorted(t, r)
		checkRefs(t, r)
		if diff := cmp.Diff(contents(t, r), contents(t, mustTranslate(t, c, nil))); diff != "" {
			t.Errorf("seed %d: translated twice, two results:\n%s", seed, diff)
		}
		for _, former := range []*translate.Resources{prev, r} {
			if diff := cmp.Diff(contents(t, r), contents(t, mustTranslate(t, c, former))); diff != "" {
				t.Errorf("seed %d: another result with former resources:\n%s", seed, diff)
			}
		}
		if _, err := snapshot.Build(r, nil); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		prev = r
	}
	t.Logf("%d of %d random files are accepted", accepted, randomFiles)
	if accepted < randomFiles/2 {
		t.Errorf("only %d of %d random files are accepted: the generator has come away from the language", accepted, randomFiles)
	}
}

// FuzzTranslate looks for a file that Load accepts and Translate or Build does not. Give it -fuzzminimizetime=1x: what
// is covered varies with the order of maps, so that each new input would be made smaller for a minute.
func FuzzTranslate(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomFile(rand.New(rand.NewPCG(seed, 1))))
	}
	f.Fuzz(func(t *testing.T, file string) {
		c := tryLoad(file)
		if c == nil {
			return
		}
		if _, err := snapshot.Build(mustTranslate(t, c, nil), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestSmallChangesReuse(t *testing.T) {
	const file = `
listeners: {a: {tcp: 1, to: one}, b: {tcp: 2, udp: 2, to: two}, c: {tcp: [3, 4], to: {one: 1, two: %s}}}
backends: {one: {endpoints: [10.0.0.1:1]}, two: {endpoints: [%s]}}`
	first := resources(t, fmt.Sprintf(file, "1", "10.0.0.2:1"))
	second := mustTranslate(t, load(t, "# moved\n"+fmt.Sprintf(file, "1", "10.0.0.3:1")), first)
	if got, want := made(first, second), []string{
		"Cluster c", "Cluster two", "ClusterLoadAssignment c", "ClusterLoadAssignment two",
	}; !slices.Equal(got, want) {
		t.Errorf("an endpoint changed, made anew: %q, want %q", got, want)
	}
	third := mustTranslate(t, load(t, fmt.Sprintf(file, "2", "10.0.0.3:1")), second)
	if got, want := made(second, third), []string{"Cluster c", "ClusterLoadAssignment c"}; !slices.Equal(got, want) {
		t.Errorf("a weight changed, made anew: %q, want %q", got, want)
	}
}

// made is the resources of r that before does not have.
func made(before, r *translate.Resources) []string {
	var list []string
	for i, name := range names(r) {
		if !slices.Contains(before.List, r.List[i]) {
			list = append(list, name)
		}
	}
	return list
}

func tryLoad(file string) *config.Config {
	source := config.NewSource()
	source.Stdin(strings.NewReader(file))
	c, _ := config.Load(source, nil, "-")
	return c
}

func checkSorted(t *testing.T, r *translate.Resources) {
	t.Helper()
	if !slices.IsSortedFunc(r.List, func(a, b *translate.Resource) int {
		return strings.Compare(a.Type+"\x00"+a.Name, b.Type+"\x00"+b.Name)
	}) {
		t.Errorf("not sorted: %q", names(r))
	}
}

// checkRefs compares what each resource says that it names with what a walk over the message finds.
func checkRefs(t *testing.T, r *translate.Resources) {
	t.Helper()
	for _, res := range r.List {
		found := map[translate.Ref]bool{}
		findRefs(t, res.Msg, found)
		said := map[translate.Ref]bool{}
		for _, ref := range res.Refs {
			said[ref] = true
		}
		if len(said) != len(res.Refs) || fmt.Sprint(said) != fmt.Sprint(found) {
			t.Errorf("%s %q says that it names %v, and names %v", shortType(res.Type), res.Name, res.Refs, found)
		}
	}
}

// findRefs adds what m names, in whatever is packed inside of it too, and holds each message to Envoy's rules.
func findRefs(t *testing.T, m proto.Message, found map[translate.Ref]bool) {
	t.Helper()
	cluster := func(name string) { found[translate.Ref{Type: resourcev3.ClusterType, Name: name}] = true }
	switch m := m.(type) {
	case *tcpproxyv3.TcpProxy:
		if name := m.GetCluster(); name != "" {
			cluster(name)
		}
	case *tcpproxyv3.TcpProxy_WeightedCluster_ClusterWeight:
		cluster(m.Name)
	case *udpproxyv3.Route:
		cluster(m.Cluster)
	case *clusterv3.Cluster_EdsClusterConfig:
		found[translate.Ref{Type: resourcev3.EndpointType, Name: m.ServiceName}] = true
	case *tlsv3.SdsSecretConfig:
		found[translate.Ref{Type: resourcev3.SecretType, Name: m.Name}] = true
	case *anypb.Any:
		findRefs(t, unpack[proto.Message](t, m), found)
		return
	}
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				findRefs(t, v.List().Get(i).Message().Interface(), found)
			}
		default:
			findRefs(t, v.Message().Interface(), found)
		}
		return true
	})
}

// randomFile is a file that Load mostly accepts: a few listeners, backends and groups, each key sometimes there.
func randomFile(r *rand.Rand) string {
	var b strings.Builder
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	b.WriteString("groups: {east: {zone: east}, west: {zone: west}}\nbackends:\n")
	for i := range 4 {
		fmt.Fprintf(&b, "  b%d:\n    endpoints: [10.0.%d.1:1, %s]\n%s%s%s", i, i,
			pick(fmt.Sprintf("10.0.%d.2:1", i), fmt.Sprintf("host%d.example.com:1", i), fmt.Sprintf("{address: 10.0.%d.3:1, weight: 7}", i)),
			pick("", "    balance: maglev\n", "    balance: ring_hash\n", "    balance: random\n"),
			pick("", "", "    check: {tcp: 5s}\n"), pick("", "", "", "", "", "    timeouts: {connect: 1s}\n", "    tls: {sni: x.example}\n", "    tls: {verify: none, alpn: a}\n", "    proxy_protocol: v2\n"))
	}
	b.WriteString("tunnels: {hub: {proxy: h:1, http: 2, headers: {a: \"%START_TIME%\", b: c}}}\nlisteners:\n")
	fmt.Fprintf(&b, "  carried: {tcp: 9, to: %s, via: hub%s}\n", randomCarried(r), pick("", ", nodes: east"))
	port := 0
	for i := range 2 + r.IntN(5) {
		port += 10
		protocol := pick("tcp", "tcp", "udp")
		fmt.Fprintf(&b, "  l%d:\n    %s: %s\n%s%s%s", i, protocol,
			pick(fmt.Sprint(port), fmt.Sprintf("%d-%d", port, port+3), fmt.Sprintf("[%d, %d]", port, port+5), fmt.Sprintf(`"[::]:%d"`, port)),
			pick("", "    nodes: east\n", "    nodes: [east, west]\n"),
			pick("", "    access_log: stdout\n", "    access_log: {file: /x, json: {a: b, c: d, e: f}}\n"),
			pick("", "    timeouts: {idle: 90s}\n"))
		if protocol == "tcp" {
			b.WriteString(pick("", "    tls: {cert: {on_envoy: /a.crt}}\n", "    tls: {cert: [{on_envoy: /a.crt}, {on_envoy: /b.crt}], client_ca: {on_envoy: /c.crt}, names: [x, \"*.y\"]}\n"))
		}
		switch {
		case protocol == "tcp" && r.IntN(2) == 0:
			fmt.Fprintf(&b, "    sni: {a.example.com: %s, \"*.example.com\": b1, \"*\": 10.1.0.1:1}\n", randomTarget(r))
		case r.IntN(3) == 0:
			to := "10.9.0.3:1"
			if protocol == "tcp" {
				to = randomTarget(r)
			}
			fmt.Fprintf(&b, "    routes: [{name: a, from: 10.0.0.0/8, to: %s}, {name: b, address: [10.0.0.1, 10.1.0.0/16], to: 10.9.0.4:1}]\n", to)
		}
		fmt.Fprintf(&b, "    to: %s\n", randomTarget(r))
	}
	return b.String()
}

// randomCarried is what a tunnel is asked for, with something of its own inside or without.
func randomCarried(r *rand.Rand) string {
	choices := []string{
		"h:1", "{endpoints: h:1, proxy_protocol: v1}", "{endpoints: h:1, tls: system}",
		"{endpoints: \"%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:%DOWNSTREAM_LOCAL_PORT%\", proxy_protocol: v2, tls: {verify: none, cert: {on_envoy: /a.crt}}}",
	}
	return choices[r.IntN(len(choices))]
}

func randomTarget(r *rand.Rand) string {
	choices := []string{
		"b0", "b1", "b2", "b3", "10.9.0.1:1", "[10.9.0.1:1, 10.9.0.2:1]", "{b0: 90, b1: 10}", "{b2: 100}",
		"{b0: 1, b1: 2, b2: 0, b3: 3}", "{endpoints: [10.9.0.1:1], balance: maglev}",
	}
	return choices[r.IntN(len(choices))]
}
