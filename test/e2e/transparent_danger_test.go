//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/netns"
)

// capturing are listeners for what goes to servers that listen on the very ports that are captured: what passes around Envoy
// would be answered.
const capturing = `
listeners:
  tproxy: {tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8080}}, to: original, targets: any}
  redirect:
    tcp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    udp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}
    to: "10.77.2.2:8081"
  datagrams: {udp: {address: "[::]:5300", transparent: tproxy}, to: "10.77.2.2:5300"}
`

var captured = []way{
	{"tcp", "10.77.2.2:8080", "10.77.2.2:8080", netns.Far},
	{"tcp", "[fd77:2::2]:8080", "[fd77:2::2]:8080", netns.Far6},
	{"tcp", "10.77.2.2:8081", "10.77.2.2:8081", netns.Far},
	{"tcp", "[fd77:2::2]:8081", "10.77.2.2:8081", netns.Far},
	{"udp", "10.77.2.2:8081", "10.77.2.2:8081", netns.Far},
	{"udp", "[fd77:2::2]:8081", "10.77.2.2:8081", netns.Far},
	{"udp", "10.77.2.2:5300", "10.77.2.2:5300", netns.Far},
	{"udp", "[fd77:2::2]:5300", "10.77.2.2:5300", netns.Far},
}

// startCapturing starts the servers and the listeners. Without rules servers are reached directly.
func (g *gateway) startCapturing() {
	g.t.Helper()
	g.servers(g.net.Server, "10.77.2.2:8080", "[fd77:2::2]:8080", "10.77.2.2:8081", "[fd77:2::2]:8081", "10.77.2.2:5300", "[fd77:2::2]:5300")
	g.start(capturing)
	for _, w := range captured {
		g.wantDirect(w.protocol, w.addr)
	}
}

// TestTransparentFailClosed: what is captured never goes past Envoy, not even when that is gone; and when it is back, all
// is as before.
func TestTransparentFailClosed(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.startCapturing()
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

// TestTransparentOldKit: listeners that moved to other ports, and the rules still name the former ones: nothing passes. The
// kit of the new file, put over the old one, makes them work.
func TestTransparentOldKit(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.startCapturing()
		for _, format := range []string{"script", "iptables"} {
			g.withKit(format, func() {
				g.edit(strings.NewReplacer("15001", "15011", "15002", "15012", `"[::]:5300"`, `"[::]:5310"`).Replace(capturing))
				g.wantNothing(captured...)
				g.on(g.net.Host, g.kit("--format", format))
				g.wantSeen(captured[:6]...)
				g.wantSeen(
					way{"udp", "10.77.2.2:5310", "10.77.2.2:5300", netns.Far},
					way{"udp", "[fd77:2::2]:5310", "10.77.2.2:5300", netns.Far},
				)
				g.edit(capturing)
			})
		}
	})
}
