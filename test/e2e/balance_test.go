//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// TestWeights: new connections and sessions follow the weights, a shift moves what is new, and what is open stays.
func TestWeights(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		split := func(blue, green int) string {
			return fmt.Sprintf(`
listeners: {app: {tcp: $app, udp: $app, to: {blue: %d, green: %d}}}
backends: {blue: {endpoints: [$blue]}, green: {endpoints: [$green]}}
`, blue, green)
		}
		f.start(split(90, 10))
		f.wantShare("green", 0.1)

		conn := f.dialed("app", "blue")
		blue, green := f.sessionAt("app", "blue"), f.sessionAt("app", "green")
		f.edit(split(20, 80))
		f.wantShare("green", 0.8)
		f.must(conn.Ask("still blue"))
		blue.wantUnmoved(f)
		green.wantUnmoved(f)

		// A backend of weight 0 is left out: TCP connections there stay, UDP sessions move.
		f.edit(split(0, 100))
		f.wantShare("green", 1)
		f.must(conn.Ask("still blue"))
		green.wantUnmoved(f)
	})
}

// TestWeightsOverDNS: the same with a host name, where a shift is a change of the cluster.
func TestWeightsOverDNS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		split := func(blue, green int) string {
			return fmt.Sprintf(`
listeners: {app: {tcp: $app, udp: $app, to: {blue: %d, green: %d}}}
backends: {blue: {endpoints: [$blue]}, green: {endpoints: ["localhost:%s"]}}
`, blue, green, f.port("green"))
		}
		f.start(split(75, 25))
		f.wantShare("green", 0.25)
		conn := f.dialed("app", "blue")
		f.edit(split(0, 1))
		f.wantShare("green", 1)
		f.must(conn.Ask("still blue"))
	})
}

// TestWeightsOfUnlikeBackends: backends whose settings differ are split by the proxy, which is for TCP alone.
func TestWeightsOfUnlikeBackends(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`
listeners: {app: {tcp: $app, to: {blue: 3, green: 1}}}
backends:
  blue: {endpoints: [$blue], check: {tcp: 100ms}}
  green: {endpoints: [$green]}
`)
		f.wantShareTCP("green", 0.25)
	})
}

func TestEndpointWeights(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`
listeners: {app: {tcp: $app, udp: $app, to: web}}
backends: {web: {endpoints: [{address: $blue, weight: 3}, $green]}}
`)
		f.wantShare("green", 0.25)
	})
}

// TestStickiness: with a hashing balance a client's address decides, for TCP and UDP.
func TestStickiness(t *testing.T) {
	for _, balance := range []string{"maglev", "ring_hash"} {
		t.Run(balance, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				f.backends("a", "b", "c", "d")
				f.start(fmt.Sprintf(`
listeners: {app: {tcp: $app, udp: $app, to: [$a, $b, $c, $d], balance: %s}}
`, balance))
				f.wantSticky(f.tcpBackend)
				f.wantSticky(f.udpBackend)
			})
		})
	}
}

// TestLeastConnections: the endpoint that has open connections gets no more of them while another has none.
func TestLeastConnections(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {app: {tcp: $app, to: [$blue, $green], balance: least_connections}}`)
		count := map[string]int{}
		for range 40 {
			count[f.dial("app").Backend]++
		}
		// Two choices at random may meet the same endpoint, so the two need not be equal.
		if difference := count["blue"] - count["green"]; difference < -12 || difference > 12 {
			f.t.Errorf("40 connections that stay open went %v, want them about even", count)
		}
	})
}

// TestCheck: an endpoint that fails its check gets nothing, and gets connections again once it is back.
func TestCheck(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`
listeners: {app: {tcp: $app, to: [$blue, $green], check: {tcp: 100ms, timeout: 1s, fall: 1, rise: 1}}}
`)
		f.wantShareTCP("green", 0)
		f.backends("green")
		f.wantTCP("app", "green")
	})
}

// wantShare wants this share of new connections, and of new sessions, of the listener "app" at the backend.
func (f *fleet) wantShare(backend string, share float64) {
	f.t.Helper()
	f.wantShareTCP(backend, share)
	f.wantShareBy(f.udpBackend, backend, share)
}

func (f *fleet) wantShareTCP(backend string, share float64) {
	f.t.Helper()
	f.wantShareBy(f.tcpBackend, backend, share)
}

func (f *fleet) wantShareBy(reach func(from string) (string, error), backend string, share float64) {
	f.t.Helper()
	const tries = 400
	hits := 0
	for range tries {
		got, err := reach("")
		f.must(err)
		if got == backend {
			hits++
		}
	}
	// Four standard deviations of independent choices; Envoy's are more even than that.
	margin := 4 * math.Sqrt(tries*share*(1-share))
	if math.Abs(float64(hits)-tries*share) > margin {
		f.t.Errorf("%s got %d of %d, want %.0f ± %.0f", backend, hits, tries, tries*share, margin)
	}
}

// wantSticky wants the same backend for the same client address, and more than one for many addresses.
func (f *fleet) wantSticky(reach func(from string) (string, error)) {
	f.t.Helper()
	used := map[string]bool{}
	for client := range 16 {
		from := fmt.Sprintf("127.0.1.%d", client+1)
		home, err := reach(from)
		f.must(err)
		used[home] = true
		for range 4 {
			got, err := reach(from)
			f.must(err)
			if got != home {
				f.t.Errorf("client %s reached %s, then %s", from, home, got)
			}
		}
	}
	if len(used) < 3 {
		f.t.Errorf("16 clients all reached %v of 4 backends", used)
	}
}

// tcpBackend is the backend that a new connection of the client to the listener "app" reaches.
func (f *fleet) tcpBackend(from string) (string, error) {
	conn, err := echo.Dialer{From: from}.Dial(f.ctx, f.addr("app"))
	if err != nil {
		return "", err
	}
	return conn.Backend, conn.Close()
}

// udpBackend is the backend that a new session of the client to the listener "app" reaches.
func (f *fleet) udpBackend(from string) (string, error) {
	session, err := echo.Dialer{From: from}.OpenSession(f.ctx, f.addr("app"))
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask("hello", 5*time.Second)
	return answer.Backend, err
}

// dialed is a new connection that has reached the backend, however many tries that takes.
func (f *fleet) dialed(listener, backend string) *echo.Conn {
	f.t.Helper()
	var conn *echo.Conn
	f.until(func(context.Context) error {
		conn = f.dial(listener)
		return same(conn.Backend, backend)
	})
	return conn
}
