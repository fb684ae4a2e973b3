//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// issue writes a certificate and its key beside the configuration: NAME.crt, NAME.key.
func (f *fleet) issue(ca *certs.Authority, name string, l certs.Leaf) certs.Pair {
	f.t.Helper()
	pair, err := ca.Issue(l)
	f.must(err)
	f.must(pair.Write(f.Dir, name))
	return pair
}

// trust writes the certificate of an authority beside the configuration.
func (f *fleet) trust(ca *certs.Authority, name string) {
	f.t.Helper()
	f.must(certs.Replace(filepath.Join(f.Dir, name+".crt"), ca.PEM()))
}

// TestTLSEndsHere: the listener shows its certificate, and the backend gets clear text.
func TestTLSEndsHere(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		f.start(`listeners: {api: {tcp: $api, tls: {cert: ../api.crt, alpn: echo}, to: $blue}}`)
		client := ca.Client("api.example.com")
		client.NextProtos = []string{"echo"}
		f.wantDialed(echo.Dialer{TLS: client}, "api", "blue")
		f.wantClosed(echo.Dialer{TLS: f.authority().Client("api.example.com")}, "api")
		old := ca.Client("api.example.com")
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		f.wantClosed(echo.Dialer{TLS: old}, "api")
	})
}

// TestTLSOfSeveralNames: each client is shown the certificate for the name it asks for, and goes the way of that name.
func TestTLSOfSeveralNames(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green", "rest")
		ca := f.authority()
		f.issue(ca, "a", certs.Leaf{Names: []string{"a.example.com"}})
		f.issue(ca, "b", certs.Leaf{Names: []string{"b.example.com"}})
		f.start(`
listeners:
  edge: {tcp: $edge, tls: [../a.crt, {cert: ../b.crt, key: ../b.key}], sni: {a.example.com: $blue, b.example.com: $green}, to: $rest}
`)
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "blue")
		f.wantDialed(echo.Dialer{TLS: ca.Client("b.example.com")}, "edge", "green")
		f.wantDialed(echo.Dialer{TLS: ca.Anonymous()}, "edge", "rest")
	})
}

// TestClientCertificates: clients without a certificate of the right authority, and of the right name, are refused.
func TestClientCertificates(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca, clients, others := f.authority(), f.authority(), f.authority()
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		f.trust(clients, "clients")
		good := f.issue(clients, "good", certs.Leaf{Names: []string{"spiffe://example.com/good"}})
		unnamed := f.issue(clients, "unnamed", certs.Leaf{Names: []string{"x.example.org"}})
		foreign := f.issue(others, "foreign", certs.Leaf{Names: []string{"spiffe://example.com/good"}})
		f.start(`
listeners:
  strict: {tcp: $strict, tls: {cert: ../api.crt, client_ca: ../clients.crt}, to: $blue}
  named: {tcp: $named, tls: {cert: ../api.crt, client_ca: ../clients.crt, names: "spiffe://example.com/*"}, to: $blue}
  lax: {tcp: $lax, tls: {cert: ../api.crt, client_ca: ../clients.crt, client: optional}, to: $blue}
`)
		as := func(pairs ...certs.Pair) echo.Dialer { return echo.Dialer{TLS: ca.Client("api.example.com", pairs...)} }
		f.wantDialed(as(good), "strict", "blue")
		f.wantDialed(as(unnamed), "strict", "blue")
		f.wantClosed(as(), "strict")
		f.wantClosed(as(foreign), "strict")
		f.wantDialed(as(good), "named", "blue")
		f.wantClosed(as(unnamed), "named")
		f.wantDialed(as(), "lax", "blue")
		f.wantDialed(as(good), "lax", "blue")
		f.wantClosed(as(foreign), "lax")
	})
}

