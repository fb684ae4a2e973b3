//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// TestTLSParameters: only the ciphers and curves that were chosen are agreed on, with clients and with endpoints.
func TestTLSParameters(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		f.limitedBackend(ca, "aes128", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
		f.limitedBackend(ca, "p384", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}})
		const inside = "sni: inside.example.com"
		f.start(`
listeners:
  ciphers: {tcp: $ciphers, tls: {cert: ../api.crt, ciphers: ECDHE-ECDSA-AES256-GCM-SHA384}, to: $blue}
  curves: {tcp: $curves, tls: {cert: ../api.crt, curves: [P-521, P-384]}, to: $blue}
  aes128: {tcp: $toaes128, to: {endpoints: $aes128, tls: {ca: ../ca.crt, ` + inside + `, ciphers: ECDHE-ECDSA-AES128-GCM-SHA256}}}
  aes256: {tcp: $toaes256, to: {endpoints: $aes128, tls: {ca: ../ca.crt, ` + inside + `, ciphers: ECDHE-ECDSA-AES256-GCM-SHA384}}}
  p384: {tcp: $top384, to: {endpoints: $p384, tls: {ca: ../ca.crt, ` + inside + `, curves: P-384}}}
  p256: {tcp: $top256, to: {endpoints: $p384, tls: {ca: ../ca.crt, ` + inside + `, curves: P-256}}}
`)
		f.wantTCP("toaes128", "aes128")
		f.wantClosed(echo.Dialer{}, "toaes256")
		f.wantTCP("top384", "p384")
		f.wantClosed(echo.Dialer{}, "top256")
		f.wantAgreed(ca, "ciphers", &tls.Config{MaxVersion: tls.VersionTLS12}, true)
		f.wantAgreed(ca, "ciphers", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, false)
		f.wantAgreed(ca, "curves", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, true)
		f.wantAgreed(ca, "curves", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}, false)
	})
}

// limitedBackend starts a stand-in that agrees on nothing but what limits say.
func (f *fleet) limitedBackend(ca *certs.Authority, name string, limits *tls.Config) {
	f.t.Helper()
	config, err := ca.Server("inside.example.com")
	f.must(err)
	limits.Certificates = config.Certificates
	f.keep(echo.ListenTLS(name, f.addr(name), limits))
}

// wantAgreed wants a client with these limits let in, or not.
func (f *fleet) wantAgreed(ca *certs.Authority, listener string, limits *tls.Config, want bool) {
	f.t.Helper()
	limits.ServerName, limits.RootCAs = "api.example.com", ca.Pool()
	if want {
		f.wantDialed(echo.Dialer{TLS: limits}, listener, "blue")
		return
	}
	conn, err := tls.Dial("tcp", f.addr(listener), limits)
	if err == nil {
		_ = conn.Close()
		f.t.Errorf("%s agreed on cipher %x and curve %v", listener, conn.ConnectionState().CipherSuite, conn.ConnectionState().CurveID)
	}
}

// TestTLSAllParameters: Envoy knows every cipher and every curve that may be written.
func TestTLSAllParameters(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		f.issue(ca, "api", certs.Leaf{Names: []string{"api.example.com"}})
		var listeners strings.Builder
		for key, words := range map[string][]string{
			"ciphers": {
				"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
				"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
				"ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA",
			},
			"curves": {"X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"},
		} {
			for i, word := range words {
				fmt.Fprintf(&listeners, "  %[1]s%[2]d: {tcp: $%[1]s%[2]d, tls: {cert: ../api.crt, %[1]s: %[3]s}, to: $blue}\n", key, i, word)
			}
		}
		f.start("listeners:\n" + listeners.String())
		f.waitNodes(1)
	})
}
