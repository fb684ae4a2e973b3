//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// fitting is the largest datagram that HTTP/3 carries.
const fitting = 1423

// onDelta runs the test with Envoys that speak delta: HTTP/3 is for these alone.
func onDelta(t *testing.T, test func(f *fleet)) {
	t.Helper()
	t.Parallel()
	test(newFleet(t, "delta"))
}

// TestTunnelHTTP3: the rest of TestTunnelMatrix. Datagrams up to what fits go through; larger ones are dropped and counted.
func TestTunnelHTTP3(t *testing.T) {
	for _, method := range []string{"connect", "post"} {
		for _, how := range []string{"tls", "mtls"} {
			t.Run(method+"-"+how, func(t *testing.T) {
				onDelta(t, func(f *fleet) {
					f.measure("one")
					f.backends("two")
					config := f.protected("http: 3, method: "+method, how)
					if method == "post" {
						config = withoutUDP(config)
					}
					f.startTunnel(config)
					f.wantTCP("tcp", "two")
					f.must(f.dial("tcp").Ask(strings.Repeat("x", 1<<20)))
					if method == "connect" {
						f.wantLargest("udp", fitting)
					}
				})
			})
		}
	}
}

// TestExampleTunnelHTTP3: every tunnel of the example, at both ends.
func TestExampleTunnelHTTP3(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two", "three")
		f.words["other"] = "127.0.0.2:" + f.port("hub")
		config := f.readdress(f.example("tunnel-http3.yaml", 30), map[string]string{
			"51820": "wg", "5432": "db", "2222": "ssh", "10.9.0.1:51820": "one", "10.9.0.2:5432": "two", "10.9.0.3:22": "three",
			"192.0.2.10:443": "hub", "192.0.2.11:443": "other", "8443": "masque", "8444": "middle",
		})
		root, err := rig.Root()
		f.must(err)
		f.startDaemon(strings.ReplaceAll(config, "tls/", root+"/examples/tls/"))
		f.startEnvoy("hub-1", "hub")
		f.envoy = f.startEnvoy("branch-1", "branch")
		f.wantTCP("db", "two")
		f.wantTCP("ssh", "three")
		f.wantUDP("wg", "one")
	})
}

// TestTunnelHTTP3WrongCertificate: who cannot show who it is gets nothing, at either end.
func TestTunnelHTTP3WrongCertificate(t *testing.T) {
	for name, change := range map[string][2]string{
		"the far end has another name": {"sni: hub.example.com", "sni: elsewhere.example.com"},
		"the near end has none":        {", cert: ../near.crt", ""},
		"the near end has another":     {"cert: ../near.crt", "cert: ../hub.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			onDelta(t, func(f *fleet) {
				f.backends("one", "two")
				config := f.protected("http: 3", "mtls")
				f.startTunnel(strings.Replace(config, change[0], change[1], 1))
				f.wantClosed(echo.Dialer{}, "tcp")
				f.edit(config)
				f.wantTCP("tcp", "two")
				f.wantUDP("udp", "one")
			})
		})
	}
}

// TestTunnelHTTP3Withheld: an Envoy that speaks state of the world is not given what goes through HTTP/3, and everybody
// can see it; the rest it has.
func TestTunnelHTTP3Withheld(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "sotw")
	f.backends("one", "two")
	config := withListener(f.protected("http: 3", "tls"), "  plain: {tcp: $plain, to: $two, nodes: {id: near}}\n")
	f.startTunnel(config)
	f.wantTCP("plain", "two")
	f.wantRefused("tcp")
	f.waitStatus(func(s *rig.Status) error {
		for _, node := range s.Nodes {
			if node.ID == "near" && len(node.Withheld) == 2 && node.State == "synced" {
				return nil
			}
		}
		return fmt.Errorf("withheld from near are not its two listeners: %+v", s.Nodes)
	})
	f.edit(strings.Replace(config, "http: 3", "http: 2", 1))
	f.wantTCP("tcp", "two")
}

