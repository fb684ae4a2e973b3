//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// inside is a tunnel with one listener that speaks inside of it; the verbs are what the listener goes to, and the tunnel's keys.
const inside = `
listeners:
  tcp: {tcp: $tcp, to: %s, via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}}
`

// TestInsideTells: the target of a tunnel is told who the client is, in both versions and families, whatever the tunnel is
// made of.
func TestInsideTells(t *testing.T) {
	for name, keys := range map[string]string{
		"connect-h1": "http: 1", "connect-h2": "http: 2", "post-h1": "http: 1, method: post", "post-h2": "http: 2, method: post",
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				f.six("six1", "six2")
				f.proxied("one", 1)
				f.proxied("two", 2)
				f.startTunnel(fmt.Sprintf(`
listeners:
  v1: {tcp: [$v1, $six1], to: {endpoints: $one, proxy_protocol: v1}, via: hub, nodes: {id: near}}
  v2: {tcp: [$v2, $six2], to: {endpoints: [$two], proxy_protocol: v2}, via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}}
`, keys))
				f.wantTold("v1", "one")
				f.wantTold("v2", "two")
				f.wantTold("six1", "one")
				f.wantTold("six2", "two")
				conn := f.dial("v2")
				f.must(conn.Ask(strings.Repeat("x", 1<<20)))
			})
		})
	}
}

// TestInsideTLS: TLS to the target goes from end to end, of a client of its own as well as of the near end, which refuses a
// target that cannot show who it is.
func TestInsideTLS(t *testing.T) {
	for _, http := range []string{"http: 1", "http: 2"} {
		t.Run(http, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				ca, other := f.authority(), f.authority()
				f.trust(ca, "ca")
				f.tlsBackend(ca, "good", "target.example.com")
				f.tlsBackend(ca, "misnamed", "elsewhere.example.com")
				f.tlsBackend(other, "foreign", "target.example.com")
				f.proxiedTLS(ca, "told", 2, "target.example.com")
				f.startTunnel(fmt.Sprintf(`
listeners:
  passed: {tcp: $passed, sni: {target.example.com: $good}, via: hub, nodes: {id: near}}
  good: {tcp: $ok, to: {endpoints: $good, tls: {ca: ../ca.crt, sni: target.example.com}}, via: hub, nodes: {id: near}}
  told: {tcp: $both, to: {endpoints: $told, proxy_protocol: v2, tls: {ca: ../ca.crt, sni: target.example.com}}, via: hub, nodes: {id: near}}
  misnamed: {tcp: $wrong, to: {endpoints: $misnamed, tls: {ca: ../ca.crt, sni: target.example.com}}, via: hub, nodes: {id: near}}
  foreign: {tcp: $strange, to: {endpoints: $foreign, tls: {ca: ../ca.crt, sni: target.example.com}}, via: hub, nodes: {id: near}}
  unchecked: {tcp: $any, to: {endpoints: $foreign, tls: {verify: none}}, via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}}
`, http))
				f.wantDialed(echo.Dialer{TLS: ca.Client("target.example.com")}, "passed", "good")
				f.wantTCP("ok", "good")
				f.wantTold("both", "told")
				f.wantTCP("any", "foreign")
				f.wantClosed(echo.Dialer{}, "wrong")
				f.wantClosed(echo.Dialer{}, "strange")
				f.untilStat("cluster.misnamed.ssl.fail_verify_san", 1)
				f.untilStat("cluster.foreign.ssl.fail_verify_error", 1)
			})
		})
	}
}

// TestInsideByName: TLS inside asks for the host name that the far end is asked for, and resolves.
func TestInsideByName(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.tlsBackend(ca, "good", "localhost")
		f.startTunnel(fmt.Sprintf(inside, fmt.Sprintf("{endpoints: \"localhost:%s\", tls: ../ca.crt}", f.port("good")), "http: 2"))
		f.wantTCP("tcp", "good")
	})
}

