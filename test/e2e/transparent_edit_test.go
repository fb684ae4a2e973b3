//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// transparentListeners are those that the edits of others leave alone.
const transparentListeners = `
  both: {tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8080}}, source: client, to: original, targets: any}
  redirected: {tcp: {address: "[::]:15002", transparent: {mode: redirect, ports: 8081}}, to: original, targets: any}
  four: {udp: {address: "0.0.0.0:5300", transparent: tproxy}, source: client, to: "10.77.2.2:9000"}
  six: {udp: {address: "[::1]:5301", transparent: tproxy}, source: client, to: "[fd77:2::2]:9000"}
  source4: {tcp: 8004, udp: 8004, source: client, to: own}
  source6: {tcp: "[fd77:1::1]:8006", udp: "[fd77:1::1]:8006", source: client, to: "[fd77:2::2]:9000"}
`

// otherListeners are different for each number: a port moves, a listener comes and goes, backends change, also the one of a
// transparent listener.
func otherListeners(n int) string {
	text := fmt.Sprintf("  moving: {tcp: %[1]d, udp: %[1]d, to: \"10.77.2.2:9000\"}\n", 7000+n)
	own := `"10.77.2.2:9000"`
	if n%2 == 1 {
		own += `, "10.77.2.3:9000"`
		text += "  sometimes: {tcp: 6000, udp: 6000, to: \"10.77.2.2:9000\"}\n"
	}
	return text + fmt.Sprintf(`
  steady: {tcp: 6001, udp: 6001, to: pool}
backends:
  pool: {endpoints: "10.77.2.3:%d"}
  own: {endpoints: [%s]}
`, 9000+n, own)
}

// TestTransparentEdits: what is open in transparent listeners is untouched by edits of others, and so is the kit.
func TestTransparentEdits(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "[fd77:2::2]:8080", "10.77.2.2:8081", "[fd77:2::2]:8081", "10.77.2.2:8082",
			"10.77.2.2:9000", "[fd77:2::2]:9000")
		config := func(n int) string { return "listeners:" + transparentListeners + otherListeners(n) }
		g.start(config(0))
		g.withKit("script", func() {
			var conns []*echo.Conn
			for _, addr := range []string{
				"10.77.2.2:8080", "[fd77:2::2]:8080", "10.77.2.2:8081", "[fd77:2::2]:8081", "10.77.1.1:8004", "[fd77:1::1]:8006",
			} {
				conns = append(conns, g.dialAt(addr))
			}
			var sessions []*session
			for _, addr := range []string{"10.77.2.4:5300", "[fd77:2::4]:5301", "10.77.1.1:8004", "[fd77:1::1]:8006"} {
				sessions = append(sessions, g.openAt(addr))
			}
			wantOpen := func() {
				for _, conn := range conns {
					g.must(conn.Ask("still here"))
				}
				for _, s := range sessions {
					s.wantUnmoved(g.fleet)
				}
			}
			const edits = 200
			kit := g.kitOf()
			for n := 1; n <= edits; n++ {
				g.edit(config(n))
				if now := g.kitOf(); now != kit {
					g.t.Fatalf("edit %d changed the kit:\n%s\nbefore:\n%s", n, now, kit)
				}
				if n%10 == 0 {
					wantOpen()
				}
			}
			// One more port is captured: another kit, which takes the place of the first.
			g.edit(strings.Replace(config(edits), "ports: 8080", "ports: [8080, 8082]", 1))
			g.on(g.net.Host, g.kit("--format", "script"))
			g.wantSeen(way{"tcp", "10.77.2.2:8082", "10.77.2.2:8082", netns.Client})
			wantOpen()
		})
	})
}

// dialAt opens a connection from the client's network.
func (g *gateway) dialAt(addr string) *echo.Conn {
	g.t.Helper()
	var conn *echo.Conn
	g.must(g.net.Client.Do(func() (err error) {
		conn, err = echo.Dial(g.ctx, addr)
		return err
	}))
	g.Keep(conn)
	return conn
}

// TestTransparentRouteEdit: an edit of a route of a transparent listener is made in place: new connections follow it, and
// those of the other routes stay.
func TestTransparentRouteEdit(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "10.77.2.3:9000", "10.77.2.4:9000", "[fd77:2::4]:8087")
		config := func(to string) string {
			return fmt.Sprintf(`
listeners:
  chains:
    tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8085-8087}}
    routes:
      - {name: steady, port: 8085, to: "10.77.2.2:9000"}
      - {name: moved, port: 8086, to: %s}
    to: original
    targets: any
backends: {old: {endpoints: "10.77.2.3:9000"}, new: {endpoints: "10.77.2.4:9000"}}
`, to)
		}
		g.start(config("old"))
		g.withKit("script", func() {
			steady, original := g.dialAt(nowhere+":8085"), g.dialAt("[fd77:2::4]:8087")
			g.wantSeen(way{"tcp", nowhere + ":8086", "10.77.2.3:9000", netns.Far})
			g.edit(config("new"))
			g.wantSeen(way{"tcp", nowhere + ":8086", "10.77.2.4:9000", netns.Far})
			time.Sleep(3 * time.Second) // three times as long as what is old may drain
			g.must(steady.Ask("still here"))
			g.must(original.Ask("still here"))
			g.wantStat("listener_manager.listener_in_place_updated", 1)
		})
	})
}
