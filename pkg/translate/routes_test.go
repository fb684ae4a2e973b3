package translate_test

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpconnv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	udpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	inputsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	ipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/ip/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/translate"
)

// arrival is what is known of a connection or a session when a route is chosen.
type arrival struct {
	client
	from, to netip.AddrPort
	alpn     []string
}

// input is what Envoy gives a matcher for each kind of input.
func (a arrival) input(t *testing.T, m proto.Message) string {
	t.Helper()
	switch m.(type) {
	case *inputsv3.SourceIPInput:
		return a.from.Addr().String()
	case *inputsv3.SourcePortInput:
		return strconv.Itoa(int(a.from.Port()))
	case *inputsv3.DestinationIPInput:
		return a.to.Addr().String()
	case *inputsv3.DestinationPortInput:
		return strconv.Itoa(int(a.to.Port()))
	case *inputsv3.SourceTypeInput: // of all loopback addresses of IPv4 only one is local to Envoy
		if from := a.from.Addr(); from == a.to.Addr() || from == netip.MustParseAddr("127.0.0.1") || from == netip.IPv6Loopback() {
			return "local"
		}
		return ""
	case *inputsv3.TransportProtocolInput:
		return map[bool]string{true: "tls", false: "raw_buffer"}[a.tls]
	case *inputsv3.ServerNameInput:
		return a.sni
	case *inputsv3.ApplicationProtocolInput:
		return "'" + strings.Join(a.alpn, "','") + "'"
	}
	t.Fatalf("an input of type %T", m)
	return ""
}

// matches evaluates a predicate as Envoy does.
func (a arrival) matches(t *testing.T, p *xdsmatcherv3.Matcher_MatcherList_Predicate) bool {
	t.Helper()
	holds := func(p *xdsmatcherv3.Matcher_MatcherList_Predicate) bool { return a.matches(t, p) }
	switch m := p.MatchType.(type) {
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher:
		return !slices.ContainsFunc(m.AndMatcher.Predicate, func(p *xdsmatcherv3.Matcher_MatcherList_Predicate) bool { return !holds(p) })
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_OrMatcher:
		return slices.ContainsFunc(m.OrMatcher.Predicate, holds)
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher:
		return !holds(m.NotMatcher)
	}
	single := p.GetSinglePredicate()
	text := a.input(t, unpack[proto.Message](t, single.Input.TypedConfig))
	if custom := single.GetCustomMatch(); custom != nil {
		return inNetworks(t, unpack[*ipv3.Ip](t, custom.TypedConfig), text)
	}
	switch m := single.GetValueMatch().MatchPattern.(type) {
	case *xdsmatcherv3.StringMatcher_Exact:
		return text == m.Exact
	case *xdsmatcherv3.StringMatcher_Suffix:
		return strings.HasSuffix(text, m.Suffix)
	case *xdsmatcherv3.StringMatcher_Contains:
		return strings.Contains(text, m.Contains)
	case *xdsmatcherv3.StringMatcher_SafeRegex: // of the whole text
		return regexp.MustCompile("^(?:" + m.SafeRegex.Regex + ")$").MatchString(text)
	}
	t.Fatalf("a match of %v", single)
	return false
}

func inNetworks(t *testing.T, m *ipv3.Ip, text string) bool {
	t.Helper()
	ip, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.CidrRanges {
		if netip.PrefixFrom(netip.MustParseAddr(r.AddressPrefix), int(r.PrefixLen.Value)).Contains(ip) {
			return true
		}
	}
	return false
}

// chosen is the action of the first route that takes a; nil for none.
func chosen[M proto.Message](t *testing.T, m *xdsmatcherv3.Matcher, a arrival) (action M) {
	t.Helper()
	for _, r := range m.GetMatcherList().GetMatchers() {
		if a.matches(t, r.Predicate) {
			return unpack[M](t, r.OnMatch.GetAction().TypedConfig)
		}
	}
	if m.OnNoMatch == nil {
		return action
	}
	return unpack[M](t, m.OnNoMatch.GetAction().TypedConfig)
}