// TestTLSToBackends: endpoints are reached only if their certificate is of the authority and for the name.
func TestTLSToBackends(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca, others := f.authority(), f.authority()
		f.trust(ca, "ca")
		f.trust(others, "others")
		f.tlsBackend(ca, "inside", "inside.example.com")
		f.tlsBackend(ca, "local", "localhost")
		f.mutualBackend(ca, "mutual", "inside.example.com")
		f.issue(ca, "client", certs.Leaf{Names: []string{"l4xds"}})
		f.start(fmt.Sprintf(`
listeners:
  asked: {tcp: $asked, to: {endpoints: $inside, tls: {ca: ../ca.crt, sni: inside.example.com}}}
  names: {tcp: $names, to: {endpoints: $inside, tls: {ca: ../ca.crt, names: [other, "*.example.com"]}}}
  host: {tcp: $host, to: {endpoints: "localhost:%[1]s", tls: ../ca.crt}}
  mutual: {tcp: $near, to: {endpoints: $mutual, tls: {ca: ../ca.crt, sni: inside.example.com, cert: ../client.crt}}}
  unchecked: {tcp: $unchecked, to: {endpoints: $inside, tls: {verify: none}}}
  name-differs: {tcp: $namediffers, to: {endpoints: $inside, tls: {ca: ../ca.crt, sni: elsewhere.example.com}}}
  host-differs: {tcp: $hostdiffers, to: {endpoints: "localhost:%[2]s", tls: ../ca.crt}}
  ca-differs: {tcp: $cadiffers, to: {endpoints: $inside, tls: {ca: ../others.crt, sni: inside.example.com}}}
  system: {tcp: $system, to: {endpoints: $inside, tls: {sni: inside.example.com}}}
  no-certificate: {tcp: $nocertificate, to: {endpoints: $mutual, tls: {ca: ../ca.crt, sni: inside.example.com}}}
`, f.port("local"), f.port("inside")))
		f.wantTCP("asked", "inside")
		f.wantTCP("names", "inside")
		f.wantTCP("host", "local")
		f.wantTCP("near", "mutual")
		f.wantTCP("unchecked", "inside")
		for _, listener := range []string{"namediffers", "hostdiffers", "cadiffers", "system", "nocertificate"} {
			f.wantClosed(echo.Dialer{}, listener)
		}
	})
}

// mutualBackend starts a stand-in that takes only clients of the authority.
func (f *fleet) mutualBackend(ca *certs.Authority, name, host string) {
	f.t.Helper()
	config, err := ca.Server(host)
	f.must(err)
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	f.keep(echo.ListenTLS(name, f.addr(name), config))
}

// TestRotation: a new certificate is shown to new clients; connections and listener stay as they are.
func TestRotation(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		old, renewed := f.authority(), f.authority()
		leaf := certs.Leaf{Names: []string{"api.example.com"}}
		f.issue(old, "api", leaf)
		f.start(`listeners: {api: {tcp: $api, tls: ../api.crt, to: $blue}}`)
		dialer := echo.Dialer{TLS: old.Client("api.example.com")}
		f.wantDialed(dialer, "api", "blue")
		conn, err := dialer.Dial(f.ctx, f.addr("api"))
		f.must(err)
		f.Keep(conn)

		f.issue(renewed, "api", leaf)
		f.wantDialed(echo.Dialer{TLS: renewed.Client("api.example.com")}, "api", "blue")
		f.wantClosed(dialer, "api")
		f.must(conn.Ask("still there"))
		f.wantStat("listener_manager.listener_modified", 0)
		f.wantStat("listener_manager.listener_in_place_updated", 0)
		f.wantStat("listener_manager.lds.update_success", 1)
	})
}

// TestRotationOfAuthorities: a new authority for the clients, and one for the endpoints, changes neither listener nor
// cluster.
func TestRotationOfAuthorities(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		old, renewed := f.authority(), f.authority()
		f.trust(old, "ca")
		f.tlsBackend(old, "was", "inside.example.com")
		f.tlsBackend(renewed, "is", "inside.example.com")
		f.issue(old, "api", certs.Leaf{Names: []string{"api.example.com"}})
		f.start(`
listeners:
  api: {tcp: $api, tls: {cert: ../api.crt, client_ca: ../ca.crt}, to: {endpoints: [$was, $is], tls: {ca: ../ca.crt, sni: inside.example.com}}}
`)
		before := f.issue(old, "before", certs.Leaf{})
		after := f.issue(renewed, "after", certs.Leaf{})
		dialer := echo.Dialer{TLS: old.Client("api.example.com", before)}
		f.wantDialed(dialer, "api", "was")
		conn, err := dialer.Dial(f.ctx, f.addr("api"))
		f.must(err)
		f.Keep(conn)

		f.trust(renewed, "ca")
		f.wantDialed(echo.Dialer{TLS: old.Client("api.example.com", after)}, "api", "is")
		f.wantClosed(dialer, "api")
		f.must(conn.Ask("still there"))
		f.wantStat("listener_manager.lds.update_success", 1)
		f.wantStat("cluster_manager.cluster_modified", 0)
		f.wantStat("cluster_manager.cluster_updated", 0)
	})
}

