//go:build e2e && linux

package e2e

import (
	"errors"
	"testing"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentRedirect: captured by NAT, with an Envoy that has no privilege at all. Connections reach where they were going, or
// what the listener says, by the port and the address that the client dialled; datagrams reach what the listener says,
// and their answers come from where they were sent to.
func TestTransparentRedirect(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "10.77.2.3:8080", "10.77.2.3:8082", "[fd77:2::3]:8080", "10.77.2.4:9000", "[fd77:2::4]:9000")
		g.start(`
listeners:
  any:
    tcp: {address: "[::]:15001", transparent: {mode: redirect, ports: [8080, 8082]}}
    to: original
    targets: ["10.77.2.0/24:8080", "10.77.2.3:8082", "fd77:2::/64"]
  fixed:
    tcp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    udp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    to: "10.77.2.4:9000"
  bound:
    tcp: {address: ["10.77.1.1:15005", "[fd77:1::1]:15005"], transparent: {mode: redirect, ports: 8087}}
    udp: {address: ["10.77.1.1:15005", "[fd77:1::1]:15005"], transparent: {mode: redirect, ports: 8087}}
    to: "10.77.2.4:9000"
  chains:
    tcp: {address: "[::]:15003", transparent: {mode: redirect, ports: 8085-8086}}
    routes:
      - {name: port, port: 8085, to: "10.77.2.4:9000"}
      - {name: address, address: ["10.77.2.3", "fd77:2::3"], to: "[fd77:2::4]:9000"}
`)
		g.forward(false)
		g.withEachKit(func() {
			g.wantSeen(
				way{"tcp", "10.77.2.2:8080", "10.77.2.2:8080", netns.Far},
				way{"tcp", "10.77.2.3:8080", "10.77.2.3:8080", netns.Far},
				way{"tcp", "10.77.2.3:8082", "10.77.2.3:8082", netns.Far},
				way{"tcp", "[fd77:2::3]:8080", "[fd77:2::3]:8080", netns.Far6},
				way{"tcp", "10.77.2.2:8081", "10.77.2.4:9000", netns.Far},
				way{"tcp", nowhere + ":8081", "10.77.2.4:9000", netns.Far},
				way{"tcp", "[fd77:2::2]:8081", "10.77.2.4:9000", netns.Far},
				way{"udp", "10.77.2.2:8081", "10.77.2.4:9000", netns.Far},
				way{"udp", nowhere + ":8081", "10.77.2.4:9000", netns.Far},
				way{"udp", "[fd77:2::2]:8081", "10.77.2.4:9000", netns.Far},
				way{"tcp", nowhere + ":8087", "10.77.2.4:9000", netns.Far},
				way{"tcp", "[" + nowhere6 + "]:8087", "10.77.2.4:9000", netns.Far},
				way{"udp", nowhere + ":8087", "10.77.2.4:9000", netns.Far},
				way{"udp", "[" + nowhere6 + "]:8087", "10.77.2.4:9000", netns.Far},
				way{"tcp", "10.77.2.2:8085", "10.77.2.4:9000", netns.Far},
				way{"tcp", "[fd77:2::2]:8085", "10.77.2.4:9000", netns.Far},
				way{"tcp", "10.77.2.3:8086", "[fd77:2::4]:9000", netns.Far6},
				way{"tcp", "[fd77:2::3]:8086", "[fd77:2::4]:9000", netns.Far6},
			)
			g.wantShut(g.net.Client, "10.77.2.2:8086")                                                  // no route
			g.wantCalls("any", 0, g.net.Client, "10.77.2.2:8082", "10.77.1.1:8080", "[fd77:1::1]:8080") // beyond the targets
			g.wantNoCircle("any", "15001")
		})
	})
}

// Addresses that nobody has.
const (
	nowhere  = "192.0.2.7"
	nowhere6 = "2001:db8::7"
)

// wantShut wants a connection to be accepted and closed before any server answers.
func (g *gateway) wantShut(where *netns.Namespace, addr string) {
	g.t.Helper()
	told, err := g.ask(where, "tcp", echo.Dialer{}, addr)
	switch {
	case err == nil:
		g.t.Errorf("tcp to %s reached %s", addr, told.Server)
	case !errors.Is(err, echo.ErrRefused):
		g.t.Errorf("tcp to %s: %v, want it accepted and closed", addr, err)
	}
}

// wantNoCircle wants connections to the listener's own port to be closed, and Envoy not to call itself for them.
func (g *gateway) wantNoCircle(cluster, port string) {
	g.t.Helper()
	g.wantCalls(cluster, 0, g.net.Client, netns.Near+":"+port, "["+netns.Near6+"]:"+port)
	g.wantCalls(cluster, 0, g.net.Host, "127.0.0.1:"+port, "[::1]:"+port, netns.Near+":"+port, "["+netns.Near6+"]:"+port)
}

// wantCalls wants connections from somewhere to be closed, for which Envoy calls this often.
func (g *gateway) wantCalls(cluster string, n int, where *netns.Namespace, addrs ...string) {
	g.t.Helper()
	name := "cluster." + cluster + ".upstream_cx_total"
	before, err := g.envoy.Stat(g.ctx, name)
	g.must(err)
	for _, addr := range addrs {
		g.wantShut(where, addr)
	}
	g.wantStat(name, before+n)
}
