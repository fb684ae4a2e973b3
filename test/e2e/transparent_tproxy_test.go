//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentTProxy: captured as it is. Both protocols can be told apart by where they were going; TCP can go on there. With
// `source: client` beside it servers see nothing of Envoy.
func TestTransparentTProxy(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "10.77.2.3:8080", "[fd77:2::3]:8080", "10.77.2.3:8082", "[fd77:2::3]:8082",
			"10.77.2.2:9000", "10.77.2.3:9000", "10.77.2.4:9000", "[fd77:2::2]:9000", "[fd77:2::4]:9000")
		g.servers(g.net.Host, "10.77.1.1:8083", "[fd77:1::1]:8083")
		g.start(`
listeners:
  any:
    tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8080}}
    to: original
    targets: ["10.77.2.0/24:8080", "fd77:2::/64"]
  fixed: {tcp: {address: "[::]:15002", transparent: {mode: tproxy, ports: 8081}}, to: "10.77.2.4:9000"}
  both:
    tcp: {address: "[::]:15003", transparent: {mode: tproxy, ports: 8082-8083}}
    source: client
    to: original
    targets: any
  chains:
    tcp: {address: "[::]:15004", transparent: {mode: tproxy, ports: 8085-8086}}
    routes:
      - {name: port, port: 8085, to: "10.77.2.4:9000"}
      - {name: address, address: ["10.77.2.3", "fd77:2::3"], to: "[fd77:2::4]:9000"}
  bound:
    tcp: {address: ["10.77.1.1:15005", "[fd77:1::1]:15005"], transparent: {mode: tproxy, ports: 8087}}
    udp: {address: ["10.77.1.1:5304", "[fd77:1::1]:5304"], transparent: tproxy}
    to: "10.77.2.4:9000"
  dns:
    udp: {address: "[::]:5300-5301", transparent: tproxy}
    routes:
      - {name: first, port: 5301, to: "10.77.2.2:9000"}
      - {name: third, address: ["10.77.2.3", "fd77:2::3"], to: "10.77.2.3:9000"}
    to: "10.77.2.4:9000"
  dns-client: {udp: {address: "0.0.0.0:5302", transparent: tproxy}, source: client, to: "10.77.2.4:9000"}
  dns-client6: {udp: {address: "[::1]:5303", transparent: tproxy}, source: client, to: "[fd77:2::4]:9000"}
`)
		g.forward(false)
		g.withEachKit(func() {
			// Where the kernel looks whether packets come from where answers would go, it does so with or without their mark.
			for _, value := range []string{"0", "1"} {
				g.must(g.net.Host.Sysctl("ipv4/conf/all/src_valid_mark", value))
				g.wantSeen(
					way{"tcp", "10.77.2.2:8080", "10.77.2.2:8080", netns.Far},
					way{"tcp", "10.77.2.3:8080", "10.77.2.3:8080", netns.Far},
					way{"tcp", "[fd77:2::3]:8080", "[fd77:2::3]:8080", netns.Far6},
					way{"tcp", "10.77.2.2:8081", "10.77.2.4:9000", netns.Far},
					way{"tcp", nowhere + ":8081", "10.77.2.4:9000", netns.Far},
					way{"tcp", "[" + nowhere6 + "]:8081", "10.77.2.4:9000", netns.Far},
					way{"tcp", "10.77.2.3:8082", "10.77.2.3:8082", netns.Client},
					way{"tcp", "[fd77:2::3]:8082", "[fd77:2::3]:8082", netns.Client6},
					way{"tcp", "10.77.1.1:8083", "10.77.1.1:8083", netns.Client},
					way{"tcp", "[fd77:1::1]:8083", "[fd77:1::1]:8083", netns.Client6},
					way{"tcp", nowhere + ":8087", "10.77.2.4:9000", netns.Far},
					way{"tcp", "[" + nowhere6 + "]:8087", "10.77.2.4:9000", netns.Far},
					way{"tcp", "10.77.2.2:8085", "10.77.2.4:9000", netns.Far},
					way{"tcp", "10.77.2.3:8086", "[fd77:2::4]:9000", netns.Far6},
					way{"tcp", "[fd77:2::3]:8086", "[fd77:2::4]:9000", netns.Far6},
					way{"udp", "10.77.2.2:5300", "10.77.2.4:9000", netns.Far},
					way{"udp", nowhere + ":5300", "10.77.2.4:9000", netns.Far},
					way{"udp", "[" + nowhere6 + "]:5300", "10.77.2.4:9000", netns.Far},
					way{"udp", "10.77.2.3:5300", "10.77.2.3:9000", netns.Far},
					way{"udp", "[fd77:2::3]:5300", "10.77.2.3:9000", netns.Far},
					way{"udp", "10.77.2.4:5301", "10.77.2.2:9000", netns.Far},
					way{"udp", "[fd77:2::3]:5301", "10.77.2.2:9000", netns.Far},
					way{"udp", nowhere + ":5304", "10.77.2.4:9000", netns.Far},
					way{"udp", "[" + nowhere6 + "]:5304", "10.77.2.4:9000", netns.Far},
					way{"udp", "10.77.2.2:5302", "10.77.2.4:9000", netns.Client},
					way{"udp", "[fd77:2::2]:5303", "[fd77:2::4]:9000", netns.Client6},
				)
			}
			g.wantShut(g.net.Client, "10.77.2.2:8086")                                                    // no route
			g.wantCalls("any", 0, g.net.Client, nowhere+":8080", "["+nowhere6+"]:8080", "10.77.1.1:8080") // beyond the targets
			g.wantNoCircle("any", "15001")
			g.wantNoCircle("both", "15003")
			// Within the targets, but nobody is there: Envoy tries three times, and is not captured for it.
			g.wantCalls("both", 6, g.net.Client, "10.77.1.1:8082", "[fd77:1::1]:8082")
		})
	})
}