// clusterFor is where a goes: "refused", or a cluster.
func clusterFor(t *testing.T, r *translate.Resources, listener string, a arrival) string {
	t.Helper()
	l := listenerOf(t, r, listener)
	if strings.HasPrefix(listener, "udp/") {
		if route := chosen[*udpproxyv3.Route](t, udpProxyOf(t, l).GetMatcher(), a); route != nil {
			return route.Cluster
		}
		return "refused"
	}
	if l.FilterChainMatcher == nil {
		t.Fatal("no matcher")
	}
	chain := l.DefaultFilterChain
	if name := chosen[*wrapperspb.StringValue](t, l.FilterChainMatcher, a); name != nil {
		chain = nil
		for _, c := range l.FilterChains {
			if c.FilterChainMatch != nil {
				t.Errorf("chain %q has a match of its own beside the matcher", c.Name)
			}
			if c.Name == name.Value {
				chain = c
			}
		}
		switch {
		case chain == nil && name.Value == "none":
			return "refused"
		case chain == nil:
			t.Fatalf("no chain is named %q", name.Value)
		}
	}
	if chain == nil {
		return "refused"
	}
	return unpack[*tcpproxyv3.TcpProxy](t, chain.Filters[0].GetTypedConfig()).GetCluster()
}

const routed = `
listeners:
  edge:
    tcp: ["[::]:80", "10.0.0.1:6000-6009"]
    routes:
      - {name: office, from: [10.1.0.0/16, 10.2.0.7], to: 10.9.0.1:1}
      - {name: range, port: [6001, 6003-6008], to: web}
      - {name: low, from_port: 1-1023, transport: plain, to: 10.9.0.2:1}
      - {name: six, address: "2001:db8::/32", to: {web: 1}}
      - {name: names, sni: [a.example.com, "*.b.example.com"], alpn: [h2, x], to: 10.9.0.3:1}
      - {name: here, from: local, sni: "*", to: 10.9.0.4:1}
      - {name: out, from: [external, 127.0.0.0/30], transport: tls, to: 10.9.0.5:1}
    to: rest
  dns:
    udp: 53-54
    routes: [{name: office, from: 10.1.0.0/16, port: 53, to: web}, {name: a, address: 10.0.0.7, to: 10.9.0.6:1}]
  all:
    tcp: 1
    udp: 1
    routes: [{name: one, from: 10.0.0.1, to: web}, {name: two, to: rest}]
backends: {web: {endpoints: [10.0.2.1:1]}, rest: {endpoints: [10.0.3.1:1]}}
`

