//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// routedExits are two far ends that look at requests, and one further on.
const routedExits = `
listeners: {}
tunnels:
  hub:
    exit:
      tcp: $hub
      routes:
        - {name: fixed, target: ["fixed.example:1-9", "*.fixed.example:7"], to: $fixed}
        - {name: site, request_headers: {x-site: ["lab-*", "*-lab"], x-plan: "*"}, to: $site}
        - {name: exact, target: $asked, request_headers: {x-only: exactly}, to: $exact}
        - {name: asked, target: $asked, to: requested}
        - {name: onward, target: [$on, $beyond], via: next}
      targets: $rest
  in:
    method: post
    path: /in
    exit:
      tcp: $in
      routes:
        - {name: fixed, target: "*.fixed.example:1-9", to: $fixed}
        - {name: site, request_headers: {x-site: "*lab*"}, to: $site}
      to: $rest
  next: {proxy: $next, http: 2, exit: {targets: $on}}
`

// askAll wants all ways to ask the exit for this target, with these headers, to reach the backend; empty is 404.
func (f *fleet) askAll(exit, target string, header http.Header, backend string) {
	f.t.Helper()
	host, port, err := net.SplitHostPort(target)
	f.must(err)
	for _, ask := range f.asks(host, port) {
		if ask.Proxy == f.addr(exit) {
			ask.Header = header
			f.wantReached(ask, backend)
		}
	}
}

// TestExitRoutes: an exit goes by what is asked for and by headers, to the first route whose conditions all hold.
func TestExitRoutes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("fixed", "site", "exact", "asked", "on", "rest", "other", "beyond")
		f.start(routedExits)
		lab := func(site string) http.Header { return http.Header{"X-Site": {site}, "X-Plan": {"gold"}} }
		for _, test := range []struct {
			exit, target string
			header       http.Header
			want         string
		}{
			{"hub", "fixed.example:7", nil, "fixed"},
			{"hub", "FIXED.example:9", nil, "fixed"},
			{"hub", "a.fixed.example:7", nil, "fixed"},
			{"hub", "a.fixed.example:8", nil, ""},
			{"hub", "fixed.example:10", nil, ""},
			{"hub", "fixed.example:1", lab("lab-1"), "fixed"},
			{"hub", "anything.example:1", lab("lab-1"), "site"},
			{"hub", "anything.example:1", lab("the-lab"), "site"},
			{"hub", "anything.example:1", lab("a-lab-1"), ""},
			{"hub", "anything.example:1", http.Header{"X-Site": {"lab-1"}}, ""},
			{"hub", f.addr("asked"), nil, "asked"},
			{"hub", f.addr("asked"), http.Header{"X-Only": {"exactly"}}, "exact"},
			{"hub", f.addr("asked"), http.Header{"X-Only": {"exactly not"}}, "asked"},
			{"hub", f.addr("on"), nil, "on"},
			{"hub", f.addr("beyond"), nil, ""}, // the next exit does not go there
			{"hub", f.addr("rest"), nil, "rest"},
			{"hub", f.addr("other"), nil, ""},
			{"in", "a.fixed.example:7", nil, "fixed"},
			{"in", "fixed.example:7", nil, "rest"},
			{"in", f.addr("other"), http.Header{"X-Site": {"a-lab-1"}}, "site"},
		} {
			f.askAll(test.exit, test.target, test.header, test.want)
		}
	})
}

// TestExitRoutesOnly: without anything for the rest, an exit with routes, or with a table of targets, refuses it. Of a table the most
// specific row is taken.
func TestExitRoutesOnly(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two", "three")
		f.start(`
listeners: {}
tunnels:
  hub: {exit: {tcp: $hub, routes: [{name: a, target: "a.example:1", to: $one}]}}
  in: {method: post, path: /in, exit: {tcp: $in, routes: [{name: all, to: $two}]}}
  table: {exit: {tcp: $table, targets: {"*.example:1-9": $one, "b.example:2": $two, "*:3": $three, $three: requested}}}
`)
		f.askAll("hub", "a.example:1", nil, "one")
		f.askAll("hub", f.addr("two"), nil, "")
		f.askAll("in", "whatever.example:1", nil, "two")
		f.words["hub"] = f.addr("table")
		for target, want := range map[string]string{
			"a.example:2": "one", "b.example:2": "two", "b.example:3": "one", "b.test:3": "three", "b.test:4": "", f.addr("three"): "three",
		} {
			f.askAll("table", target, nil, want)
		}
	})
}

