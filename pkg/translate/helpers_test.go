package translate_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/certs"
)

// load is the configuration of one text.
func load(tb testing.TB, text string) *config.Config {
	tb.Helper()
	source := config.NewSource()
	source.Stdin(strings.NewReader(text))
	c, diagnostics := config.Load(source, nil, "-")
	if c == nil {
		tb.Fatalf("the file is refused: %v\n%s", diagnostics, text)
	}
	return c
}

// resources are those of one text.
func resources(tb testing.TB, text string) *translate.Resources {
	tb.Helper()
	return mustTranslate(tb, load(tb, text), nil)
}

func mustTranslate(tb testing.TB, c *config.Config, prev *translate.Resources) *translate.Resources {
	tb.Helper()
	r, err := translate.Translate(c, prev)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// examples changes to the root of the project, and lists the paths of all examples from there.
func examples(t *testing.T) []string {
	t.Helper()
	t.Chdir("../..")
	if err := certs.ForExamples("."); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".yaml") {
			paths = append(paths, "examples/"+e.Name())
		}
	}
	if len(paths) == 0 {
		t.Fatal("no examples")
	}
	return paths
}

// loadExample is the configuration of one example. What is to be said of it is for a test of config.
func loadExample(t *testing.T, path string) *config.Config {
	t.Helper()
	c, diagnostics := config.Load(config.NewSource(), nil, path)
	if c == nil {
		t.Fatalf("%s: %v", path, diagnostics)
	}
	return c
}

// find is the one resource of that type and name.
func find[M proto.Message](t *testing.T, r *translate.Resources, name string) M {
	t.Helper()
	var found M
	for _, res := range r.List {
		if m, ok := res.Msg.(M); ok && res.Name == name {
			return m
		}
	}
	t.Fatalf("no %T is named %q; there are %v", found, name, names(r))
	return found
}

func names(r *translate.Resources) []string {
	var list []string
	for _, res := range r.List {
		list = append(list, shortType(res.Type)+" "+res.Name)
	}
	return list
}

func shortType(url string) string {
	return url[strings.LastIndex(url, ".")+1:]
}

func listenerOf(t *testing.T, r *translate.Resources, name string) *listenerv3.Listener {
	t.Helper()
	return find[*listenerv3.Listener](t, r, name)
}

func clusterOf(t *testing.T, r *translate.Resources, name string) *clusterv3.Cluster {
	t.Helper()
	return find[*clusterv3.Cluster](t, r, name)
}

func assignmentOf(t *testing.T, r *translate.Resources, name string) *endpointv3.ClusterLoadAssignment {
	t.Helper()
	return find[*endpointv3.ClusterLoadAssignment](t, r, name)
}

// unpack is what is packed in a, which must be an M.
func unpack[M proto.Message](t *testing.T, a *anypb.Any) M {
	t.Helper()
	m, err := a.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	typed, ok := m.(M)
	if !ok {
		t.Fatalf("a %s is packed", a.TypeUrl)
	}
	return typed
}

// tcpProxyOf is the last filter of a chain.
func tcpProxyOf(t *testing.T, chain *listenerv3.FilterChain) *tcpproxyv3.TcpProxy {
	t.Helper()
	if len(chain.GetFilters()) != 1 {
		t.Fatalf("chain %q has %d filters", chain.GetName(), len(chain.GetFilters()))
	}
	return unpack[*tcpproxyv3.TcpProxy](t, chain.Filters[0].GetTypedConfig())
}

// udpProxyOf is the one filter of a UDP listener.
func udpProxyOf(t *testing.T, l *listenerv3.Listener) *udpproxyv3.UdpProxyConfig {
	t.Helper()
	if len(l.FilterChains) > 0 || len(l.ListenerFilters) != 1 {
		t.Fatalf("UDP listener %q has %d chains and %d filters", l.Name, len(l.FilterChains), len(l.ListenerFilters))
	}
	return unpack[*udpproxyv3.UdpProxyConfig](t, l.ListenerFilters[0].GetTypedConfig())
}

// contents are the resources as texts: equal content, audience and names, equal text, and the other way round.
func contents(t *testing.T, r *translate.Resources) []string {
	t.Helper()
	var list []string
	for _, res := range r.List {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(res.Msg)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(res.Type, res.Name, res.Origins, res.Audience, res.Refs, string(wire)))
	}
	return list
}
