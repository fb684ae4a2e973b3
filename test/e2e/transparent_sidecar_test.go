//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentSidecarRedirect: what programs of Envoy's host send out goes through Envoy, which needs no privilege; what they send
// to each other does not, and nobody outside can use the listeners.
func TestTransparentSidecarRedirect(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.3:9000", "[fd77:2::3]:9000", "10.77.2.3:9001",
			"10.77.2.3:53", "[fd77:2::3]:53", "10.77.2.4:53", "[fd77:2::4]:53")
		g.servers(g.net.Host, "127.0.0.1:9000", "10.77.2.1:9000", "[::1]:9000")
		g.start(`
listeners:
  out:
    tcp: {address: ["127.0.0.1:15001", "[::1]:15001"], transparent: {mode: redirect, ports: 9000, from: host}}
    to: original
    targets: any
  dns4: {udp: {address: "127.0.0.1:15053", transparent: {mode: redirect, ports: 53, from: host}}, to: "10.77.2.4:53"}
  dns6: {udp: {address: "[::1]:15053", transparent: {mode: redirect, ports: 53, from: host}}, to: "[fd77:2::4]:53"}
`)
		g.withEachKit(func() {
			g.wantThrough(
				way{"tcp", "10.77.2.3:9000", "10.77.2.3:9000", netns.Far},
				way{"tcp", "[fd77:2::3]:9000", "[fd77:2::3]:9000", netns.Far6},
				way{"udp", "10.77.2.3:53", "10.77.2.4:53", netns.Far},
				way{"udp", "10.77.2.77:53", "10.77.2.4:53", netns.Far},
				way{"udp", "[fd77:2::3]:53", "[fd77:2::4]:53", netns.Far6},
			)
			g.wantSidecarApart()
		})
	})
}

// TestTransparentSidecarTProxy: the same without NAT, so that datagrams can be told apart by where they were going.
func TestTransparentSidecarTProxy(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.3:9000", "[fd77:2::3]:9000", "10.77.2.3:9001",
			"10.77.2.3:5300", "[fd77:2::3]:5300", "10.77.2.2:53", "10.77.2.4:53", "[fd77:2::4]:53")
		g.servers(g.net.Host, "127.0.0.1:9000", "10.77.2.1:9000", "[::1]:9000")
		g.start(`
listeners:
  out:
    tcp: {address: ["127.0.0.1:15001", "[::1]:15001"], transparent: {mode: tproxy, ports: 9000, from: host}}
    to: original
    targets: any
  dns4:
    udp: {address: "127.0.0.1:5300", transparent: {mode: tproxy, from: host}}
    routes: [{name: third, address: 10.77.2.3, to: "10.77.2.2:53"}]
    to: "10.77.2.4:53"
  dns6: {udp: {address: "[::1]:5300", transparent: {mode: tproxy, from: host}}, to: "[fd77:2::4]:53"}
`)
		g.withEachKit(func() {
			g.wantThrough(
				way{"tcp", "10.77.2.3:9000", "10.77.2.3:9000", netns.Far},
				way{"tcp", "[fd77:2::3]:9000", "[fd77:2::3]:9000", netns.Far6},
				way{"udp", "10.77.2.3:5300", "10.77.2.2:53", netns.Far},
				way{"udp", "10.77.2.77:5300", "10.77.2.4:53", netns.Far},
				way{"udp", "[fd77:2::3]:5300", "[fd77:2::4]:53", netns.Far6},
			)
			g.wantSidecarApart()
		})
	})
}

// wantThrough wants what the host sends to reach the server by Envoy, which has the same address but another port; and
// nothing to reach it without Envoy.
func (g *gateway) wantThrough(ways ...way) {
	g.t.Helper()
	for _, w := range ways {
		if told := g.wantSeenFrom(g.net.Host, echo.Dialer{}, w); told.Asked.IsValid() && told.Client == told.Asked {
			g.t.Errorf("%s from the host to %s went past Envoy", w.protocol, w.addr)
		}
	}
	g.must(g.envoy.Kill())
	g.wantNothingFrom(g.net.Host, ways...)
	g.must(g.envoy.Start())
	g.wait(g.envoy.WaitReady)
}

// wantSidecarApart wants what is not captured to be left alone: other ports, the host's own services, and the listeners
// from outside.
func (g *gateway) wantSidecarApart() {
	g.t.Helper()
	for _, addr := range []string{"10.77.2.3:9001", "127.0.0.1:9000", "10.77.2.1:9000", "[::1]:9000"} {
		told, err := g.ask(g.net.Host, "tcp", echo.Dialer{}, addr)
		if err != nil || told.Client != told.Asked || told.Server.String() != addr {
			g.t.Errorf("from the host %s to %s: %s saw %s, %v", told.Asked, addr, told.Server, told.Client, err)
		}
	}
	g.wantNothing(way{protocol: "tcp", addr: "10.77.1.1:15001"}, way{protocol: "tcp", addr: "[fd77:1::1]:15001"})
	g.wantCalls("out", 0, g.net.Host, "127.0.0.1:15001", "[::1]:15001")
}