// TestExitRoutesBothEnds: near ends of the same file tell by a header who they are. An edit of a route takes effect at once
// for what is new; what is open goes on, whichever way it went.
func TestExitRoutesBothEnds(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("gold", "silver", "asked")
		const config = `
listeners:
  gold: {tcp: $tcpgold, udp: $tcpgold, to: $asked, via: {proxy: $hub, http: 2, headers: {x-plan: gold}}, nodes: {id: near}}
  silver: {tcp: $tcpsilver, udp: $tcpsilver, to: $asked, via: {proxy: $hub, http: 2, headers: {x-plan: silver}}, nodes: {id: near}}
  other: {tcp: $tcpnone, udp: $tcpnone, to: $asked, via: hub, nodes: {id: near}}
tunnels:
  hub:
    proxy: $hub
    http: 2
    exit:
      routes:
        - {name: gold, request_headers: {x-plan: gold}, to: %s}
        - {name: silver, request_headers: {x-plan: silver}, to: pool}
      to: requested
      nodes: {id: far}
backends: {pool: {endpoints: [$silver]}, other: {endpoints: [$gold]}}
`
		f.startDaemon(fmt.Sprintf(config, "$gold"))
		f.startEnvoy("far", "far")
		f.envoy = f.startEnvoy("near", "near")
		var conns []*echo.Conn
		for listener, want := range map[string]string{"tcpgold": "gold", "tcpsilver": "silver", "tcpnone": "asked"} {
			f.wantTCP(listener, want)
			f.wantUDP(listener, want)
			conns = append(conns, f.dialed(listener, want))
		}
		f.edit(fmt.Sprintf(config, "other"))
		f.wantTCP("tcpgold", "gold")
		f.edit(fmt.Sprintf(config, "pool"))
		f.wantTCP("tcpgold", "silver")
		f.wantUDP("tcpgold", "silver")
		f.wantTCP("tcpnone", "asked")
		time.Sleep(2 * time.Second) // longer than a drain takes here
		for _, conn := range conns {
			if err := conn.Ask("still there"); err != nil {
				f.t.Errorf("a connection to %s ended with an edit of a route: %v", conn.Backend, err)
			}
		}
	})
}

// TestRoutesHTTP3: one route of a listener goes through HTTP/3, and the exit there by routes of its own, for TCP and UDP.
func TestRoutesHTTP3(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("gold", "rest", "straight")
		ca := f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
		f.startTunnel(`
listeners:
  edge:
    tcp: $edge
    routes:
      - {name: carried, from: 127.0.0.2, to: "a.example:7", via: hub}
      - {name: other, from: 127.0.0.3, to: $rest, via: hub}
      - {name: silver, from: 127.0.0.5, to: "a.example:7", via: hub, headers: {x-plan: silver}}
      - {name: straight, from: 127.0.0.4, to: $straight}
    nodes: {id: near}
  udp: {udp: $udp, to: "a.example:7", via: hub, nodes: {id: near}}
tunnels:
  hub:
    proxy: $hub
    http: 3
    tls: {ca: ../ca.crt, sni: hub.example.com}
    headers: {x-plan: gold}
    exit:
      tls: ../hub.crt
      routes:
        - {name: gold, target: "*.example:7", request_headers: {x-plan: "g*"}, to: $gold}
        - {name: silver, target: "*.example:7", request_headers: {x-plan: silver}, to: $rest}
      targets: $rest
      nodes: {id: far}
`)
		for from, want := range map[string]string{"127.0.0.2": "gold", "127.0.0.3": "rest", "127.0.0.4": "straight", "127.0.0.5": "rest"} {
			f.wantDialed(echo.Dialer{From: from}, "edge", want)
		}
		f.wantUDP("udp", "gold")
	})
}
