//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// TestExampleTunnel: UDP and TCP through an HTTP/2 proxy, both ends from one file.
func TestExampleTunnel(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		f.startExampleTunnel(map[string]string{
			"51820": "wg", "5432": "db", "10.9.0.1:51820": "one", "10.9.0.2:5432": "two", "192.0.2.10:8443": "hub",
		})
		f.wantUDP("wg", "one")
		f.wantTCP("db", "two")
		f.wantSizes("wg", "one")
	})
}

// startExampleTunnel starts the example with an Envoy at each end.
func (f *fleet) startExampleTunnel(addrs map[string]string) {
	f.t.Helper()
	f.startDaemon(f.readdress(f.example("tunnel.yaml", 8), addrs))
	f.startEnvoy("hub-1", "hub")
	f.envoy = f.startEnvoy("branch-1", "branch")
}

// wantSizes sends datagrams of all sizes that are passed on through the listener.
func (f *fleet) wantSizes(listener, backend string) {
	f.t.Helper()
	s := f.sessionAt(listener, backend)
	for _, size := range []int{1, 100, 1200, 1472, 2000, 8000} {
		if _, err := s.Ask(strings.Repeat("x", size), 5*time.Second); err != nil {
			f.t.Errorf("a datagram of %d bytes: %v", size, err)
		}
	}
}

// tunnelled is a file with both ends of a tunnel; the verb is the tunnel's keys.
const tunnelled = `
listeners:
  udp: {udp: $udp, to: $one, via: hub, nodes: {id: near}}
  tcp: {tcp: $tcp, to: $two, via: hub, nodes: {id: near}}
tunnels:
  hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}
`

// ends are the keys of both ends of a tunnel, by how they are protected.
var ends = map[string]struct{ near, far string }{
	"plain": {"", ""},
	"tls":   {", tls: {ca: ../ca.crt, sni: hub.example.com}", ", tls: ../hub.crt"},
	"mtls": {
		", tls: {ca: ../ca.crt, sni: hub.example.com, cert: ../near.crt}",
		", tls: {cert: ../hub.crt, client_ca: ../ca.crt, names: near.example.com}",
	},
}

// protected is tunnelled with these keys of the tunnel, and the certificates that its ends need.
func (f *fleet) protected(keys, how string) string {
	f.t.Helper()
	ca := f.authority()
	f.trust(ca, "ca")
	f.issue(ca, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
	f.issue(ca, "near", certs.Leaf{Names: []string{"near.example.com"}})
	config := fmt.Sprintf(tunnelled, keys+ends[how].near)
	return strings.Replace(config, "nodes: {id: far}", "nodes: {id: far}"+ends[how].far, 1)
}

// withoutUDP takes the UDP listener out of tunnelled.
func withoutUDP(config string) string {
	return strings.Replace(config, "  udp: {udp: $udp, to: $one, via: hub, nodes: {id: near}}\n", "", 1)
}

// TestTunnelMatrix: TCP, and UDP where it can, go through every kind of tunnel.
func TestTunnelMatrix(t *testing.T) {
	for name, kind := range map[string]struct {
		keys string
		udp  bool
	}{
		"connect-h1": {"http: 1", false},
		"connect-h2": {"http: 2, ping: none, retry: {attempts: 1}", true},
		"post-h1":    {"http: 1, method: post", false},
		"post-h2":    {"http: 2, method: post, path: /in", false},
		"auto":       {"http: auto", false},
	} {
		for how := range ends {
			if how == "plain" && name == "auto" {
				continue // TLS has to agree on something
			}
			t.Run(name+"-"+how, func(t *testing.T) {
				eachVariant(t, func(f *fleet) {
					f.backends("one", "two")
					config := f.protected(kind.keys, how)
					if !kind.udp {
						config = withoutUDP(config)
					}
					f.startDaemon(config)
					f.startEnvoy("far", "far")
					f.envoy = f.startEnvoy("near", "near")
					f.wantTCP("tcp", "two")
					conn := f.dial("tcp")
					f.must(conn.Ask(strings.Repeat("x", 1<<20)))
					if kind.udp {
						f.wantSizes("udp", "one")
					}
				})
			})
		}
	}
}

// TestTunnelWrongCertificate: who cannot show who it is gets nothing, at either end.
func TestTunnelWrongCertificate(t *testing.T) {
	for name, change := range map[string][2]string{
		"the far end has another name": {"sni: hub.example.com", "sni: elsewhere.example.com"},
		"the near end has none":        {", cert: ../near.crt", ""},
		"the near end has another":     {"cert: ../near.crt", "cert: ../hub.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				f.backends("one", "two")
				config := f.protected("http: 2", "mtls")
				wrong := strings.Replace(config, change[0], change[1], 1)
				f.startDaemon(wrong)
				f.startEnvoy("far", "far")
				f.envoy = f.startEnvoy("near", "near")
				f.wantClosed(echo.Dialer{}, "tcp")
				f.edit(config)
				f.wantTCP("tcp", "two")
				f.wantUDP("udp", "one")
			})
		})
	}
}

