//go:build e2e && linux

package e2e

import (
	"errors"
	"testing"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentHeader: a captured connection with a PROXY header goes where the header says, within the targets; never to
// the listener itself.
func TestTransparentHeader(t *testing.T) {
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "10.77.2.3:8081", "10.77.2.4:8080", "[fd77:2::2]:8080")
		g.start(`
listeners:
  any:
    tcp: {address: "[::]:15001", transparent: {mode: redirect, ports: 8080}}
    proxy_protocol: require
    to: original
    targets: ["10.77.2.2:8080", "10.77.2.3:8081", "[fd77:2::2]:8080", "*:15001"]
`)
		g.withKit("script", func() {
			const client, dialled = "203.0.113.7:1234", "10.77.2.2:8080"
			g.wantSeenFrom(g.net.Client, echo.Dialer{Header: echo.HeaderOfNobody}, way{"tcp", dialled, dialled, netns.Far})
			for _, to := range []string{dialled, "10.77.2.3:8081"} {
				g.wantSeenFrom(g.net.Client, echo.Dialer{Header: echo.HeaderV1(client, to)}, way{"tcp", dialled, to, netns.Far})
			}
			six := echo.Dialer{Header: echo.HeaderV2("[2001:db8::9]:1234", "[fd77:2::2]:8080")}
			g.wantSeenFrom(g.net.Client, six, way{"tcp", dialled, "[fd77:2::2]:8080", netns.Far6})

			const calls = "cluster.any.upstream_cx_total"
			before, err := g.envoy.Stat(g.ctx, calls)
			g.must(err)
			for _, to := range []string{"10.77.2.4:8080", "10.77.2.2:8081", netns.Near + ":15001", "127.0.0.1:15001"} {
				told, err := g.ask(g.net.Client, "tcp", echo.Dialer{Header: echo.HeaderV1(client, to)}, dialled)
				if !errors.Is(err, echo.ErrRefused) {
					t.Errorf("with a header that says %s: %v, reached %s; want it closed", to, err, told.Server)
				}
			}
			g.wantStat(calls, before)
		})
	})
}