func TestRoutesInOrder(t *testing.T) {
	r := resources(t, routed)
	tls := client{tls: true}
	named := func(sni string) client { return client{true, sni} }
	for _, tt := range []struct {
		listener, from, to string
		client             client
		alpn               []string
		want               string
	}{
		{"tcp/[::]:80", "10.1.2.3:5000", "10.0.0.1:80", client{}, nil, "edge/office"},
		{"tcp/[::]:80", "10.2.0.7:1", "10.0.0.1:80", client{}, nil, "edge/office"},
		{"tcp/[::]:80", "10.2.0.8:1", "10.0.0.1:80", client{}, nil, "edge/low"},
		{"tcp/[::]:80", "10.2.0.8:1024", "10.0.0.1:80", client{}, nil, "rest"},
		{"tcp/10.0.0.1:6000", "10.2.0.8:1024", "10.0.0.1:6000", client{}, nil, "rest"},
		{"tcp/10.0.0.1:6000", "10.2.0.8:1024", "10.0.0.1:6001", client{}, nil, "web"},
		{"tcp/10.0.0.1:6000", "10.2.0.8:1024", "10.0.0.1:6002", client{}, nil, "rest"},
		{"tcp/10.0.0.1:6000", "10.2.0.8:1024", "10.0.0.1:6008", tls, nil, "web"},
		{"tcp/[::]:80", "[2001:db9::1]:1024", "[2001:db8::1]:80", tls, nil, "edge/six"},
		{"tcp/[::]:80", "[2001:db8::1]:1024", "[2001:db9::1]:80", client{}, nil, "rest"},
		{"tcp/[::]:80", "10.2.0.8:1024", "10.0.0.1:80", named("a.example.com"), []string{"h2", "http/1.1"}, "edge/names"},
		{"tcp/[::]:80", "10.2.0.8:1024", "10.0.0.1:80", named("c.b.example.com"), []string{"y", "x"}, "edge/names"},
		{"tcp/[::]:80", "10.2.0.8:1024", "10.0.0.1:80", named("b.example.com"), []string{"x"}, "edge/out"},
		{"tcp/[::]:80", "10.2.0.8:1024", "10.0.0.1:80", named("a.example.com"), []string{"h22", "xx"}, "edge/out"},
		{"tcp/[::]:80", "127.9.9.9:1024", "127.0.0.1:80", tls, nil, "edge/here"},
		{"tcp/[::]:80", "[::1]:1024", "[::1]:80", named("x.org"), nil, "edge/here"},
		{"tcp/[::]:80", "10.0.0.1:1024", "10.0.0.1:80", tls, nil, "edge/here"},
		{"tcp/[::]:80", "10.0.0.2:1024", "10.0.0.1:80", tls, nil, "edge/out"},
		{"tcp/[::]:80", "127.9.9.9:1024", "127.0.0.1:80", client{}, nil, "rest"},
		{"udp/0.0.0.0:53", "10.1.0.1:1", "10.0.0.7:53", client{}, nil, "web"},
		{"udp/0.0.0.0:53", "10.1.0.1:1", "10.0.0.7:54", client{}, nil, "dns/a"},
		{"udp/0.0.0.0:53", "10.2.0.1:1", "10.0.0.8:53", client{}, nil, "refused"},
		{"tcp/0.0.0.0:1", "10.0.0.1:1", "10.0.0.8:1", client{}, nil, "web"},
		{"tcp/0.0.0.0:1", "10.0.0.2:1", "10.0.0.8:1", client{}, nil, "rest"},
		{"udp/0.0.0.0:1", "10.0.0.1:1", "10.0.0.8:1", client{}, nil, "web"},
		{"udp/0.0.0.0:1", "10.0.0.2:1", "10.0.0.8:1", client{}, nil, "rest"},
	} {
		a := arrival{tt.client, netip.MustParseAddrPort(tt.from), netip.MustParseAddrPort(tt.to), tt.alpn}
		if got := clusterFor(t, r, tt.listener, a); got != tt.want {
			t.Errorf("%s to %s, %+v %q: goes to %s, want %s", tt.from, tt.to, tt.client, tt.alpn, got, tt.want)
		}
	}
}