// TestTunnelEdits: what is carried notices no edit around its tunnel; an edit of the tunnel renews sessions, and leaves
// connections alone.
func TestTunnelEdits(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two", "three")
		f.startDaemon(fmt.Sprintf(tunnelled, "http: 2"))
		f.startEnvoy("far", "far")
		f.startEnvoy("near", "near")
		conn, session := f.dial("tcp"), f.session("udp")
		more := "  more: {tcp: $more, to: $three, nodes: {id: near}}\n"
		far := "\"127.0.0.1:" + f.port("hub") + "\", \"127.0.0.2:" + f.port("hub") + "\""
		for _, edit := range []struct {
			what, config string
			renews       bool
		}{
			{"another listener", withListener(fmt.Sprintf(tunnelled, "http: 2"), more), false},
			{"another far end", strings.Replace(fmt.Sprintf(tunnelled, "http: 2"), "$hub", "["+far+"]", 1), false},
			{"back", fmt.Sprintf(tunnelled, "http: 2"), false},
			{
				"another listener through it, to somewhere new",
				withListener(fmt.Sprintf(tunnelled, "http: 2"), strings.Replace(more, "nodes", "via: hub, nodes", 1)), false,
			},
			{"without it again", fmt.Sprintf(tunnelled, "http: 2"), false},
			{"another key of the cluster", fmt.Sprintf(tunnelled, "http: 2, ping: 7s"), true},
			{"another key of the listeners", fmt.Sprintf(tunnelled, "http: 2, ping: 7s, headers: {x-a: b}"), true},
			{
				"another listener through what was edited",
				withListener(fmt.Sprintf(tunnelled, "http: 2, ping: 7s, headers: {x-a: b}"), strings.Replace(more, "nodes", "via: hub, nodes", 1)), true,
			},
		} {
			f.t.Log(edit.what)
			f.edit(edit.config)
			f.must(conn.Ask(edit.what))
			if !edit.renews {
				session.wantUnmoved(f)
			} else if _, err := session.Ask(edit.what, 5*time.Second); err != nil {
				f.t.Errorf("%s: a session ended: %v", edit.what, err)
			}
		}
		f.wantTCP("more", "three")
	})
}

// withListener is config with one more listener.
func withListener(config, listener string) string {
	return strings.Replace(config, "listeners:\n", "listeners:\n"+listener, 1)
}

// TestTunnelRefuses: an exit goes only where the near ends of the file ask to.
func TestTunnelRefuses(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two", "three")
		f.startDaemon(fmt.Sprintf(tunnelled, "http: 2"))
		far := f.startEnvoy("far", "far")
		f.startEnvoy("near", "near")
		f.wantTCP("tcp", "two")
		f.edit(withListener(fmt.Sprintf(tunnelled, "http: 2"), "  stray: {tcp: $stray, to: $three, via: other, nodes: {id: near}}\n") +
			"  other: {proxy: $hub, http: 2}\n")
		f.until(func(ctx context.Context) error {
			if conn, err := echo.Dial(ctx, f.addr("stray")); err == nil {
				_ = conn.Close()
				return fmt.Errorf("the exit goes where it was not to")
			}
			refused, err := far.Stat(ctx, "http.hub.downstream_rq_4xx")
			if err != nil || refused == 0 {
				return fmt.Errorf("nothing was refused yet: %w", err)
			}
			return nil
		})
		f.wantTCP("tcp", "two")
	})
}

// TestTunnelMiddle: an exit in the middle passes on what it is asked for, and what is carried ends at the last one.
func TestTunnelMiddle(t *testing.T) {
	for name, keys := range map[string][2]string{
		"connect-h2-h2": {"http: 2", "http: 2"},
		"connect-h1-h2": {"http: 1", "http: 2"},
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				f.backends("one", "two")
				f.startDaemon(fmt.Sprintf(`
listeners:
  udp: {udp: $udp, to: $one, via: first, nodes: {id: near}}
  tcp: {tcp: $tcp, to: $two, via: first, nodes: {id: near}}
tunnels:
  first: {proxy: $middle, %s, exit: {via: second, nodes: {id: middle}}}
  second: {proxy: $far, %s, exit: {nodes: {id: far}}}
`, keys[0], keys[1]))
				f.startEnvoy("far", "far")
				f.startEnvoy("middle", "middle")
				f.envoy = f.startEnvoy("near", "near")
				f.wantTCP("tcp", "two")
				f.wantUDP("udp", "one")
				f.wantSizes("udp", "one")
			})
		})
	}
}

// TestTunnelFixed: an exit with a destination of its own goes there, whatever it is asked for, and an edit of its
// endpoints moves what is new.
func TestTunnelFixed(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		const config = `
listeners:
  udp: {udp: $udp, to: "%%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%%:7", via: hub, nodes: {id: near}}
  tcp: {tcp: $tcp, to: nowhere.invalid:7, via: hub, nodes: {id: near}}
tunnels:
  hub: {proxy: $hub, http: 2, exit: {to: pool, nodes: {id: far}}}
backends:
  pool: {endpoints: [%s]}
`
		f.startDaemon(fmt.Sprintf(config, "$one"))
		f.startEnvoy("far", "far")
		f.envoy = f.startEnvoy("near", "near")
		f.wantTCP("tcp", "one")
		f.wantUDP("udp", "one")
		conn := f.dial("tcp")
		f.edit(fmt.Sprintf(config, "$two"))
		f.wantTCP("tcp", "two")
		f.wantUDP("udp", "two")
		f.must(conn.Ask("still one"))
	})
}