// TestInsideOperators: what a tunnel is told of the client is that of the client's connection, and not of the step to the
// internal listener.
func TestInsideOperators(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.proxiedTLS(ca, "told", 1, "localhost")
		log := filepath.Join(f.Dir, "exit.log")
		f.startTunnel(strings.NewReplacer("LOG", log, "PORT", f.port("told")).Replace(`
listeners:
  tcp:
    tcp: $tcp
    sni: {"*": {endpoints: "%REQUESTED_SERVER_NAME%:PORT", proxy_protocol: v1}}
    via: hub
    nodes: {id: near}
tunnels:
  hub:
    proxy: $hub
    http: 2
    headers: {x-client: "%DOWNSTREAM_REMOTE_ADDRESS%", x-fixed: as it is}
    exit:
      targets: "localhost:PORT"
      access_log: {file: LOG, text: "%REQ(:AUTHORITY)% %REQ(X-CLIENT)% %REQ(X-FIXED)%"}
      nodes: {id: far}
`))
		dialer := echo.Dialer{TLS: ca.Client("localhost")}
		f.wantDialed(dialer, "tcp", "told")
		conn, err := dialer.Dial(f.ctx, f.addr("tcp"))
		f.must(err)
		want := fmt.Sprintf("localhost:%s %s as it is\n", f.port("told"), conn.LocalAddr())
		f.must(conn.Close())
		f.until(func(context.Context) error {
			text, err := os.ReadFile(log)
			if err == nil && !strings.Contains(string(text), want) {
				err = fmt.Errorf("the log holds %q, want %q", text, want)
			}
			return err
		})
	})
}

// TestInsidePortOperator: the port that the client dialled is asked for, and a header of the listener's own is that of the client.
func TestInsidePortOperator(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		port := f.port("tcp")
		f.words["told"] = "127.0.0.2:" + port
		f.proxied("told", 2)
		f.startTunnel(strings.ReplaceAll(`
listeners:
  tcp:
    tcp: $tcp
    to: {endpoints: "127.0.0.2:%DOWNSTREAM_LOCAL_PORT%", proxy_protocol: v2}
    via: hub
    headers: {x-port: "%DOWNSTREAM_LOCAL_PORT%"}
    nodes: {id: near}
tunnels:
  hub:
    proxy: $hub
    http: 2
    exit: {targets: $told, access_log: {file: LOG, text: "%REQ(X-PORT)%"}, nodes: {id: far}}
`, "LOG", filepath.Join(f.Dir, "exit.log")))
		f.wantTold("tcp", "told")
		f.until(func(context.Context) error {
			text, err := os.ReadFile(filepath.Join(f.Dir, "exit.log"))
			if err == nil && !strings.HasPrefix(string(text), port+"\n") {
				err = fmt.Errorf("the log holds %q, want %s", text, port)
			}
			return err
		})
	})
}

// TestInsideLog: one connection is one line, with the client and the bytes as they are at the listener, and counts once.
func TestInsideLog(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 2)
		log := filepath.Join(f.Dir, "access.log")
		const format = "%DOWNSTREAM_REMOTE_ADDRESS% %UPSTREAM_CLUSTER_RAW% %BYTES_RECEIVED% %RESPONSE_FLAGS%"
		f.startTunnel(strings.Replace(fmt.Sprintf(inside, "{endpoints: $one, proxy_protocol: v2}", "http: 2"),
			"via: hub", "access_log: {file: "+log+", text: \""+format+"\"}, via: hub", 1))
		conn, err := echo.Dial(f.ctx, f.addr("tcp"))
		f.must(err)
		f.must(conn.Ask("hello"))
		f.must(conn.Close())
		want := conn.LocalAddr().String() + " tcp 6 -\n"
		f.until(func(context.Context) error {
			text, err := os.ReadFile(log)
			if err == nil && string(text) != want {
				err = fmt.Errorf("the log holds %q, want %q", text, want)
			}
			return err
		})
		f.wantStat("tcp.tcp.downstream_cx_total", 1)
		f.wantStat("tcp.inside/tcp.downstream_cx_total", 1)
	})
}