// TestOriginalWithin: what was dialled is reached within the targets, and the listener's own ports never.
func TestOriginalWithin(t *testing.T) {
	r := resources(t, `
listeners:
  one: {tcp: {address: "[::]:15001", transparent: {mode: redirect, ports: [80, 443]}}, to: original, targets: ["10.0.0.0/8:80", "*:443", "10.9.0.1/32"]}
  any: {tcp: {address: 15002, transparent: {mode: tproxy, ports: 81-89}}, to: original, targets: any}
  list:
    tcp: 15003
    transparent: {mode: tproxy, ports: 90-93}
    routes:
      - {name: a, port: 90, to: original, targets: 10.0.0.0/8}
      - {name: b, port: 91, to: 10.9.0.1:1}
      - {name: c, port: 90-92, to: original}
    to: 10.9.0.2:1
    targets: "*:92"
`)
	for _, tt := range []struct{ listener, to, want string }{
		{"tcp/[::]:15001", "10.1.0.1:80", "one"},
		{"tcp/[::]:15001", "11.1.0.1:80", "refused"},
		{"tcp/[::]:15001", "[2001:db8::1]:443", "one"},
		{"tcp/[::]:15001", "10.9.0.1:22", "one"},
		{"tcp/[::]:15001", "10.9.0.1:15001", "refused"},
		{"tcp/[::]:15001", "10.9.0.2:22", "refused"},
		{"tcp/0.0.0.0:15002", "192.0.2.1:85", "any"},
		{"tcp/0.0.0.0:15002", "192.0.2.1:15002", "refused"},
		{"tcp/0.0.0.0:15003", "10.0.0.1:90", "list/a"},
		{"tcp/0.0.0.0:15003", "11.0.0.1:90", "refused"},
		{"tcp/0.0.0.0:15003", "11.0.0.1:91", "list/b"},
		{"tcp/0.0.0.0:15003", "11.0.0.1:92", "list/c"},
		{"tcp/0.0.0.0:15003", "11.0.0.1:93", "list"},
		{"tcp/0.0.0.0:15003", "11.0.0.1:15003", "list"},
	} {
		a := arrival{from: netip.MustParseAddrPort("10.0.0.99:1000"), to: netip.MustParseAddrPort(tt.to)}
		if got := clusterFor(t, r, tt.listener, a); got != tt.want {
			t.Errorf("%s dials %s: goes to %s, want %s", tt.listener, tt.to, got, tt.want)
		}
	}
}

// TestRoutesLookAtTLS: the hello is waited for only where a route asks for what it tells.
func TestRoutesLookAtTLS(t *testing.T) {
	for conditions, want := range map[string]bool{
		"from: 10.0.0.1": false, "from_port: 1": false, "port: 1": false, "address: 10.0.0.1": false,
		"sni: a.example.com": true, "alpn: h2": true, "transport: plain": true,
	} {
		r := resources(t, "listeners: {a: {tcp: 1-2, routes: [{name: x, "+conditions+", to: 10.0.0.1:1}]}}")
		if got := len(listenerOf(t, r, "tcp/0.0.0.0:1").ListenerFilters) > 0; got != want {
			t.Errorf("%s: the hello is waited for: %t", conditions, got)
		}
	}
}

const routedExit = `
listeners: {a: {tcp: 1, to: "near.example:1", via: hub}}
tunnels:
  hub:
    proxy: "h:9"
    http: 2
    exit:
      routes:
        - {name: fixed, target: ["a.example:1-9", "*.b.example:7"], to: 10.0.0.1:1}
        - {name: plan, request_headers: {x-plan: gold, X-Site: ["lab-*", "*-lab"]}, to: web}
        - {name: any, request_headers: {x-any: "*"}, target: any, to: requested}
        - {name: onward, target: 10.0.0.0/8, via: next}
      %s
  next: {proxy: "n:9", http: 2}
backends: {web: {endpoints: [10.0.2.1:1]}, rest: {endpoints: [10.0.3.1:1]}}
`

// exitClusterFor is where an exit sends what it is asked for with these headers; "404" for nowhere.
func exitClusterFor(t *testing.T, r *translate.Resources, listener string, headers map[string]string) string {
	t.Helper()
	chain := listenerOf(t, r, listener).FilterChains[0]
	name := unpack[*httpconnv3.HttpConnectionManager](t, chain.Filters[0].GetTypedConfig()).GetRds().GetRouteConfigName()
	hosts := find[*routev3.RouteConfiguration](t, r, name).VirtualHosts
	if len(hosts) != 1 || !slices.Equal(hosts[0].Domains, []string{"*"}) {
		t.Fatalf("hosts %v", hosts)
	}
	for _, route := range hosts[0].Routes {
		if !slices.ContainsFunc(route.Match.Headers, func(h *routev3.HeaderMatcher) bool {
			value, there := headers[h.Name]
			return !there || !headerMatches(t, h, value)
		}) {
			return route.GetRoute().GetCluster()
		}
	}
	return "404"
}

