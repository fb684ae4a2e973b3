//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/netns"
)

// TestFailClosed: what is captured never goes past Envoy, not even when that is gone; and when it is back, all is as before.
func TestFailClosed(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "[fd77:2::2]:8080", "10.77.2.2:8081", "[fd77:2::2]:8081", "10.77.2.2:5300", "[fd77:2::2]:5300")
		g.start(`
listeners:
  tproxy: {tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8080}}, to: original, targets: any}
  redirect:
    tcp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    udp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    to: "10.77.2.2:8081"
  datagrams: {udp: {address: "[::]:5300", transparent: tproxy}, to: "10.77.2.2:5300"}
`)
		captured := []way{
			{"tcp", "10.77.2.2:8080", "10.77.2.2:8080", netns.Far},
			{"tcp", "[fd77:2::2]:8080", "[fd77:2::2]:8080", netns.Far6},
			{"tcp", "10.77.2.2:8081", "10.77.2.2:8081", netns.Far},
			{"tcp", "[fd77:2::2]:8081", "10.77.2.2:8081", netns.Far},
			{"udp", "10.77.2.2:8081", "10.77.2.2:8081", netns.Far},
			{"udp", "[fd77:2::2]:8081", "10.77.2.2:8081", netns.Far},
			{"udp", "10.77.2.2:5300", "10.77.2.2:5300", netns.Far},
			{"udp", "[fd77:2::2]:5300", "10.77.2.2:5300", netns.Far},
		}
		for _, w := range captured {
			g.wantDirect(w.protocol, w.addr)
		}
		g.withEachKit(func() {
			g.wantSeen(captured...)
			g.must(g.envoy.Kill())
			g.wantNothing(captured...)
			g.must(g.envoy.Start())
			g.wait(g.envoy.WaitReady)
			g.wantSeen(captured...)
		})
		for _, w := range captured {
			g.wantDirect(w.protocol, w.addr)
		}
	})
}