// TestInsideRefused: a far end that refuses shows in the line of the connection, once the tunnel's attempts are used up.
func TestInsideRefused(t *testing.T) {
	for name, test := range map[string]struct{ to, flags string }{
		"told":      {"{endpoints: $one, proxy_protocol: v2}", "UR"},
		"encrypted": {"{endpoints: $one, tls: {verify: none}}", "UF,URX"},
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				log := filepath.Join(f.Dir, "access.log")
				config := fmt.Sprintf(inside, test.to, "http: 2, retry: 2")
				f.startTunnel(strings.NewReplacer(
					"via: hub", "access_log: {file: "+log+", text: \"%RESPONSE_FLAGS%\"}, via: hub",
					"exit: {", "exit: {targets: \"elsewhere.example.com:1\", ",
				).Replace(config))
				f.wantClosed(echo.Dialer{}, "tcp")
				f.until(func(context.Context) error {
					text, err := os.ReadFile(log)
					if err == nil && string(text) != test.flags+"\n" {
						err = fmt.Errorf("the log holds %q, want %s", text, test.flags)
					}
					return err
				})
				f.untilStat("cluster.hub.upstream_cx_connect_attempts_exceeded", 1)
				f.untilStat("cluster.hub.upstream_rq_total", 2)
			})
		})
	}
}

// TestInsideIdles: the listener's idle time holds, and nothing else ends a connection that is quiet.
func TestInsideIdles(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 2)
		f.startTunnel(strings.Replace(fmt.Sprintf(inside, "{endpoints: $one, proxy_protocol: v2}", "http: 2"),
			"via: hub", "timeouts: {idle: 1s}, via: hub", 1))
		conn := f.dial("tcp")
		f.must(conn.Ask("hello"))
		f.must(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			f.t.Errorf("read %v from a connection that was idle for long", err)
		}
		f.untilStat("tcp.inside/tcp.downstream_cx_active", 0)
		f.untilStat("cluster.hub.upstream_rq_active", 0)
	})
}

// TestInsideBalance: the far end goes by the client's address, which the second step is told.
func TestInsideBalance(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 2)
		port := f.port("hub")
		f.startTunnel(fmt.Sprintf(`
listeners: {tcp: {tcp: $tcp, to: {endpoints: $one, proxy_protocol: v2}, via: hub, nodes: {id: near}}}
tunnels:
  hub:
    proxy: ["127.0.0.1:%[1]s", "127.0.0.2:%[1]s", "127.0.0.3:%[1]s", "127.0.0.4:%[1]s"]
    http: 2
    balance: maglev
    exit: {nodes: {id: far}}
`, port))
		hubs := func(dialer echo.Dialer) int {
			for range 6 {
				conn, err := dialer.Dial(f.ctx, f.addr("tcp"))
				f.must(err)
				f.Keep(conn)
			}
			used := 0
			for i := 1; i <= 4; i++ {
				n, err := f.envoy.HostStat(f.ctx, "hub", fmt.Sprintf("127.0.0.%d:%s", i, port), "rq_total")
				f.must(err)
				if n > 0 {
					used++
				}
			}
			return used
		}
		f.wantTCP("tcp", "one")
		if got := hubs(echo.Dialer{}); got != 1 {
			f.t.Errorf("one client went by %d hubs, want 1", got)
		}
		for i := 5; i < 25; i++ {
			hubs(echo.Dialer{From: fmt.Sprintf("127.0.0.%d", i)})
		}
		if got := hubs(echo.Dialer{}); got < 3 {
			f.t.Errorf("21 clients went by %d hubs of 4", got)
		}
	})
}

// TestInsideBulk: 20 MB go each way at once by PROXY, TLS and the tunnel, and arrive as they were.
func TestInsideBulk(t *testing.T) {
	const size = 20 << 20
	for _, http := range []string{"http: 1", "http: 2"} {
		t.Run(http, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			ca := f.authority()
			f.trust(ca, "ca")
			f.proxiedTLS(ca, "told", 2, "target.example.com")
			f.startTunnel(fmt.Sprintf(inside, "{endpoints: $told, proxy_protocol: v2, tls: {ca: ../ca.crt, sni: target.example.com}}", http))
			conn := f.dial("tcp")
			f.must(conn.SetDeadline(time.Now().Add(30 * time.Second)))
			sent := noise(1, size)
			var writing sync.WaitGroup
			writing.Go(func() {
				if _, err := conn.Write(sent); err != nil {
					t.Error(err)
				}
			})
			received := sha256.New()
			_, err := io.CopyN(received, conn.Conn, size) // the greeting was all that the connection's reader held
			f.must(err)
			writing.Wait()
			if want := sha256.Sum256(sent); !bytes.Equal(received.Sum(nil), want[:]) {
				t.Error("other bytes came back than were sent")
			}
		})
	}
}

