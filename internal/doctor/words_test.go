package doctor

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// TestRefusals: each status has a meaning of its own, or at least an advice.
func TestRefusals(t *testing.T) {
	connect, post := question{method: "CONNECT"}, question{method: "POST", path: "/in"}
	udp := question{method: "CONNECT", datagrams: true}
	for _, test := range []struct {
		q      question
		status int
		want   string
	}{
		{connect, 204, "refused with 204 No Content: an upgrade"},
		{connect, 302, "302 Found: it points elsewhere"},
		{connect, 400, "400 Bad Request: it does not understand"},
		{connect, 401, "401 Unauthorized: it wants to know who asks"},
		{connect, 403, "403 Forbidden: it knows what is asked for"},
		{connect, 404, "404 Not Found: the target is not among"},
		{post, 404, "404 Not Found: it has nothing at this path"},
		{connect, 405, "405 Method Not Allowed: it does not know CONNECT"},
		{udp, 501, "501 Not Implemented: it does not know CONNECT-UDP"},
		{post, 405, "405 Method Not Allowed: it takes no POST"},
		{connect, 408, "408 Request Timeout: the target does not answer it in time"},
		{connect, 418, "418 I'm a teapot"},
		{connect, 421, "421 Misdirected Request: it is not the host"},
		{connect, 426, "426 Upgrade Required: it wants another version"},
		{connect, 429, "429 Too Many Requests: it has too much to do"},
		{connect, 500, "500 Internal Server Error: it failed by itself"},
		{connect, 502, "502 Bad Gateway: it cannot reach the target"},
		{connect, 504, "504 Gateway Timeout: the target does not answer"},
	} {
		got := (&refusal{status: test.status}).meaning(&config.Tunnel{HTTP: config.HTTP2}, test.q)
		if got.result != finding.Failed || !strings.Contains(got.message, test.want) || got.advice == "" {
			t.Errorf("%d to %s: %+v, want %q and an advice", test.status, test.q, got, test.want)
		}
	}
}

// TestStrangers: what answers in the place of HTTP is known by its first bytes.
func TestStrangers(t *testing.T) {
	settings := "\x00\x00\x06\x04\x00\x00\x00\x00\x00"
	for _, test := range []struct {
		http  config.HTTPVersion
		heard string
		want  string // empty: it is what it should be, or nothing
	}{
		{config.HTTP2, "", ""},
		{config.HTTP2, settings, ""},
		{config.HTTP1, "HTTP/1.1 200 OK\r\n", ""},
		{config.HTTP2, "HTTP/1.1 400 Bad Request\r\nX: y", `speaks HTTP/1.1, and not HTTP/2 as http: 2 says; it answered "HTTP/1.1 400 Bad Request"`},
		{config.HTTP1, settings, "speaks HTTP/2 only"},
		{config.HTTP1, "\x15\x03\x01\x00\x02\x02\x46", "speaks TLS, and the tunnel does not"},
		{config.HTTP2, "SSH-2.0-OpenSSH_10.0p2 Debian-7\r\n", `answers "SSH-2.0-OpenSSH_10.0p2 D"…, which is no HTTP`},
	} {
		f := &farEnd{tunnel: &config.Tunnel{HTTP: test.http}}
		got, known := f.stranger([]byte(test.heard))
		if known != (test.want != "") || !strings.Contains(got.message, test.want) {
			t.Errorf("%q to http: %s: %q, want %q", test.heard, test.http, got.message, test.want)
		}
	}
}

// TestAlerts: what the other side of TLS complains about.
func TestAlerts(t *testing.T) {
	for _, test := range []struct{ text, cert, want string }{
		{"certificate required", "", "demands a client certificate"},
		{"expired certificate", "near.crt", "does not take the client certificate near.crt (expired certificate)"},
		{"no application protocol", "", "does not speak HTTP inside TLS: it agrees to none of h2, http/1.1"},
		{"unrecognized name", "", `does not know the name "hub"`},
		{"protocol version not supported", "", "speaks none of the versions of TLS"},
		{"internal error", "", "refused TLS (internal error)"},
	} {
		f := &farEnd{
			tunnel: &config.Tunnel{HTTP: config.HTTPAuto, Proxy: &config.Backend{TLS: &config.BackendTLS{}}},
			tls:    &tls.Config{ServerName: "hub", NextProtos: []string{"h2", "http/1.1"}},
		}
		f.tunnel.Proxy.TLS.Cert.Chain.Path = test.cert
		if got, known := f.alert(errors.New("remote error: tls: " + test.text)); !known || !strings.Contains(got.message, test.want) {
			t.Errorf("%s: %q, want %q", test.text, got.message, test.want)
		}
	}
	if w, known := (&farEnd{}).alert(io.EOF); known {
		t.Errorf("the end of a stream is taken for an alert: %+v", w)
	}
}

