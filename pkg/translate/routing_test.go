package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"

	"github.com/l4xds/l4xds/pkg/translate"
)

// client is what a connection shows of itself before a chain is chosen.
type client struct {
	tls bool
	sni string
}

// chainFor is the chain that Envoy picks for c: by name, the more specific first, then by transport. Only a listener
// that inspects sees names at all. nil means that the connection is closed.
func chainFor(l *listenerv3.Listener, c client) *listenerv3.FilterChain {
	if len(l.ListenerFilters) == 0 {
		c = client{}
	}
	for _, name := range append(namesFor(c.sni), "") {
		chains := slices.DeleteFunc(slices.Clone(l.FilterChains), func(f *listenerv3.FilterChain) bool {
			names := f.GetFilterChainMatch().GetServerNames()
			return name == "" && len(names) > 0 || name != "" && !slices.Contains(names, name)
		})
		if len(chains) > 0 {
			return byTransport(chains, c, l.DefaultFilterChain)
		}
	}
	return l.DefaultFilterChain
}

// namesFor are the server_names that match sni: itself, then the wildcards from the longest.
func namesFor(sni string) []string {
	if sni == "" {
		return nil
	}
	names := []string{sni}
	for rest := sni; strings.Contains(rest, "."); {
		_, rest, _ = strings.Cut(rest, ".")
		names = append(names, "*."+rest)
	}
	return names
}

func byTransport(chains []*listenerv3.FilterChain, c client, otherwise *listenerv3.FilterChain) *listenerv3.FilterChain {
	transport := "raw_buffer"
	if c.tls {
		transport = "tls"
	}
	for _, want := range []string{transport, ""} {
		for _, chain := range chains {
			if chain.GetFilterChainMatch().GetTransportProtocol() == want {
				return chain
			}
		}
	}
	return otherwise
}

// destination is where a TCP connection goes: "refused", a cluster, or "a:90 b:10".
func destination(t *testing.T, r *translate.Resources, listener string, c client) string {
	t.Helper()
	chain := chainFor(listenerOf(t, r, listener), c)
	if chain == nil {
		return "refused"
	}
	switch to := tcpProxyOf(t, chain).ClusterSpecifier.(type) {
	case *tcpproxyv3.TcpProxy_Cluster:
		return to.Cluster
	case *tcpproxyv3.TcpProxy_WeightedClusters:
		var shares []string
		for _, w := range to.WeightedClusters.Clusters {
			shares = append(shares, fmt.Sprintf("%s:%d", w.Name, w.Weight))
		}
		return strings.Join(shares, " ")
	}
	return "nowhere"
}

// sessionDestination is the cluster of a UDP listener's sessions.
func sessionDestination(t *testing.T, r *translate.Resources, listener string) string {
	t.Helper()
	action := udpProxyOf(t, listenerOf(t, r, listener)).GetMatcher().GetOnNoMatch().GetAction()
	return unpack[*udpproxyv3.Route](t, action.GetTypedConfig()).Cluster
}

const sniTable = `
listeners:
  edge:
    tcp: 443
    sni:
      a.example.com: 10.0.1.1:443
      "*.example.com": wild
      "*.b.example.com": deep
      %s
    %s
backends:
  wild: {endpoints: [10.0.2.1:443]}
  deep: {endpoints: [10.0.3.1:443]}
  rest: {endpoints: [10.0.4.1:443]}
  tls: {endpoints: [10.0.5.1:443]}
`