// TestInsideHalfClose: the step to the internal listener carries the end of what a client says, as the tunnel does.
func TestInsideHalfClose(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.lateBackend("late")
		f.startTunnel(fmt.Sprintf(inside, "{endpoints: $late, proxy_protocol: v1}", "http: 2"))
		conn, err := net.Dial("tcp", f.addr("tcp"))
		f.must(err)
		f.Keep(conn)
		f.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
		_, err = io.WriteString(conn, "all of it")
		f.must(err)
		f.must(conn.(*net.TCPConn).CloseWrite())
		from, to := conn.LocalAddr().(*net.TCPAddr), conn.RemoteAddr().(*net.TCPAddr)
		want := fmt.Sprintf("heard: PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nall of it", from.Port, to.Port)
		heard, err := io.ReadAll(conn)
		if err != nil || string(heard) != want {
			f.t.Errorf("the client heard %q, %v, want %q", heard, err, want)
		}
	})
}

// TestInsideRetries: with TLS inside, too, every connection gets by a far end that is not there.
func TestInsideRetries(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.tlsBackend(ca, "good", "target.example.com")
		f.startTunnel(`
listeners:
  tcp: {tcp: $tcp, to: {endpoints: $good, tls: {ca: ../ca.crt, sni: target.example.com}}, via: hub, nodes: {id: near}}
tunnels:
  hub: {proxy: [$hub, $dead], http: 2, retry: {attempts: 3, backoff: 50ms}, exit: {tcp: $hub, nodes: {id: far}}}
`)
		if failed := f.failedConnections("tcp", 10); failed > 0 {
			f.t.Errorf("%d of 10 connections failed", failed)
		}
	})
}

// TestInsideEdits: a connection notices neither what goes on around it nor new certificates inside, and ends with the drain of
// what it goes through.
func TestInsideEdits(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca, renewed := f.authority(), f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "near", certs.Leaf{})
		f.proxiedTLS(ca, "told", 2, "target.example.com")
		f.backends("three")
		config := fmt.Sprintf(inside,
			"{endpoints: $told, proxy_protocol: v2, tls: {ca: ../ca.crt, sni: target.example.com, cert: ../near.crt}}", "%s")
		f.startTunnel(fmt.Sprintf(config, "http: 2"))
		conn := f.dial("tcp")
		for _, edit := range []string{
			withListener(fmt.Sprintf(config, "http: 2"), "  more: {tcp: $more, to: $three, nodes: {id: near}}\n"),
			fmt.Sprintf(config, "http: 2"),
			fmt.Sprintf(config, "http: 2, ping: 7s"),
			fmt.Sprintf(config, "http: 2, ping: 7s, timeouts: {connect: 3s}"),
		} {
			f.edit(edit)
			f.must(conn.Ask("still there"))
			f.wantTold("tcp", "told")
		}
		f.issue(renewed, "near", certs.Leaf{})
		f.untilStat("sds.backends.tcp/cert.update_success", 2)
		f.must(conn.Ask("still there"))
		f.wantTold("tcp", "told")
		f.edit(fmt.Sprintf(config, "http: 2, ping: 7s, timeouts: {connect: 3s}, headers: {x-a: b}"))
		f.wantTold("tcp", "told")
		f.must(conn.SetReadDeadline(time.Now().Add(20 * time.Second)))
		if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			f.t.Errorf("read %v from a connection whose listener has drained", err)
		}
	})
}

// TestInsideHTTP3: the same over HTTP/3; what is inside comes and goes under open connections, and the Envoy lives.
func TestInsideHTTP3(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.proxied("told", 2)
		f.backends("two")
		bare := strings.Replace(withoutUDP(f.protected("http: 3", "tls")), "nodes: {id: far}", "targets: [$two, $told], nodes: {id: far}", 1)
		told := strings.Replace(bare, "to: $two", "to: {endpoints: $told, proxy_protocol: v2}", 1)
		f.startTunnel(told)
		f.wantTold("tcp", "told")
		f.must(f.dial("tcp").Ask(strings.Repeat("x", 1<<20)))
		for range 5 {
			f.edit(bare)
			f.wantTCP("tcp", "two")
			f.dial("tcp")
			f.edit(strings.Replace(told, "http: 3", "http: 3, ping: 7s", 1))
			f.wantTold("tcp", "told")
			f.edit(told)
			f.wantTold("tcp", "told")
		}
	})
}
