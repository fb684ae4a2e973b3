//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentPlain: what needs no privilege. Servers see Envoy's own address, or the one of the host that the file names.
func TestTransparentPlain(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.on(g.net.Host, "ip addr add 10.77.2.9/24 dev to-server; ip addr add fd77:2::9/64 dev to-server preferred_lft 0 nodad")
		g.start(`
listeners:
  four: {tcp: 8004, udp: 8004, to: "10.77.2.2:9000"}
  six: {tcp: "[::]:8006", udp: "[::]:8006", to: "[fd77:2::2]:9000"}
  four-from: {tcp: 8014, udp: 8014, to: "10.77.2.2:9000", source: 10.77.2.9}
  six-from: {tcp: "[::]:8016", udp: "[::]:8016", to: both-from}
  four-both: {tcp: 8024, udp: 8024, to: {endpoints: "10.77.2.2:9000", source: [10.77.2.9, "fd77:2::9"]}}
backends: {both-from: {endpoints: "[fd77:2::2]:9000", source: [10.77.2.9, "fd77:2::9"]}}
`)
		for protocol := range askers {
			g.wantSeen(
				way{protocol, "10.77.1.1:8004", "10.77.2.2:9000", netns.Far},
				way{protocol, "[fd77:1::1]:8006", "[fd77:2::2]:9000", netns.Far6},
				way{protocol, "10.77.1.1:8014", "10.77.2.2:9000", "10.77.2.9"},
				way{protocol, "[fd77:1::1]:8016", "[fd77:2::2]:9000", "fd77:2::9"},
				way{protocol, "10.77.1.1:8024", "10.77.2.2:9000", "10.77.2.9"},
			)
		}
	})
}

// TestTransparentFreebind: a listener is there before its address is, and serves from the moment that it comes. Servers can be
// reached from an address that the host never has.
func TestTransparentFreebind(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.start(`
listeners:
  four: {tcp: "192.0.2.50:8004", udp: "192.0.2.50:8004", freebind: true, to: from4}
  six: {tcp: "[2001:db8::50]:8006", udp: "[2001:db8::50]:8006", freebind: true, to: from6}
backends:
  from4: {endpoints: "10.77.2.2:9000", source: {address: 192.0.2.60, freebind: true}}
  from6: {endpoints: "[fd77:2::2]:9000", source: {address: "2001:db8::60", freebind: true}}
`)
		g.withKit("script", func() {
			g.wantNothing(way{protocol: "tcp", addr: "192.0.2.50:8004"})
			g.on(g.net.Host, "ip addr add 192.0.2.50/32 dev to-client; ip addr add 2001:db8::50/128 dev to-client nodad")
			defer g.on(g.net.Host, "ip addr del 192.0.2.50/32 dev to-client; ip addr del 2001:db8::50/128 dev to-client")
			for protocol := range askers {
				g.wantSeen(
					way{protocol, "192.0.2.50:8004", "10.77.2.2:9000", "192.0.2.60"},
					way{protocol, "[2001:db8::50]:8006", "[fd77:2::2]:9000", "2001:db8::60"},
				)
			}
		})
	})
}