// TestTunnelHTTP3Edits: a hundred edits around live tunnels under traffic, and of them. What is outside leaves sessions
// and connections alone; an edit of the tunnel renews sessions. No Envoy dies.
func TestTunnelHTTP3Edits(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two", "three")
		config := f.protected("http: 3", "tls")
		far := f.startTunnel(config)
		f.editOutside(config, 50)
		f.editTunnel(config, 50)
		f.wantAlive(f.envoy, far)
	})
}

// editOutside makes n edits around the tunnel of config. What goes through it notices none.
func (f *fleet) editOutside(config string, n int) {
	f.t.Helper()
	hub := f.port("hub")
	outside := []string{
		withListener(config, "  more: {tcp: $more, to: $three, nodes: {id: near}}\n"),
		withListener(config, "  more: {tcp: $more, to: $three, via: hub, nodes: {id: near}}\n"), // another one through it, to somewhere new
		strings.Replace(config, "tunnels:", "tunnels:\n  other: {proxy: $other, http: 2}", 1),
		strings.Replace(config, "proxy: $hub", `proxy: ["127.0.0.1:`+hub+`", "127.0.0.2:`+hub+`"]`, 1), // another far end
		config,
	}
	conns, sessions := f.openLoad("tcp", 20, 0), f.openLoad("udp", 0, 10)
	for i := range n {
		f.edit(outside[i%len(outside)])
	}
	tcp, udp := conns.end(), sessions.end()
	f.t.Logf("%d edits outside: %d of 20 connections broken, %d of 10 sessions moved, %d of %d datagrams lost",
		n, tcp.broken, udp.moved, udp.lost, udp.sent)
	if tcp.broken+udp.moved > 0 || udp.lost*100 > udp.sent { // a busy machine may lose a datagram, edit or not
		f.t.Error("an edit outside was noticed")
	}
}

// editTunnel makes n edits of the tunnel of config, each with what crashes Envoy without our rule: a connection over the
// new cluster, and then the end of one over the old.
func (f *fleet) editTunnel(config string, n int) {
	f.t.Helper()
	session := f.session("udp")
	for i := range n {
		conn := f.open("tcp")
		f.edit(strings.Replace(config, "http: 3", fmt.Sprintf("http: 3, ping: %ds", 6+i%4), 1)) // each comes back
		next := f.open("tcp")
		f.must(conn.Ask("over the old cluster"))
		f.must(conn.Close())
		f.must(next.Ask("over the new one"))
		f.must(next.Close())
		if _, err := session.Ask("a new session", 5*time.Second); err != nil {
			f.t.Errorf("edit %d: a client got no new session: %v", i, err)
		}
	}
	f.t.Logf("%d edits of the tunnel", n)
}

// TestTunnelHTTP3Middle: a stop in the middle goes from and to HTTP/3, and edits of what it passes on through kill no Envoy.
func TestTunnelHTTP3Middle(t *testing.T) {
	near, far := ends["tls"].near, ends["tls"].far
	for _, versions := range [][2]string{{"3", "2"}, {"2", "3"}, {"3", "3"}} {
		t.Run("h"+versions[0]+"-h"+versions[1], func(t *testing.T) {
			onDelta(t, func(f *fleet) {
				f.backends("one", "two")
				f.protected("", "tls") // for its certificates
				config := fmt.Sprintf(`
listeners:
  udp: {udp: $udp, to: $one, via: first, nodes: {id: near}}
  tcp: {tcp: $tcp, to: $two, via: first, nodes: {id: near}}
tunnels:
  first: {proxy: $middle, http: %s%s, exit: {via: second, nodes: {id: middle}%s}}
  second: {proxy: $far, http: %s%s, exit: {nodes: {id: far}%s}}
`, versions[0], near, far, versions[1], near, far)
				f.startDaemon(config)
				envoys := []*rig.Envoy{f.startEnvoy("far", "far"), f.startEnvoy("middle", "middle"), f.startEnvoy("near", "near")}
				f.wantTCP("tcp", "two")
				f.wantUDP("udp", "one")
				for i := range 10 {
					conn := f.open("tcp")
					f.edit(strings.Replace(config, "$far,", fmt.Sprintf("$far, ping: %ds,", 6+i%3), 1))
					next := f.open("tcp")
					f.must(conn.Close())
					f.must(next.Ask("over the new cluster"))
					f.must(next.Close())
					f.wantUDP("udp", "one")
				}
				f.wantAlive(envoys...)
			})
		})
	}
}

