//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// The tasks by which the language is measured: each is an example of at most so many lines, which runs as it is
// written, save that addresses become loopback ones.

// TestExampleTCP: TCP to two backends, least connections, active check.
func TestExampleTCP(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		f.startExample("tcp.yaml", 3, map[string]string{
			"5432": "db", "10.0.0.11:5432": "one", "10.0.0.12:5432": "two",
		})
		f.wantTCP("db", "one")
		f.wantTCP("db", "two")
	})
}

// TestExampleDNS: DNS over UDP to two servers, with short sessions.
func TestExampleDNS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		f.startExample("dns.yaml", 3, map[string]string{
			"53": "dns", "10.0.0.53:53": "one", "10.0.0.54:53": "two",
		})
		f.wantUDP("dns", "one")
		f.wantUDP("dns", "two")
	})
}

// TestExampleSNI: TLS passes through to three backends by host name.
func TestExampleSNI(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.tlsBackend(ca, "one", "a.example.com")
		f.tlsBackend(ca, "two", "x.b.example.com")
		f.tlsBackend(ca, "rest", "elsewhere.test")
		f.startExample("sni.yaml", 7, map[string]string{
			"443": "edge", "10.0.1.1:443": "one", "10.0.1.2:443": "two", "10.0.1.3:443": "rest",
		})
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "one")
		f.wantDialed(echo.Dialer{TLS: ca.Client("x.b.example.com")}, "edge", "two")
		f.wantDialed(echo.Dialer{TLS: ca.Client("elsewhere.test")}, "edge", "rest")
	})
}

// TestExampleTLS: TLS ends at the listener, for clients with a certificate.
func TestExampleTLS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		ca := f.authority()
		beside := filepath.Join(f.Dir, "config")
		f.must(os.Mkdir(beside, 0o700))
		pair, err := ca.Issue(certs.Leaf{Names: []string{"api.example.com"}})
		f.must(err)
		f.must(pair.Write(beside, "api"))
		f.must(certs.Replace(filepath.Join(beside, "ca.crt"), ca.PEM()))
		f.startExample("tls/mtls.yaml", 5, map[string]string{
			"8443": "api", "10.0.0.11:8080": "one", "10.0.0.12:8080": "two",
		})
		f.wantDialed(echo.Dialer{TLS: ca.Client("api.example.com", pair)}, "api", "one")
		f.wantDialed(echo.Dialer{TLS: ca.Client("api.example.com", pair)}, "api", "two")
		f.wantClosed(echo.Dialer{TLS: ca.Client("api.example.com")}, "api")
	})
}

// startExample starts the example, which must be of at most this many lines, with other addresses in place of its own.
func (f *fleet) startExample(name string, lines int, addrs map[string]string) {
	f.t.Helper()
	f.start(f.readdress(f.example(name, lines), addrs))
}

// example is the text of an example, which must be of at most this many lines.
func (f *fleet) example(name string, lines int) string {
	f.t.Helper()
	root, err := rig.Root()
	f.must(err)
	text, err := os.ReadFile(filepath.Join(root, "examples", name))
	f.must(err)
	if got := countLines(string(text)); got > lines {
		f.t.Errorf("%s has %d lines, want at most %d", name, got, lines)
	}
	return string(text)
}

// countLines counts lines that are neither blank nor a comment.
func countLines(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

// readdress puts words in place of addresses and ports, each of which has to stand there as a word of its own.
func (f *fleet) readdress(text string, addrs map[string]string) string {
	f.t.Helper()
	found := map[string]bool{}
	text = address.ReplaceAllStringFunc(text, func(written string) string {
		word, ok := addrs[written]
		if !ok {
			return written
		}
		found[written] = true
		return "$" + word
	})
	for written := range addrs {
		if !found[written] {
			f.t.Errorf("the example does not hold %s", written)
		}
	}
	return text
}
