//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/masque"
)

// onTheWire are the keys of a tunnel, and the requests by which they show.
var onTheWire = []struct {
	name string
	to   string // 10.0.0.1:53 if empty
	keys string
	tcp  string // the request of a TCP listener; empty: there is none
	udp  string
}{{
	name: "h1",
	keys: "http: 1",
	tcp:  "HTTP/1 CONNECT 10.0.0.1:53",
	udp:  "HTTP/1 GET h1 /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1; Connection: Upgrade",
}, {
	name: "h2",
	keys: "http: 2",
	tcp:  "HTTP/2 CONNECT 10.0.0.1:53",
	udp:  "HTTP/2 CONNECT h2 /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1",
}, {
	name: "post1",
	keys: "http: 1, method: post, path: /in",
	tcp:  "HTTP/1 POST 10.0.0.1:53 /in",
}, {
	name: "post2",
	keys: "http: 2, method: post, path: /in",
	tcp:  "HTTP/2 POST 10.0.0.1:53 /in",
}, {
	name: "postudp1",
	keys: "http: 1, method: post, path: /udp",
	udp:  "HTTP/1 POST postudp1 /udp",
}, {
	name: "postudp2",
	keys: "http: 2, method: post, path: /udp, proxy_host: masque.example.net",
	udp:  "HTTP/2 POST masque.example.net /udp",
}, {
	name: "nopath",
	keys: "http: 2, method: post",
	tcp:  "HTTP/2 POST 10.0.0.1:53 /",
}, {
	name: "name",
	to:   "db.example.net:5432",
	keys: "http: 2",
	tcp:  "HTTP/2 CONNECT db.example.net:5432",
	udp:  "HTTP/2 CONNECT name /.well-known/masque/udp/db.example.net/5432/ connect-udp; Capsule-Protocol: ?1",
}, {
	name: "ipv6",
	to:   "[2001:db8::1]:53",
	keys: "http: 2",
	tcp:  "HTTP/2 CONNECT [2001:db8::1]:53",
	udp:  "HTTP/2 CONNECT ipv6 /.well-known/masque/udp/2001%3Adb8%3A%3A1/53/ connect-udp; Capsule-Protocol: ?1",
}, {
	name: "operator",
	to:   "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:53",
	keys: "http: 2",
	tcp:  "HTTP/2 CONNECT 127.0.0.1:53",
	udp:  "HTTP/2 CONNECT operator /.well-known/masque/udp/127.0.0.1/53/ connect-udp; Capsule-Protocol: ?1",
}, {
	name: "proxyhost",
	keys: "http: 2, proxy_host: masque.example.net",
	udp:  "HTTP/2 CONNECT masque.example.net /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1",
}, {
	name: "proxyport",
	keys: "http: 1, proxy_host: masque.example.net:443",
	udp:  "HTTP/1 GET masque.example.net:443 /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1; Connection: Upgrade",
}, {
	name: "headers",
	keys: `http: 2, headers: {x-text: "as it is, 100%%", x-client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}`,
	tcp:  "HTTP/2 CONNECT 10.0.0.1:53; X-Client: 127.0.0.1; X-Text: as it is, 100%",
	udp: "HTTP/2 CONNECT headers /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1; " +
		"X-Client: 127.0.0.1; X-Text: as it is, 100%",
}}

// TestTunnelWire: each key of a tunnel as a far end sees it that is no Envoy. Bytes and datagrams go both ways.
func TestTunnelWire(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	var listeners, tunnels strings.Builder
	ends := map[string]*masque.Server{}
	for _, row := range onTheWire {
		if row.to == "" {
			row.to = "10.0.0.1:53"
		}
		if row.tcp != "" {
			fmt.Fprintf(&listeners, "  %[1]s-tcp: {tcp: $%[1]stcp, to: %[2]q, via: %[1]s}\n", row.name, row.to)
		}
		if row.udp != "" {
			fmt.Fprintf(&listeners, "  %[1]s-udp: {udp: $%[1]sudp, to: %[2]q, via: %[1]s}\n", row.name, row.to)
		}
		fmt.Fprintf(&tunnels, "  %[1]s: {proxy: $%[1]s, %[2]s}\n", row.name, row.keys)
		ends[row.name] = f.farEnd(row.name)
	}
	f.start("listeners:\n" + listeners.String() + "tunnels:\n" + tunnels.String())
	for _, row := range onTheWire {
		t.Run(row.name, func(t *testing.T) {
			f := f.in(t)
			if row.tcp != "" {
				f.wantTCP(row.name+"tcp", row.name)
				f.wantAsked(ends[row.name], row.tcp)
			}
			if row.udp != "" {
				f.wantUDP(row.name+"udp", row.name)
				f.wantAsked(ends[row.name], row.udp)
			}
		})
	}
}

// in is f for a subtest.
func (f *fleet) in(t *testing.T) *fleet {
	sub := *f
	sub.t, sub.ctx = t, t.Context()
	return &sub
}

// farEnd starts a far end that is no Envoy, and its own target.
func (f *fleet) farEnd(name string) *masque.Server {
	f.t.Helper()
	end, err := masque.Listen(name, f.addr(name))
	f.must(err)
	f.Keep(end)
	return end
}