// TestTunnelHTTP3FarEndRestarted: a far end that was away is used again when it is back.
func TestTunnelHTTP3FarEndRestarted(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		far := f.startTunnel(f.protected("http: 3, ping: {interval: 1s, timeout: 900ms}", "tls"))
		session, conn := f.session("udp"), f.dial("tcp")
		f.must(far.Kill())
		f.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
		if err := conn.Ask("anybody there"); err == nil {
			t.Error("a connection outlived its far end")
		}
		f.wantClosed(echo.Dialer{}, "tcp")
		f.must(far.Start())
		f.wait(far.WaitReady)
		f.until(func(context.Context) error {
			_, err := session.Ask("hello again", 200*time.Millisecond)
			return err
		})
		f.wantTCP("tcp", "two")
		f.wantAlive(f.envoy)
	})
}

// TestTunnelHTTP3Limit: the limit counts sessions; below it hundreds of them share a connection of each worker thread.
func TestTunnelHTTP3Limit(t *testing.T) {
	const many = 300
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		f.startTunnel(f.protected(fmt.Sprintf("http: 3, limits: {streams: %d}", many), "tls"))
		for range many {
			f.session("udp")
		}
		further, err := echo.OpenSession(f.ctx, f.addr("udp"))
		f.must(err)
		f.Keep(further)
		if _, err := further.Ask("one too many", 300*time.Millisecond); err == nil {
			t.Error("a session above the limit got through")
		}
		f.untilStat("cluster.hub.upstream_cx_active", 2)
	})
}

// TestTunnelHTTP3Rotation: new certificates at both ends touch nothing that is open, and are what new connections show.
func TestTunnelHTTP3Rotation(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		f.startTunnel(f.protected("http: 3", "mtls"))
		conn, session := f.dial("tcp"), f.session("udp")
		renewed := f.authority()
		f.trust(renewed, "ca")
		f.issue(renewed, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
		f.issue(renewed, "near", certs.Leaf{Names: []string{"near.example.com"}})
		f.until(func(ctx context.Context) error {
			n, err := f.envoy.Stat(ctx, "sds.backends.hub/cert.update_success")
			if err == nil && n < 2 {
				err = fmt.Errorf("the near end has %d certificates so far", n)
			}
			return err
		})
		f.must(conn.Ask("still there"))
		session.wantUnmoved(f)
		f.must(f.envoy.Close()) // its next connection has to show the new certificate, to a far end that has one too
		f.must(f.envoy.Start())
		f.wait(f.envoy.WaitReady)
		f.wantTCP("tcp", "two")
		f.wantUDP("udp", "one")
	})
}

// TestTunnelHTTP3Drain: an edit of the tunnel leaves its connections open until the listener has drained.
func TestTunnelHTTP3Drain(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		config := f.protected("http: 3", "tls")
		f.startTunnel(config)
		conn := f.dial("tcp")
		f.edit(strings.Replace(config, "http: 3", "http: 3, ping: 7s", 1))
		start := time.Now()
		for conn.Ask("still there") == nil {
			time.Sleep(10 * time.Millisecond)
		}
		const drain = time.Second // as the rig starts Envoys
		if took := time.Since(start); took < drain/2 || took > 10*drain {
			t.Errorf("the connection ended after %v, drains take %v", took, drain)
		}
		f.wantTCP("tcp", "two")
	})
}

