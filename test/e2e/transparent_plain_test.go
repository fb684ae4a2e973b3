//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/netns"
)

// TestPlain: unless asked for something else, an Envoy without any privilege serves, and servers see its own address.
func TestPlain(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.start(`
listeners:
  four: {tcp: 8004, udp: 8004, to: "10.77.2.2:9000"}
  six: {tcp: "[::]:8006", udp: "[::]:8006", to: "[fd77:2::2]:9000"}
`)
		for protocol := range protocols {
			g.wantSeen(protocol, "10.77.1.1:8004", "10.77.2.2:9000", netns.Far)
			g.wantSeen(protocol, "[fd77:1::1]:8006", "[fd77:2::2]:9000", netns.Far6)
		}
	})
}