// TestEditsBesideTLS: a listener and a cluster that change need not wait for secrets that their Envoy has, and one that
// needs a new one is there with it.
func TestEditsBesideTLS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.tlsBackend(ca, "inside", "inside.example.com")
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		f.issue(ca, "two", certs.Leaf{Names: []string{"two.example.com"}})
		const config = `
listeners: {api: {tcp: $api, tls: %s, to: web}}
backends: {web: {endpoints: [$inside], balance: %s, tls: {ca: ../ca.crt, sni: inside.example.com}}}
`
		f.start(fmt.Sprintf(config, "../api.crt", "round_robin"))
		f.wantDialed(echo.Dialer{TLS: ca.Client("api.example.com")}, "api", "inside")
		began := time.Now()
		f.edit(fmt.Sprintf(config, "../api.crt", "maglev"))
		f.edit(fmt.Sprintf(config, "{cert: ../api.crt, min: 1.3}", "maglev"))
		f.edit(fmt.Sprintf(config, "{cert: [../api.crt, ../two.crt], min: 1.3}", "random"))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("three edits took %s: something waited for a fetch timeout of 5 s", took)
		}
		f.wantDialed(echo.Dialer{TLS: ca.Client("api.example.com")}, "api", "inside")
		f.wantDialed(echo.Dialer{TLS: ca.Client("two.example.com")}, "api", "inside")
	})
}

// TestWrongRotation: a key that does not fit keeps what is in force, and is said once it has settled.
func TestWrongRotation(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		leaf := certs.Leaf{Names: []string{"api.example.com"}}
		f.issue(ca, "api", leaf)
		f.start(`listeners: {api: {tcp: $api, tls: ../api.crt, to: $blue}}`)
		dialer := echo.Dialer{TLS: ca.Client("api.example.com")}
		f.wantDialed(dialer, "api", "blue")
		pair, err := ca.Issue(leaf)
		f.must(err)
		f.must(certs.Replace(filepath.Join(f.Dir, "api.crt"), pair.Cert))
		f.waitStatus(func(s *rig.Status) error {
			for _, m := range s.Config.Messages {
				if m.ID == "L4X0604" && m.Line == 1 {
					return nil
				}
			}
			return errors.New("the key that does not fit is not reported")
		})
		f.wantDialed(dialer, "api", "blue")
		f.must(certs.Replace(filepath.Join(f.Dir, "api.key"), pair.Key))
		f.waitStatus(func(s *rig.Status) error {
			if len(s.Config.Messages) > 0 || s.Config.Generation != 2 {
				return fmt.Errorf("generation %d, messages %v", s.Config.Generation, s.Config.Messages)
			}
			return s.Synced()
		})
		f.wantDialed(dialer, "api", "blue")
	})
}

// TestFilesOnEnvoy: Envoy reads the files itself, and follows them.
func TestFilesOnEnvoy(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		old, renewed := f.authority(), f.authority()
		leaf := certs.Leaf{Names: []string{"api.example.com"}}
		f.issue(old, "api", leaf)
		f.start(fmt.Sprintf(`listeners: {api: {tcp: $api, tls: {cert: {on_envoy: %q}}, to: $blue}}`, filepath.Join(f.Dir, "api.crt")))
		f.wantDialed(echo.Dialer{TLS: old.Client("api.example.com")}, "api", "blue")
		f.issue(renewed, "api", leaf)
		f.wantDialed(echo.Dialer{TLS: renewed.Client("api.example.com")}, "api", "blue")
	})
}

// wantStat wants a counter of the first Envoy to be n.
func (f *fleet) wantStat(name string, n int) {
	f.t.Helper()
	f.wait(func(ctx context.Context) error {
		got, err := f.envoy.Stat(ctx, name)
		if err == nil && got != n {
			f.t.Errorf("%s is %d, want %d", name, got, n)
		}
		return err
	})
}