// TestTunnelHTTP3Restarts: a daemon that starts again, on a file that was changed meanwhile, does not take away what its
// Envoys have: they tell it.
func TestTunnelHTTP3Restarts(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		config := f.protected("http: 3", "tls")
		far := f.startTunnel(config)
		for i := range 5 {
			conn := f.open("tcp")
			f.must(f.daemon.Kill())
			f.must(f.daemon.Save(f.text(strings.Replace(config, "http: 3", fmt.Sprintf("http: 3, ping: %ds", 6+i%3), 1))))
			f.must(f.daemon.Start())
			f.waitNodes(2)
			f.waitStatus(func(s *rig.Status) error { return s.Synced() })
			next := f.open("tcp")
			f.must(conn.Close())
			f.must(next.Ask("over the new cluster"))
			f.wantUDP("udp", "one")
		}
		f.wantAlive(f.envoy, far)
		clusters, err := f.envoy.Clusters(f.ctx)
		f.must(err)
		retired := 0
		for _, name := range clusters {
			if strings.HasPrefix(name, "hub@h3-") {
				retired++
			}
		}
		if retired != 4 { // the first, and those of three values of ping
			t.Errorf("the near end has %d clusters of the tunnel, want the 4 that it was ever given: %v", retired, clusters)
		}
	})
}

// TestTunnelHTTP3Crash shows what the rule is for: without it, an edit of a tunnel kills the Envoy that has connections
// through it. When this fails because Envoy lives, the rule can go.
func TestTunnelHTTP3Crash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	thawed, err := rig.Build(dir, "-tags", "l4xds_thaw")
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, "delta")
	f.program = thawed
	f.backends("one", "two")
	config := f.protected("http: 3", "tls")
	f.startTunnel(config)
	const edits, each = 20, 4 // connections, so that each worker thread has some
	for i := range edits {
		var before []*echo.Conn
		for range each {
			before = append(before, f.open("tcp"))
		}
		f.edit(strings.Replace(config, "http: 3", fmt.Sprintf("http: 3, ping: %ds", 6+i), 1))
		for range each {
			if conn, err := echo.Dial(f.ctx, f.addr("tcp")); err == nil {
				f.Keep(conn)
			}
		}
		for _, conn := range before {
			_ = conn.Close()
		}
		select {
		case <-f.envoy.Done():
			t.Logf("Envoy died with edit %d, as it does without the rule", i+1)
			f.wantLogged(f.envoy.Log, "crash", "Caught Segmentation fault")
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
	t.Errorf("Envoy lived through %d edits that should crash it", edits)
}

// open opens a connection that the test closes itself.
func (f *fleet) open(listener string) *echo.Conn {
	f.t.Helper()
	conn, err := echo.Dial(f.ctx, f.addr(listener))
	f.must(err)
	return conn
}

// wantAlive wants Envoys that have not ended, and have no stack trace of a crash in their logs.
func (f *fleet) wantAlive(envoys ...*rig.Envoy) {
	f.t.Helper()
	for _, e := range envoys {
		select {
		case <-e.Done():
			f.t.Errorf("an Envoy ended; its log: %s", e.Log)
		default:
			ctx, cancel := context.WithTimeout(f.ctx, 5*time.Second)
			defer cancel()
			if err := e.WaitReady(ctx); err != nil && !errors.Is(err, context.Canceled) {
				f.t.Error(err)
			}
		}
	}
}

// TestTunnelHTTP3Quiet: what is only quiet stays, with the shortest interval, too.
func TestTunnelHTTP3Quiet(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one", "two")
		f.startTunnel(f.protected("http: 3, ping: {interval: 1s, timeout: 900ms}", "tls"))
		conn, session := f.dial("tcp"), f.session("udp")
		time.Sleep(4 * time.Second)
		f.must(conn.Ask("still there"))
		session.wantUnmoved(f)
	})
}
