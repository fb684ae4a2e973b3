//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// TestTunnelHeadersBeside: what stands beside `via` is laid over the headers of the tunnel, on the wire.
func TestTunnelHeadersBeside(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		end := f.farEnd("far")
		f.start(`
listeners:
  same: {tcp: $same, to: 10.0.0.1:53, via: far}
  over: {tcp: $over, udp: $over, to: 10.0.0.1:53, via: far, headers: {X-A: other, x-b: none, x-c: "none"}}
  bare: {tcp: $bare, to: 10.0.0.1:53, via: far, headers: none}
tunnels: {far: {proxy: $far, http: 2, headers: {x-a: a, X-B: b}}}
`)
		for listener, want := range map[string]string{
			"same": "; X-A: a; X-B: b", "over": "; X-A: other; X-C: none", "bare": "",
		} {
			f.wantTCP(listener, "far")
			f.wantAsked(end, "HTTP/2 CONNECT 10.0.0.1:53"+want)
		}
		f.wantUDP("over", "far")
		f.wantAsked(end, "HTTP/2 CONNECT far /.well-known/masque/udp/10.0.0.1/53/ connect-udp; Capsule-Protocol: ?1; X-A: other; X-C: none")
	})
}

// TestTunnelRetryBeside: a listener tries as often as is said beside its `via`, else as the tunnel says.
func TestTunnelRetryBeside(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		end := f.farEnd("far")
		f.start(`
listeners:
  same: {tcp: $same, to: 10.0.0.1:53, via: far}
  more: {tcp: $more, to: 10.0.0.1:53, via: far, retry: 5}
  once: {tcp: $once, to: 10.0.0.1:53, via: far, retry: none}
tunnels: {far: {proxy: $far, http: 2, retry: 2}}
`)
		asked := 0
		for listener, attempts := range map[string]int{"same": 2, "more": 5, "once": 1} {
			end.Refuse(attempts)
			f.wantClosed(echo.Dialer{}, listener)
			f.wantAttempts(end, asked, attempts, 0, time.Second)
			f.wantTCP(listener, "far") // no attempt was left
			asked = len(end.Requests())
		}
	})
}

// TestTunnelBufferBeside: of two listeners through one tunnel one holds what comes before its stream, the other does not.
func TestTunnelBufferBeside(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one")
		f.startDaemon(`
listeners:
  same: {udp: $same, to: $one, via: hub, nodes: {id: near}}
  drops: {udp: $drops, to: $one, via: hub, buffer: none, nodes: {id: near}}
  two: {udp: $two, to: $one, via: hub, buffer: 2, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, http: 2, buffer: 3, retry: {attempts: 100, backoff: 50ms, max_backoff: 100ms}, exit: {nodes: {id: far}}}}
`)
		f.envoy = f.startEnvoy("near", "near")
		clients := map[string]*echo.Session{}
		for listener := range map[string]bool{"same": true, "drops": true, "two": true} {
			client, err := echo.OpenSession(f.ctx, f.addr(listener))
			f.must(err)
			f.Keep(client)
			clients[listener] = client
			for _, text := range []string{"a", "b", "c", "d"} {
				f.must(client.Send(text))
			}
			f.untilStat("udp."+listener+".downstream_sess_rx_datagrams", 4)
		}
		f.startEnvoy("far", "far")
		for listener, want := range map[string]string{"same": "abc", "drops": "", "two": "ab"} {
			if got := f.answersBefore(clients[listener], "the end"); got != want {
				f.t.Errorf("%s: answered were %q, want %q", listener, got, want)
			}
		}
	})
}

// TestRetry: a connection that goes straight is tried as often as was said, with waits between that are asked for.
func TestRetry(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]struct {
		attempts        int
		atLeast, atMost time.Duration
	}{
		"":              {3, 0, time.Second},
		", retry: 5":    {5, 0, time.Second},
		", retry: none": {1, 0, time.Second},
		", retry: {attempts: 9, backoff: 100ms, max_backoff: 100ms}": {9, 50 * time.Millisecond, 1600 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d attempts", want.attempts), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.start("listeners: {db: {tcp: $db, to: $dead" + keys + "}}")
			start := time.Now()
			f.wantClosed(echo.Dialer{}, "db")
			took := time.Since(start)
			f.untilStat("cluster.db.upstream_cx_connect_fail", want.attempts)
			t.Logf("%d attempts in %v", want.attempts, took.Round(time.Millisecond))
			if took < want.atLeast || took > want.atMost {
				t.Errorf("%d attempts took %v, want %v to %v", want.attempts, took, want.atLeast, want.atMost)
			}
		})
	}
}
