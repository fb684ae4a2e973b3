//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// TestTunnelPorts: each port of a range leads to the same port behind the far end.
func TestTunnelPorts(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		first := f.ports(3)
		f.startTunnel(fmt.Sprintf(`
listeners:
  range: {tcp: "127.0.0.1:%[1]d-%[2]d", to: "127.0.0.2:%%DOWNSTREAM_LOCAL_PORT%%", via: hub, nodes: {id: near}}
  address: {tcp: $address, udp: $address, to: "%%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%%:%[1]d", via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {targets: "127.0.0.0/8:%[1]d-%[2]d", nodes: {id: far}}}}
`, first, first+2))
		for i := range 3 {
			port := strconv.Itoa(first + i)
			f.words["behind"+port], f.words["front"+port] = "127.0.0.2:"+port, "127.0.0.1:"+port
			f.keep(echo.ListenTCP("behind"+port, f.addr("behind"+port)))
			f.wantTCP("front"+port, "behind"+port)
		}
		// To the client's own address, where behind the far end the front stands again.
		f.wantTCP("address", "behind"+strconv.Itoa(first))
		f.words["here"] = net.JoinHostPort("127.0.0.1", strconv.Itoa(first))
		f.keep(echo.ListenUDP("here", f.addr("here")))
		f.wantUDP("address", "here")
	})
}

// hostileNames are what a client may put into its TLS hello, or leave out.
var hostileNames = []string{
	"", "-", "a b.example.com", "a/b.example.com", "a\r\nx: y.example.com", "a\x00b.example.com", "a:1.example.com", "[::1]",
	"a%20b.example.com", "a?b#c.example.com", "ä.example.com", "a@b.example.com", ".", "a..example.com", "example.com",
}

// TestTunnelHostileNames: no host name that a client asks for breaks the connection that it shares with others, whatever the
// exit goes to.
func TestTunnelHostileNames(t *testing.T) {
	for targets, names := range map[string]string{"any": `"*"`, `"*.example.com:443"`: `"*.example.com"`} {
		t.Run(names, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one")
			far := f.startTunnel(fmt.Sprintf(`
listeners:
  named: {tcp: $named, sni: {%s: "%%REQUESTED_SERVER_NAME%%:443"}, to: "%%REQUESTED_SERVER_NAME%%:443", via: hub, nodes: {id: near}}
  steady: {tcp: $steady, udp: $steady, to: $one, via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {targets: [%s, $one], nodes: {id: far}}}}
`, names, targets))
			conn, session := f.dial("steady"), f.session("steady")
			for _, name := range hostileNames {
				f.askName("named", name)
				f.must(conn.Ask("after " + strconv.Quote(name)))
				session.wantUnmoved(f)
			}
			f.wantClosed(echo.Dialer{First: "no TLS at all"}, "named")
			f.must(conn.Ask("after clear text"))
			for name, want := range map[string]int{"http.hub.downstream_cx_protocol_error": 0, "http.hub.downstream_cx_destroy_local_with_active_rq": 0} {
				if got, err := far.Stat(f.ctx, name); err != nil || got != want {
					t.Errorf("%s is %d, %v, want %d", name, got, err, want)
				}
			}
			for _, class := range []string{"4xx", "5xx"} {
				refused, err := far.Stat(f.ctx, "http.hub.downstream_rq_"+class)
				t.Logf("%s: %d, %v", class, refused, err)
			}
			if connections, err := f.envoy.Stat(f.ctx, "cluster.hub.upstream_cx_total"); err != nil || connections > 2 { // one for each worker thread
				t.Errorf("%d connections, %v, want 2 at most", connections, err)
			}
		})
	}
}

// askName connects, asks for the host name in TLS, and wants to be turned away.
func (f *fleet) askName(listener, name string) {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr(listener))
	f.must(err)
	defer func() { _ = conn.Close() }()
	f.must(conn.SetDeadline(time.Now().Add(5 * time.Second)))
	ctx, cancel := context.WithTimeout(f.ctx, 5*time.Second)
	defer cancel()
	client := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := client.HandshakeContext(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		f.t.Errorf("%q: %v, want to be turned away", name, err)
	}
}