func headerMatches(t *testing.T, h *routev3.HeaderMatcher, value string) bool {
	t.Helper()
	if h.GetPresentMatch() {
		return true
	}
	switch m := h.GetStringMatch().MatchPattern.(type) {
	case *matcherv3.StringMatcher_Exact:
		return value == m.Exact
	case *matcherv3.StringMatcher_Prefix:
		return strings.HasPrefix(value, m.Prefix)
	case *matcherv3.StringMatcher_Suffix:
		return strings.HasSuffix(value, m.Suffix)
	case *matcherv3.StringMatcher_Contains:
		return strings.Contains(value, m.Contains)
	case *matcherv3.StringMatcher_SafeRegex:
		return regexp.MustCompile("^(?:" + m.SafeRegex.Regex + ")$").MatchString(value)
	}
	t.Fatalf("a match of %v", h)
	return false
}

func TestRoutesOfExit(t *testing.T) {
	for _, tt := range []struct {
		rest, asked string
		headers     map[string]string
		want        string
	}{
		{"", "a.example:9", nil, "hub/exit/fixed"},
		{"", "x.b.example:7", nil, "hub/exit/fixed"},
		{"", "a.example:10", nil, "404"},
		{"", "b.example:7", nil, "404"},
		{"", "a.example:1", map[string]string{"x-any": "1"}, "hub/exit/fixed"},
		{"", "c.example:1", map[string]string{"x-any": ""}, "hub/exit"},
		{"", "c.example:1", map[string]string{"x-plan": "gold", "x-site": "lab-1"}, "web"},
		{"", "c.example:1", map[string]string{"x-plan": "gold", "x-site": "a-lab"}, "web"},
		{"", "c.example:1", map[string]string{"x-plan": "gold", "x-site": "lab"}, "404"},
		{"", "c.example:1", map[string]string{"x-plan": "golden", "x-site": "lab-1"}, "404"},
		{"", "10.1.2.3:65535", nil, "next"},
		{"", "near.example:1", nil, "404"},
		{"to: requested", "near.example:1", nil, "hub/exit"},
		{"to: requested", "near.example:2", nil, "404"},
		{"targets: c.example:1", "c.example:1", nil, "hub/exit"},
		{"targets: any", "d.example:1", nil, "hub/exit"},
		{"to: rest", "d.example:1", nil, "rest"},
		{"to: rest", "d.example:1", map[string]string{"x-any": "1"}, "hub/exit/requested"},
		{"to: 10.0.0.9:1", "d.example:1", nil, "hub/exit"},
		{"via: next", "near.example:1", nil, "next"},
		{"via: next", "near.example:2", nil, "404"},
	} {
		headers := map[string]string{":authority": tt.asked}
		maps.Copy(headers, tt.headers)
		r := resources(t, strings.ReplaceAll(routedExit, "%s", tt.rest))
		if got := exitClusterFor(t, r, "tcp/0.0.0.0:9", headers); got != tt.want {
			t.Errorf("%s, asked for %s with %v: goes to %s, want %s", tt.rest, tt.asked, tt.headers, got, tt.want)
		}
	}
}

// TestRouteKeysOfBackend: what a route says of the backend in its `to` is laid over what its listener says of all.
func TestRouteKeysOfBackend(t *testing.T) {
	r := resources(t, `
listeners:
  a:
    tcp: 1
    check: {tcp: 5s}
    timeouts: {connect: 2s}
    routes:
      - {name: own, from: local, to: 10.0.0.1:1, check: {timeout: 3s}, timeouts: {connect: 4s}}
      - {name: other, to: 10.0.0.2:1}
`)
	for name, want := range map[string][3]int64{"a/own": {5, 3, 4}, "a/other": {5, 1, 2}} {
		c := clusterOf(t, r, name)
		check := c.HealthChecks[0]
		if got := [3]int64{check.Interval.Seconds, check.Timeout.Seconds, c.ConnectTimeout.Seconds}; got != want {
			t.Errorf("%s: interval, timeout of the check, and of connecting: %d, want %d", name, got, want)
		}
	}
}