func TestSNIChoosesTheChain(t *testing.T) {
	both := fmt.Sprintf(sniTable, `"*": tls`, "to: rest")
	strict := strings.ReplaceAll(fmt.Sprintf(sniTable, "", ""), "  rest: {endpoints: [10.0.4.1:443]}\n  tls: {endpoints: [10.0.5.1:443]}\n", "")
	for _, tt := range []struct {
		name, file string
		client     client
		want       string
	}{
		{"exact", both, client{true, "a.example.com"}, "edge/a.example.com"},
		{"wildcard", both, client{true, "x.example.com"}, "wild"},
		{"wildcard over several labels", both, client{true, "x.y.example.com"}, "wild"},
		{"longer wildcard", both, client{true, "x.b.example.com"}, "deep"},
		{"the wildcard's own name", both, client{true, "example.com"}, "tls"},
		{"another name", both, client{true, "example.org"}, "tls"},
		{"no name", both, client{true, ""}, "tls"},
		{"clear text", both, client{}, "rest"},
		{"another name, nothing for the rest", strict, client{true, "example.org"}, "refused"},
		{"clear text, nothing for the rest", strict, client{}, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := destination(t, resources(t, tt.file), "tcp/0.0.0.0:443", tt.client); got != tt.want {
				t.Errorf("%+v goes to %s, want %s", tt.client, got, tt.want)
			}
		})
	}
}

func TestWhereConnectionsGo(t *testing.T) {
	for _, tt := range []struct{ name, file, listener, want string }{
		{"an endpoint", "listeners: {db: {tcp: 1, to: 10.0.0.1:1}}", "tcp/0.0.0.0:1", "db"},
		{"a list", "listeners: {db: {tcp: 1, to: [10.0.0.1:1, 10.0.0.2:1]}}", "tcp/0.0.0.0:1", "db"},
		{"a backend", "listeners: {db: {tcp: 1, to: b}}\nbackends: {b: {endpoints: [10.0.0.1:1]}}", "tcp/0.0.0.0:1", "b"},
		{"one weight", "listeners: {db: {tcp: 1, to: {b: 100}}}\nbackends: {b: {endpoints: [10.0.0.1:1]}}", "tcp/0.0.0.0:1", "db"},
		{
			"settings that differ", "listeners: {db: {tcp: 1, to: {a: 9, b: 1, c: 0}}}\nbackends: {a: {endpoints: [10.0.0.1:1]}, " +
				"b: {endpoints: [10.0.0.2:1], balance: random}, c: {endpoints: [10.0.0.3:1]}}", "tcp/0.0.0.0:1", "a:9 b:1",
		},
		{
			"an endpoint that two share", "listeners: {db: {tcp: 1, to: {a: 9, b: 1}}}\nbackends: {a: {endpoints: [10.0.0.1:1]}, " +
				"b: {endpoints: [10.0.0.1:1]}}", "tcp/0.0.0.0:1", "a:9 b:1",
		},
		{"a bound address", "listeners: {db: {tcp: 1, bind: 127.0.0.1, to: 10.0.0.1:1}}", "tcp/127.0.0.1:1", "db"},
		{"both families", `listeners: {db: {tcp: "[::]:1", to: 10.0.0.1:1}}`, "tcp/[::]:1", "db"},
		{"a range", "listeners: {db: {tcp: 1-3, to: 10.0.0.1:1}}", "tcp/0.0.0.0:1", "db"},
		{"a unix socket", "listeners: {db: {tcp: unix:/run/x.sock, to: 10.0.0.1:1}}", "tcp/unix:/run/x.sock", "db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := destination(t, resources(t, tt.file), tt.listener, client{}); got != tt.want {
				t.Errorf("goes to %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWhereSessionsGo(t *testing.T) {
	const backends = "\nbackends: {a: {endpoints: [10.0.0.1:1]}, b: {endpoints: [10.0.0.2:1]}}"
	for _, tt := range []struct{ to, want string }{
		{"10.0.0.1:1", "dns"}, {"a", "a"}, {"{a: 90, b: 10}", "dns"},
	} {
		file := "listeners: {dns: {tcp: 1, udp: 1, to: " + tt.to + "}}" + backends
		r := resources(t, file)
		if got := sessionDestination(t, r, "udp/0.0.0.0:1"); got != tt.want {
			t.Errorf("to %s: sessions go to %s, want %s", tt.to, got, tt.want)
		}
		if got := destination(t, r, "tcp/0.0.0.0:1", client{}); got != tt.want {
			t.Errorf("to %s: connections go to %s, want %s", tt.to, got, tt.want)
		}
	}
}