// TestNames: a certificate has a name as Envoy sees it.
func TestNames(t *testing.T) {
	spiffe, err := url.Parse("spiffe://example.com/hub")
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		DNSNames: []string{"hub.example.com", "*.b.example.com"}, URIs: []*url.URL{spiffe}, EmailAddresses: []string{"hub@example.com"},
		IPAddresses: []net.IP{{10, 0, 0, 1}},
	}
	for name, want := range map[string]bool{
		"hub.example.com": true, "x.b.example.com": true, "10.0.0.1": true, "hub@example.com": true,
		"spiffe://example.com/hub": true, "spiffe://example.com/*": true, "*.example.com": true, "*.b.example.com": true,
		"example.com": false, "x.y.b.example.com": false, "10.0.0.2": false, "a@example.com": false,
		"spiffe://example.com/hubs": false, "spiffe://example.org/*": false, "*.example.org": false,
	} {
		if has(c, name) != want {
			t.Errorf("has %q: %v, want %v", name, !want, want)
		}
	}
	want := "hub.example.com, *.b.example.com, 10.0.0.1, spiffe://example.com/hub, hub@example.com"
	if got := namesOf(c); got != want {
		t.Errorf("names %q, want %q", got, want)
	}
	c.DNSNames = append(c.DNSNames, "more")
	if got := namesOf(c); !strings.HasSuffix(got, " and 1 more") {
		t.Errorf("names %q, want the rest counted", got)
	}
}

// TestUnpacker: what is not a datagram is passed over, or said.
func TestUnpacker(t *testing.T) {
	wire := append([]byte{0x29, 2, 'n', 'o'}, capsule([]byte("yes"))...)
	u := newUnpacker(bytes.NewReader(wire))
	if got, err := u.next(); string(got) != "yes" || err != nil || len(u.pending.held()) > 0 {
		t.Errorf("got %q, %v, and %q is left", got, err, u.pending.held())
	}
	for name, wire := range map[string]string{
		"another context": "\x00\x02\x07x",
		"no context":      "\x00\x00",
		"far too long":    "\x00\xc0\x00\x00\x00\xff\xff\xff\xff",
	} {
		if got, err := newUnpacker(strings.NewReader(wire)).next(); !isUnframed(err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestTold: what is said of results that are rare.
func TestTold(t *testing.T) {
	for _, test := range []struct {
		r     result
		known bool
		want  string
	}{
		{result{back: []int{100, 1400}, lost: []int{1200}}, false, "failed: x: datagrams of 100 and 1400 bytes came back, round trip 0s; those of 1200 did not"},
		{result{back: []int{1, 1200}, lost: []int{2000, 8000}}, false, "ok: x: datagrams of 1 and 1200 bytes came back, round trip 0s; those of 2000 and 8000 did not"},
		{result{back: []int{100}, err: io.EOF}, false, "failed: x: datagrams of 100 bytes came back, round trip 0s, and then the stream ended: it was closed"},
		{result{met: true, bytes: 7, err: errMangled}, false, "failed: x: 7 bytes came back, and then: other bytes came back than were sent"},
		{result{err: io.EOF}, true, "failed: the stream to x ended without a byte: it was closed"},
		{result{err: io.EOF}, false, "unsure: the stream to x ended without a byte: it was closed"},
		{result{}, false, "unsure: nothing came back from x within 1s: it may be silent by nature, or not there"},
	} {
		w := test.r.told("x", test.known, time.Second)
		if got := string(w.result) + ": " + w.message; got != test.want {
			t.Errorf("%+v: %q, want %q", test.r, got, test.want)
		}
	}
	for d, want := range map[time.Duration]string{123456: "120µs", 12345678: "12.3ms", 1234567890: "1.235s"} {
		if got := span(d); got != want {
			t.Errorf("span(%d) = %s, want %s", d, got, want)
		}
	}
}

// TestDialable: a client reaches a listener by its address, or by loopback.
func TestDialable(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0": "127.0.0.1:53", "::": "[::1]:53", "10.0.0.1": "10.0.0.1:53"} {
		if got := dialable(config.Bind{Address: netip.MustParseAddr(address), Port: 53, Last: 60}); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
