//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// revoke writes a list of the authority that revokes these certificates beside the configuration.
func (f *fleet) revoke(ca *certs.Authority, name string, pairs ...certs.Pair) {
	f.t.Helper()
	list, err := ca.Revoke(certs.Leaf{}, pairs...)
	f.must(err)
	f.must(certs.Replace(filepath.Join(f.Dir, name), list))
}

// TestRevocation: whose certificate was revoked is refused, clients and endpoints, also by a list that comes later; what is
// open stays.
func TestRevocation(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		first, second := f.issue(ca, "first", certs.Leaf{}), f.issue(ca, "second", certs.Leaf{})
		server := f.issue(ca, "server", certs.Leaf{Names: []string{"inside.example.com"}})
		f.pairBackend("inside", server)
		f.revoke(ca, "ca.crl", first)
		f.revoke(ca, "envoy.crl", first)
		f.start(fmt.Sprintf(`
listeners:
  api: {tcp: $api, tls: {cert: ../api.crt, client_ca: ../ca.crt, crl: ../ca.crl}, to: $blue}
  envoy: {tcp: $envoy, tls: {cert: ../api.crt, client_ca: ../ca.crt, crl: {on_envoy: %s/envoy.crl}}, to: $blue}
  inside: {tcp: $toinside, to: {endpoints: $inside, tls: {ca: ../ca.crt, crl: ../ca.crl, sni: inside.example.com}}}
`, f.Dir))
		as := func(p certs.Pair) echo.Dialer { return echo.Dialer{TLS: ca.Client("api.example.com", p)} }
		var open []*echo.Conn
		for _, listener := range []string{"api", "envoy"} {
			f.wantDialed(as(second), listener, "blue")
			f.wantClosed(as(first), listener)
			conn, err := as(second).Dial(f.ctx, f.addr(listener))
			f.must(err)
			f.Keep(conn)
			open = append(open, conn)
		}
		f.wantTCP("toinside", "inside")
		f.revoke(ca, "ca.crl", second, server)
		f.revoke(ca, "envoy.crl", second)
		for _, listener := range []string{"api", "envoy"} {
			f.wantDialed(as(first), listener, "blue")
			f.wantClosed(as(second), listener)
		}
		f.untilRefused("toinside")
		for _, conn := range open {
			f.must(conn.Ask("still there"))
		}
	})
}

// TestPins: of the certificates of an authority those are taken whose keys were written down, of clients and of endpoints.
func TestPins(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "one", "two")
		ca := f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		good, other := f.issue(ca, "good", certs.Leaf{}), f.issue(ca, "other", certs.Leaf{})
		server := f.issue(ca, "server", certs.Leaf{Names: []string{"inside.example.com"}})
		f.pairBackend("inside", server)
		f.start(fmt.Sprintf(`
listeners:
  api: {tcp: $api, tls: {cert: ../api.crt, client_ca: ../ca.crt, pins: [%[1]s, %[2]s]}, to: $blue}
  right: {tcp: $right, to: {endpoints: $inside, tls: {ca: ../ca.crt, pins: %[2]s, sni: inside.example.com}}}
  wrong: {tcp: $wrong, to: {endpoints: $inside, tls: {ca: ../ca.crt, pins: %[1]s, sni: inside.example.com}}}
`, f.pin(good), f.pin(server)))
		as := func(p certs.Pair) echo.Dialer { return echo.Dialer{TLS: ca.Client("api.example.com", p)} }
		f.wantDialed(as(good), "api", "blue")
		f.wantClosed(as(other), "api")
		f.wantTCP("right", "inside")
		f.wantClosed(echo.Dialer{}, "wrong")
	})
}

// TestTunnelValidation: the ends of a tunnel are held to lists and keys as well, over every version of HTTP. A connection that
// is open goes on, and with it what is new in it: so that each case begins with the wrong end.
func TestTunnelValidation(t *testing.T) {
	for name, keys := range map[string]struct{ near, far string }{
		"another key of the far end":  {", pins: PIN-OTHER", ""},
		"the far end is revoked":      {", crl: ../hub.crl", ""},
		"another key of the near end": {"", ", pins: PIN-OTHER"},
		"the near end is revoked":     {"", ", crl: ../near.crl"},
		"all is well":                 {", crl: ../none.crl, pins: PIN-HUB", ", crl: ../none.crl, pins: PIN-NEAR"},
	} {
		for _, http := range []string{"2", "3"} {
			t.Run(name+", http "+http, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, "delta")
				f.backends("two")
				config := f.held(http)
				f.startTunnel(config(keys.near, keys.far))
				if name == "all is well" {
					f.wantTCP("tcp", "two")
					return
				}
				f.wantClosed(echo.Dialer{}, "tcp")
				f.edit(config("", ""))
				f.wantTCP("tcp", "two")
			})
		}
	}
}

// held makes the files that the ends of a tunnel are held to. It returns the tunnel whose ends have these keys of `tls` besides.
func (f *fleet) held(http string) func(near, far string) string {
	f.t.Helper()
	ca := f.authority()
	f.trust(ca, "ca")
	pairs := map[string]certs.Pair{}
	for _, name := range []string{"hub", "near", "other"} {
		pairs[name] = f.issue(ca, name, certs.Leaf{Names: []string{name + ".example.com"}})
		f.revoke(ca, name+".crl", pairs[name])
	}
	f.revoke(ca, "none.crl")
	pins := strings.NewReplacer("PIN-HUB", f.pin(pairs["hub"]), "PIN-NEAR", f.pin(pairs["near"]), "PIN-OTHER", f.pin(pairs["other"]))
	return func(near, far string) string {
		text := fmt.Sprintf(byTCP, "http: "+http+", tls: {ca: ../ca.crt, cert: ../near.crt, sni: hub.example.com"+near+"}")
		return pins.Replace(strings.Replace(text, "nodes: {id: far}",
			"nodes: {id: far}, tls: {cert: ../hub.crt, client_ca: ../ca.crt"+far+"}", 1))
	}
}

func (f *fleet) pin(p certs.Pair) string {
	f.t.Helper()
	pin, err := p.Pin()
	f.must(err)
	return pin
}

// pairBackend starts a stand-in that shows this certificate.
func (f *fleet) pairBackend(name string, p certs.Pair) {
	f.t.Helper()
	config, err := p.Server()
	f.must(err)
	f.keep(echo.ListenTLS(name, f.addr(name), config))
}

// untilRefused waits until no new connection through the listener reaches a backend.
func (f *fleet) untilRefused(listener string) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		conn, err := echo.Dial(ctx, f.addr(listener))
		if err != nil {
			return nil
		}
		_ = conn.Close()
		return fmt.Errorf("%s still reaches %s", listener, conn.Backend)
	})
}