// TestTunnelLimit: the limit counts sessions, as it says, and what is refused is free again when a session ends.
func TestTunnelLimit(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		f.startDaemon(strings.Replace(fmt.Sprintf(tunnelled, "http: 2, limits: {streams: 2}, streams_per_connection: 1"),
			"via: hub,", "via: hub, timeouts: {idle: 2s},", 1))
		f.startEnvoy("far", "far")
		near := f.startEnvoy("near", "near")
		first, second := f.session("udp"), f.session("udp")
		third, err := echo.OpenSession(f.ctx, f.addr("udp"))
		f.must(err)
		f.Keep(third)
		if _, err := third.Ask("one too many", 300*time.Millisecond); err == nil {
			f.t.Error("a third session got through")
		}
		first.wantUnmoved(f)
		second.wantUnmoved(f)
		connections, err := near.Stat(f.ctx, "cluster.hub.upstream_cx_active")
		f.must(err)
		if connections < 2 {
			f.t.Errorf("%d connections carry two streams, one each", connections)
		}
		f.wantUDP("udp", "one") // once the first two are idle
	})
}

// TestTunnelPropagates: the access log shows the headers of the far end's answer.
func TestTunnelPropagates(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		log := filepath.Join(f.Dir, "access.log")
		const format = "%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:TYPED)%\\n"
		f.startDaemon(strings.Replace(fmt.Sprintf(tunnelled, "http: 2, propagate: headers"),
			"to: $two,", "to: $two, access_log: {file: "+log+", text: \""+format+"\"},", 1))
		f.startEnvoy("far", "far")
		f.startEnvoy("near", "near")
		f.wantTCP("tcp", "two")
		f.until(func(context.Context) error {
			text, err := os.ReadFile(log)
			if err == nil && !strings.Contains(string(text), `"key":":status","value":"200"`) {
				err = fmt.Errorf("the log holds %q", text)
			}
			return err
		})
	})
}

// TestTunnelTargets: an exit goes to the addresses of a network on a range of ports, and to no name.
func TestTunnelTargets(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one")
		port := f.port("one")
		f.startDaemon(strings.NewReplacer("PORT", port).Replace(`
listeners:
  address: {tcp: $address, udp: $address, to: $one, via: hub, nodes: {id: near}}
  named: {tcp: $named, to: "localhost:PORT", via: hub, nodes: {id: near}}
  outside: {tcp: $outside, to: "127.0.0.1:1", via: hub, nodes: {id: near}}
tunnels:
  hub: {proxy: $hub, http: 2, exit: {targets: "127.0.0.0/8:PORT-PORT", nodes: {id: far}}}
`))
		far := f.startEnvoy("far", "far")
		f.envoy = f.startEnvoy("near", "near")
		f.wantTCP("address", "one")
		f.wantUDP("address", "one")
		for refused, listener := range []string{"named", "outside"} {
			f.wantClosed(echo.Dialer{}, listener)
			f.until(func(ctx context.Context) error {
				n, err := far.Stat(ctx, "http.hub.downstream_rq_4xx")
				if err == nil && n <= refused {
					err = fmt.Errorf("%d requests were refused", n)
				}
				return err
			})
		}
	})
}

// TestTunnelInPlace: a listener has a tunnel of its own, and the far end is an exit that knows nothing of it.
func TestTunnelInPlace(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one")
		f.startDaemon(`
listeners:
  both: {tcp: $both, udp: $both, to: $one, via: {proxy: $hub, http: 2}, nodes: {id: near}}
tunnels:
  hub: {exit: {tcp: $hub, targets: $one, nodes: {id: far}}}
`)
		f.startEnvoy("far", "far")
		f.envoy = f.startEnvoy("near", "near")
		f.wantTCP("both", "one")
		f.wantUDP("both", "one")
	})
}

// TestTunnelRotation: new certificates at both ends touch nothing that is open.
func TestTunnelRotation(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		f.startDaemon(f.protected("http: 2", "mtls"))
		f.startEnvoy("far", "far")
		f.envoy = f.startEnvoy("near", "near")
		conn, session := f.dial("tcp"), f.session("udp")
		renewed := f.authority()
		f.trust(renewed, "ca")
		f.issue(renewed, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
		f.issue(renewed, "near", certs.Leaf{Names: []string{"near.example.com"}})
		f.until(func(context.Context) error {
			c, err := tls.Dial("tcp", f.addr("hub"), renewed.Client("hub.example.com"))
			if err != nil {
				return err
			}
			return c.Close()
		})
		f.must(conn.Ask("still there"))
		session.wantUnmoved(f)
		f.wantTCP("tcp", "two")
		f.wantUDP("udp", "one")
	})
}
