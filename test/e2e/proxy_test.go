//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/l4xds/l4xds/test/echo"
)

func TestTCP(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {db: {tcp: $db, to: $blue}}`)
		f.wantTCP("db", "blue")
	})
}

func TestUDP(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {dns: {udp: $dns, to: $blue, timeouts: {idle: 10s}}}`)
		f.wantUDP("dns", "blue")
	})
}

func TestBothProtocolsOnOnePort(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`
listeners: {dns: {tcp: $dns, udp: $dns, to: resolvers}}
backends: {resolvers: {endpoints: [$blue]}}
`)
		f.wantTCP("dns", "blue")
		f.wantUDP("dns", "blue")
	})
}

// TestBothFamilies: one socket takes IPv4 and IPv6.
func TestBothFamilies(t *testing.T) {
	needIPv6(t)
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		port := f.ports(1)
		f.start(fmt.Sprintf(`listeners: {dns: {tcp: "[::]:%[1]d", udp: "[::]:%[1]d", to: $blue}}`, port))
		for word, host := range map[string]string{"four": "127.0.0.1", "six": "[::1]"} {
			f.words[word] = fmt.Sprintf("%s:%d", host, port)
			f.wantTCP(word, "blue")
			f.wantUDP(word, "blue")
		}
	})
}

func TestPortRange(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		first := f.ports(5)
		f.start(fmt.Sprintf(`
listeners:
  games: {tcp: "127.0.0.1:%[1]d-%[2]d", udp: "127.0.0.1:%[1]d-%[2]d", to: $blue}
`, first, first+3))
		for port := first; port < first+4; port++ {
			word := fmt.Sprintf("game%d", port-first)
			f.words[word] = fmt.Sprintf("127.0.0.1:%d", port)
			f.wantTCP(word, "blue")
			f.wantUDP(word, "blue")
		}
		f.words["beyond"] = fmt.Sprintf("127.0.0.1:%d", first+4)
		f.wantRefused("beyond")
	})
}

func TestUnixSockets(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		near, far := filepath.Join(f.Dir, "near.sock"), filepath.Join(f.Dir, "far.sock")
		f.keep(echo.ListenUnix("behind-a-socket", far))
		f.backends("blue")
		f.start(fmt.Sprintf(`
listeners:
  in: {tcp: "unix:%s", to: $blue}
  out: {tcp: $out, to: "unix:%s"}
`, near, far))
		f.words["in"] = near
		f.wantTCP("in", "blue")
		f.wantTCP("out", "behind-a-socket")
	})
}

func TestDNSBackend(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(fmt.Sprintf(`
listeners: {web: {tcp: $web, udp: $web, to: named}}
backends: {named: {endpoints: ["localhost:%s"]}}
`, f.port("blue")))
		f.wantTCP("web", "blue")
		f.wantUDP("web", "blue")
	})
}

func TestSNI(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		for name, host := range map[string]string{
			"exact": "a.example.com", "deep": "x.b.example.com", "other": "elsewhere.test",
		} {
			f.tlsBackend(ca, name, host)
		}
		f.backends("plain")
		f.start(`
listeners:
  edge:
    tcp: $edge
    sni: {a.example.com: $exact, "*.b.example.com": $deep, "*": $other}
    to: $plain
`)
		// Each backend shows its own certificate, which the client checks: the bytes passed through untouched.
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "exact")
		f.wantDialed(echo.Dialer{TLS: ca.Client("x.b.example.com")}, "edge", "deep")
		f.wantDialed(echo.Dialer{TLS: ca.Client("elsewhere.test")}, "edge", "other")
		f.wantDialed(echo.Dialer{TLS: ca.Anonymous()}, "edge", "other")
	})
}

// TestSNIWithoutDefault: what no row of the table takes is refused, and clear text is not sent to a TLS backend.
func TestSNIWithoutDefault(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.tlsBackend(ca, "exact", "a.example.com")
		f.start(`listeners: {edge: {tcp: $edge, sni: {a.example.com: $exact}}}`)
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "exact")
		f.wantClosed(echo.Dialer{TLS: ca.Client("b.example.com")}, "edge")
	})
}

// TestClearTextBesideSNI: `to` beside the table takes what is not TLS; the client speaks first, as it must there.
func TestClearTextBesideSNI(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.tlsBackend(ca, "exact", "a.example.com")
		f.backends("plain")
		f.start(`listeners: {edge: {tcp: $edge, sni: {a.example.com: $exact}, to: $plain}}`)
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "exact")
		f.wantDialed(echo.Dialer{First: "hello"}, "edge", "plain")
	})
}

// TestGroups: two Envoys of different groups listen on the same port, each with its own destination, and one stanza
// goes to both.
func TestGroups(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		port := f.ports(1)
		f.words["east"], f.words["west"] = fmt.Sprintf("127.0.0.2:%d", port), fmt.Sprintf("127.0.0.3:%d", port)
		f.startDaemon(`
listeners:
  db-east: {tcp: $east, udp: $east, to: $blue, nodes: east}
  db-west: {tcp: $west, udp: $west, to: $green, nodes: west}
groups:
  east: {id: "east-*"}
  west: {cluster: west, metadata: {site: core}}
`)
		east := f.startEnvoy("east-1", "anything")
		west := f.startEnvoy("w", "west", "site=core")
		f.wantTCP("east", "blue")
		f.wantUDP("east", "blue")
		f.wantTCP("west", "green")
		f.wantUDP("west", "green")
		f.wantListeners(east, "tcp/"+f.addr("east"), "udp/"+f.addr("east"))
		f.wantListeners(west, "tcp/"+f.addr("west"), "udp/"+f.addr("west"))
	})
}