// wantAsked wants the last request at the far end to be this one.
func (f *fleet) wantAsked(end *masque.Server, want string) {
	f.t.Helper()
	requests := end.Requests()
	if len(requests) == 0 {
		f.t.Fatalf("nothing was asked, want %s", want)
	}
	if got := wire(requests[len(requests)-1]); got != want {
		f.t.Errorf("the far end was asked (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// wire is a request in one line.
func wire(r masque.Request) string {
	line := strings.TrimSpace(fmt.Sprintf("HTTP/%d %s %s %s", r.HTTP, r.Method, r.Authority, r.Path))
	if r.Protocol != "" {
		line += " " + r.Protocol
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		line += "; " + name + ": " + strings.Join(r.Header[name], ", ")
	}
	return line
}

// TestTunnelServerName: each host name of a TLS listener goes its own way.
func TestTunnelServerName(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	end := f.farEnd("far")
	f.start(`
listeners: {web: {tcp: $web, sni: {a.example.com: "10.0.0.1:443", "*.b.example.com": "%REQUESTED_SERVER_NAME%:443"}, via: far}}
tunnels: {far: {proxy: $far, http: 2}}
`)
	for host, want := range map[string]string{
		"a.example.com": "HTTP/2 CONNECT 10.0.0.1:443", "x.b.example.com": "HTTP/2 CONNECT x.b.example.com:443",
	} {
		before := len(end.Requests())
		conn, err := net.Dial("tcp", f.addr("web"))
		f.must(err)
		f.Keep(conn)
		go func() { _ = tls.Client(conn, &tls.Config{ServerName: host}).Handshake() }() // nobody there speaks TLS
		f.until(func(context.Context) error {
			if len(end.Requests()) == before {
				return errors.New("nothing was asked yet")
			}
			return nil
		})
		f.wantAsked(end, want)
	}
}

// TestTunnelAttempts: a far end that refuses is asked as often as was said, with waits between if they were asked for.
func TestTunnelAttempts(t *testing.T) {
	const many = 100 // more refusals than attempts
	for name, test := range map[string]struct {
		keys            string
		refusals, asked int
		reached         bool
		atLeast, atMost time.Duration // all waits, and each
	}{
		"three by default":  {"", many, 3, false, 0, time.Second},
		"the last succeeds": {", retry: 4", 3, 4, true, 0, time.Second},
		"one":               {", retry: none", many, 1, false, 0, time.Second},
		// The waits are random: 0 to 40, 80, 160, 320 and 400 ms. Less than 30 ms for all is one case in a million.
		"with waits": {", retry: {attempts: 6, backoff: 40ms}", many, 6, false, 30 * time.Millisecond, time.Second},
		// 0 to 300 ms each. Without a bound they would be up to 3 s, and half of the last three above 1 s.
		"with bounded waits": {", retry: {attempts: 8, backoff: 300ms, max_backoff: 300ms}", many, 8, false, 30 * time.Millisecond, 600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			end := f.farEnd("far")
			f.start(`
listeners:
  tcp: {tcp: $tcp, to: 10.0.0.1:5432, via: far}
  udp: {udp: $udp, to: 10.0.0.1:53, via: far}
tunnels: {far: {proxy: $far, http: 2` + test.keys + `}}
`)
			end.Refuse(test.refusals)
			conn, err := echo.Dial(f.ctx, f.addr("tcp"))
			if (err == nil) != test.reached {
				t.Errorf("TCP: %v, want reached: %v", err, test.reached)
			}
			if err == nil {
				defer func() { _ = conn.Close() }()
			}
			f.wantAttempts(end, 0, test.asked, test.atLeast, test.atMost)

			end.Refuse(test.refusals)
			client, err := echo.OpenSession(f.ctx, f.addr("udp"))
			f.must(err)
			f.Keep(client)
			f.must(client.Send("hello"))
			wait := 200 * time.Millisecond
			if test.reached {
				wait = 5 * time.Second
			}
			if _, err := client.Receive(time.Now().Add(wait)); (err == nil) != test.reached {
				t.Errorf("UDP: %v, want reached: %v", err, test.reached)
			}
			f.wantAttempts(end, test.asked, test.asked, test.atLeast, test.atMost)
		})
	}
}

// wantAttempts waits until so many requests have come after the first ones, which took at least so long, and each of them
// at most so long.
func (f *fleet) wantAttempts(end *masque.Server, first, want int, atLeast, atMost time.Duration) {
	f.t.Helper()
	var asked []masque.Request
	f.until(func(context.Context) error {
		if asked = end.Requests()[first:]; len(asked) < want {
			return fmt.Errorf("asked %d times, want %d", len(asked), want)
		}
		return nil
	})
	if len(asked) > want {
		f.t.Errorf("asked %d times, want %d", len(asked), want)
	}
	var waits []time.Duration
	for i := range want - 1 {
		waits = append(waits, asked[i+1].At.Sub(asked[i].At).Round(time.Millisecond))
	}
	took := asked[want-1].At.Sub(asked[0].At)
	f.t.Logf("%d attempts in %v, waits %v", want, took.Round(time.Millisecond), waits)
	if len(waits) > 0 && slices.Max(waits) > atMost {
		f.t.Errorf("a wait took longer than %v", atMost)
	}
	if took < atLeast {
		f.t.Errorf("%d attempts took %v, want %v at least", want, took, atLeast)
	}
}
