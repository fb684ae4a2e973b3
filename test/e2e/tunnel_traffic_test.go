//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// byTCP and byUDP are a tunnel with one listener; the verb is the tunnel's keys.
const (
	byTCP = `
listeners: {tcp: {tcp: $tcp, to: $two, via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}}
`
	byUDP = `
listeners: {udp: {udp: $udp, to: $one, via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, %s, exit: {nodes: {id: far}}}}
`
)

// over is config, whose verb is the keys of its tunnel, with what HTTP/3 needs if that is among them.
func (f *fleet) over(config, keys string) string {
	f.t.Helper()
	config = fmt.Sprintf(config, keys)
	if !strings.Contains(keys, "http: 3") {
		return config
	}
	ca := f.authority()
	f.trust(ca, "ca")
	f.issue(ca, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
	config = strings.ReplaceAll(config, "http: 3", "http: 3, tls: {ca: ../ca.crt, sni: hub.example.com}")
	config = strings.ReplaceAll(config, "exit: {tcp:", "exit: {udp:")
	return strings.ReplaceAll(config, "exit: {", "exit: {tls: ../hub.crt, ")
}

// startTunnel starts both ends; f.envoy is the near one, the far one is returned.
func (f *fleet) startTunnel(config string) *rig.Envoy {
	f.t.Helper()
	f.startDaemon(config)
	far := f.startEnvoy("far", "far")
	f.envoy = f.startEnvoy("near", "near")
	return far
}

// untilStat waits until the near end's statistic is so.
func (f *fleet) untilStat(name string, want int) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		got, err := f.envoy.Stat(ctx, name)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %d, want %d", name, got, want)
		}
		return err
	})
}

// TestTunnelSessions: many sessions are open side by side in a connection or two, and keep their datagrams apart.
func TestTunnelSessions(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one")
		f.startTunnel(fmt.Sprintf(byUDP, "http: 2"))
		f.askBySessions([]int{1, 2, 63, 64, 500, 1200, 1472, 1500, 1501, 4096, 9000})
		f.untilStat("cluster.hub.udp.sess_tunnel_success", sessions)
		connections, err := f.envoy.Stat(f.ctx, "cluster.hub.upstream_cx_total")
		f.must(err)
		f.t.Logf("%d sessions in %d connections", sessions, connections)
		// On a kernel that coalesces datagrams Envoy has room for 64 KB, whatever the listener says.
		if _, err := f.session("udp").Ask(string(noise(0, 60000)), 5*time.Second); err != nil {
			f.t.Errorf("60000 bytes: %v", err)
		}
		if connections > 2 { // one for each worker thread
			f.t.Errorf("%d sessions took %d connections, want 2 at most", sessions, connections)
		}
	})
}

// TestTunnelSessionsHTTP3: the same over HTTP/3, with datagrams that fit.
func TestTunnelSessionsHTTP3(t *testing.T) {
	onDelta(t, func(f *fleet) {
		f.backends("one")
		f.startTunnel(f.over(byUDP, "http: 3"))
		f.askBySessions([]int{1, 2, 63, 64, 500, 1200, 1220, 1221, 1400, fitting - len("one 127.0.0.1:65535 ")})
		f.untilStat("cluster.hub.udp.sess_tunnel_success", sessions)
	})
}

// sessions is how many are open side by side.
const sessions = 60

// askBySessions opens sessions, and has each of them ask with datagrams of these sizes.
func (f *fleet) askBySessions(sizes []int) {
	f.t.Helper()
	// So many at once fit into a socket's buffer; more would be lost there, tunnel or not.
	turns := make(chan struct{}, 8)
	var asking sync.WaitGroup
	for i := range sessions {
		client, err := echo.OpenSession(f.ctx, f.addr("udp"))
		f.must(err)
		f.Keep(client)
		asking.Go(func() { f.askSizes(client, uint64(i), sizes, turns) })
	}
	asking.Wait()
	f.untilStat("udp.udp.downstream_sess_active", sessions)
}

// askSizes wants a datagram of each size back as it was sent. Sessions take turns with each other.
func (f *fleet) askSizes(client *echo.Session, seed uint64, sizes []int, turns chan struct{}) {
	for _, size := range sizes {
		turns <- struct{}{}
		_, err := client.Ask(string(noise(seed, size)), 5*time.Second)
		<-turns
		if err != nil {
			f.t.Errorf("session %d, %d bytes: %v", seed, size, err)
		}
	}
}

// noise is size bytes that differ with each seed.
func noise(seed uint64, size int) []byte {
	var key [32]byte
	copy(key[:], strconv.FormatUint(seed, 10))
	text := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(text) // never fails
	return text
}

// TestTunnelBuffer: what is sent while the far end is not there yet arrives once it is, unless nothing is to be held.
func TestTunnelBuffer(t *testing.T) {
	const early = 20 // of one byte, 4 with the capsule around it
	for keys, want := range map[string]int{"": early, ", buffer: none": 0, ", buffer: 5": 5, ", buffer: {bytes: 19}": 4} {
		t.Run("kept "+strconv.Itoa(want), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one")
			f.startDaemon(fmt.Sprintf(byUDP, "http: 2, retry: {attempts: 100, backoff: 50ms}"+keys))
			f.envoy = f.startEnvoy("near", "near")
			client, err := echo.OpenSession(f.ctx, f.addr("udp"))
			f.must(err)
			f.Keep(client)
			for i := range early {
				f.must(client.Send(string(rune('a' + i))))
			}
			f.untilStat("udp.udp.downstream_sess_rx_datagrams", early)
			f.startEnvoy("far", "far")
			if got := f.answersBefore(client, "the end"); got != "abcdefghijklmnopqrst"[:want] {
				t.Errorf("answered were %q, want the first %d", got, want)
			}
		})
	}
}

// answersBefore asks until the last question is answered; it returns the texts that were answered before.
func (f *fleet) answersBefore(client *echo.Session, last string) string {
	f.t.Helper()
	var before strings.Builder
	f.until(func(context.Context) error {
		if err := client.Send(last); err != nil {
			return err
		}
		for deadline := time.Now().Add(200 * time.Millisecond); ; {
			answer, err := client.Receive(deadline)
			if err != nil || answer.Text == last {
				return err
			}
			before.WriteString(answer.Text)
		}
	})
	return before.String()
}

// TestTunnelBulk: 50 MB go each way at once, and arrive as they were.
func TestTunnelBulk(t *testing.T) {
	const size = 50 << 20
	for _, http := range []string{"http: 1", "http: 2", "http: 3"} {
		t.Run(http, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("two")
			f.startTunnel(f.over(byTCP, http))
			conn := f.dial("tcp")
			f.must(conn.SetDeadline(time.Now().Add(30 * time.Second)))
			sent, start := noise(1, size), time.Now()
			var writing sync.WaitGroup
			writing.Go(func() {
				if _, err := conn.Write(sent); err != nil {
					t.Error(err)
				}
			})
			received := sha256.New()
			_, err := io.CopyN(received, conn.Conn, size) // the greeting was all that the connection's reader held
			f.must(err)
			writing.Wait()
			t.Logf("%d MB each way in %v", size>>20, time.Since(start).Round(time.Millisecond))
			if want := sha256.Sum256(sent); !bytes.Equal(received.Sum(nil), want[:]) {
				t.Error("other bytes came back than were sent")
			}
		})
	}
}

// TestTunnelHalfClose: a server that answers when its client has said all is heard over HTTP/2. HTTP/1.1 cannot end one
// direction alone, so that its clients hear nothing.
func TestTunnelHalfClose(t *testing.T) {
	const request = "all of it"
	for http, want := range map[string]string{"http: 1": "", "http: 2": "heard: " + request, "http: 3": "heard: " + request} {
		t.Run(http, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.lateBackend("two")
			f.startTunnel(f.over(byTCP, http))
			conn, err := net.Dial("tcp", f.addr("tcp"))
			f.must(err)
			f.Keep(conn)
			f.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
			_, err = io.WriteString(conn, request)
			f.must(err)
			f.must(conn.(*net.TCPConn).CloseWrite())
			heard, err := io.ReadAll(conn)
			t.Logf("heard %q, %v", heard, err)
			if errors.Is(err, syscall.ECONNRESET) && want == "" {
				err = nil
			}
			if err != nil || string(heard) != want {
				t.Errorf("the client heard %q, %v, want %q", heard, err, want)
			}
		})
	}
}

// lateBackend starts a server that reads until its client has said all, and answers only then.
func (f *fleet) lateBackend(name string) {
	f.t.Helper()
	listener, err := net.Listen("tcp", f.addr(name))
	f.must(err)
	f.Keep(listener)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if said, err := io.ReadAll(conn); err == nil {
					_, _ = fmt.Fprintf(conn, "heard: %s", said)
				}
			}()
		}
	}()
}

// TestTunnelServerEnds: a server that has said all ends both directions; what its client says afterwards is lost.
func TestTunnelServerEnds(t *testing.T) {
	for _, http := range []string{"http: 1", "http: 2", "http: 3"} {
		t.Run(http, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			heard := f.earlyBackend("two", "that is all")
			f.startTunnel(f.over(byTCP, http))
			conn, err := net.Dial("tcp", f.addr("tcp"))
			f.must(err)
			f.Keep(conn)
			f.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
			said, err := io.ReadAll(conn)
			if err != nil || string(said) != "that is all" {
				t.Errorf("the client heard %q, %v", said, err)
			}
			_, _ = io.WriteString(conn, "not yet") // an error if the kernel has heard already that nobody listens
			_ = conn.(*net.TCPConn).CloseWrite()
			if text := <-heard; text != "" {
				t.Errorf("the server heard %q after its end, which is more than the tunnel promises", text)
			}
		})
	}
}

// earlyBackend starts a server that says all it has to say to the first client, and then listens.
func (f *fleet) earlyBackend(name, text string) (heard <-chan string) {
	f.t.Helper()
	listener, err := net.Listen("tcp", f.addr(name))
	f.must(err)
	f.Keep(listener)
	all := make(chan string, 1)
	go func() {
		defer close(all)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
		said, _ := io.ReadAll(conn) // cut or ended, that is all
		all <- string(said)
	}()
	return all
}

// oneDead is a tunnel of whose two far ends one is not there; the verb is the tunnel's keys.
const oneDead = `
listeners:
  udp: {udp: $udp, to: $one, via: hub, nodes: {id: near}}
  tcp: {tcp: $tcp, to: $two, via: hub, nodes: {id: near}}
tunnels:
  hub: {proxy: [$hub, $dead], %s, exit: {tcp: $hub, nodes: {id: far}}}
`

// TestTunnelRetry: with one dead far end of two, each second attempt fails; who may try again reaches the other.
func TestTunnelRetry(t *testing.T) {
	const tries = 12
	for keys, retried := range map[string]bool{
		"http: 2": true, "http: 2, retry: none": false, "http: 3": true, "http: 3, retry: none": false,
	} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one", "two")
			f.startTunnel(f.over(oneDead, keys))
			tcp, udp := f.failedConnections("tcp", tries), f.failedSessions("udp", tries)
			t.Logf("failed of %d: %d connections, %d sessions", tries, tcp, udp)
			for _, failed := range []int{tcp, udp} {
				if retried && failed > 0 || !retried && (failed == 0 || failed == tries) {
					t.Errorf("%d of %d failed", failed, tries)
				}
			}
		})
	}
}

// failedConnections opens connections one after the other, and counts those that reach nobody.
func (f *fleet) failedConnections(listener string, n int) (failed int) {
	for range n {
		conn, err := echo.Dial(f.ctx, f.addr(listener))
		if err != nil {
			failed++
			continue
		}
		_ = conn.Close()
	}
	return failed
}

// failedSessions opens sessions one after the other, and counts those whose first datagram gets no answer.
func (f *fleet) failedSessions(listener string, n int) (failed int) {
	f.t.Helper()
	for range n {
		client, err := echo.OpenSession(f.ctx, f.addr(listener))
		f.must(err)
		f.Keep(client)
		if _, err := client.Ask("hello", 300*time.Millisecond); err != nil {
			failed++
		}
	}
	return failed
}

// TestTunnelFarEndRestarted: a far end that was away is used again when it is back.
func TestTunnelFarEndRestarted(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two")
		far := f.startTunnel(fmt.Sprintf(tunnelled, "http: 2"))
		session, conn := f.session("udp"), f.dial("tcp")
		f.must(far.Close())
		if err := conn.Ask("anybody there"); err == nil {
			f.t.Error("a connection outlived its far end")
		}
		f.wantClosed(echo.Dialer{}, "tcp")
		f.must(far.Start())
		f.wait(far.WaitReady)
		f.until(func(context.Context) error {
			_, err := session.Ask("hello again", 200*time.Millisecond)
			return err
		})
		f.wantTCP("tcp", "two")
	})
}

// twoHubs is a tunnel with two far ends, each an Envoy of its own; the verb is the tunnel's keys.
const twoHubs = `
listeners: {udp: {udp: $udp, to: $one, via: hub, nodes: {id: near}}}
tunnels:
  hub: {proxy: [$east, $west], %s}
  east: {exit: {tcp: $east, targets: $one, nodes: {id: east}}}
  west: {exit: {tcp: $west, targets: $one, nodes: {id: west}}}
`

// TestTunnelPing: sessions leave a far end that is connected and hangs, for one that does not; without ping they stay.
func TestTunnelPing(t *testing.T) {
	const sessions = 4 // two workers take turns between two far ends: some are at each
	for keys, leave := range map[string]bool{
		"http: 2, ping: {interval: 300ms, timeout: 300ms}": true, "http: 2, ping: none": false,
		"http: 3, ping: {interval: 1s, timeout: 300ms}": true, "http: 3, ping: none": false,
	} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one")
			f.startDaemon(f.over(twoHubs, keys))
			east := f.startEnvoy("east", "hub")
			f.startEnvoy("west", "hub")
			f.envoy = f.startEnvoy("near", "near")
			var open []*session
			for range sessions {
				open = append(open, f.session("udp"))
			}
			f.must(east.Signal(syscall.SIGSTOP))
			t.Cleanup(func() { _ = east.Signal(syscall.SIGCONT) }) // a frozen process would not end
			stuck := stuckSessions(open, 200*time.Millisecond)
			if len(stuck) == 0 || len(stuck) == sessions {
				t.Fatalf("%d of %d sessions are at the far end that hangs", len(stuck), sessions)
			}
			start, patience := time.Now(), 2*time.Second
			if leave {
				patience = 20 * time.Second
			}
			for len(stuck) > 0 && time.Since(start) < patience {
				stuck = stuckSessions(stuck, 200*time.Millisecond)
			}
			t.Logf("after %v %d sessions are stuck", time.Since(start).Round(time.Millisecond), len(stuck))
			if left := len(stuck) == 0; left != leave {
				t.Errorf("sessions left the far end: %v, want %v", left, leave)
			}
		})
	}
}

// stuckSessions are those that get no answer in time.
func stuckSessions(sessions []*session, wait time.Duration) (stuck []*session) {
	for _, s := range sessions {
		if _, err := s.Ask(time.Now().String(), wait); err != nil {
			stuck = append(stuck, s)
		}
	}
	return stuck
}

// TestTunnelCheck: a check by HTTP takes a far end out that is connected to and hangs, so that no new connection waits
// for it, and brings it back.
func TestTunnelCheck(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.backends("one")
	config := strings.Replace(fmt.Sprintf(twoHubs, "http: 2, ping: {interval: 300ms, timeout: 300ms}, check: {http: 300ms, timeout: 300ms, fall: 2, rise: 1}"),
		"{udp: $udp,", "{tcp: $tcp, udp: $udp,", 1)
	f.startDaemon(config)
	east := f.startEnvoy("east", "hub")
	f.startEnvoy("west", "hub")
	f.envoy = f.startEnvoy("near", "near")
	f.untilStat("cluster.hub.membership_healthy", 2)
	f.must(east.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = east.Signal(syscall.SIGCONT) }) // a frozen process would not end
	f.untilStat("cluster.hub.membership_healthy", 1)
	for range 20 {
		start := time.Now()
		f.wantTCP("tcp", "one")
		if took := time.Since(start); took > time.Second {
			t.Errorf("a new connection took %v", took)
		}
	}
	f.must(east.Signal(syscall.SIGCONT))
	f.untilStat("cluster.hub.membership_healthy", 2)
}
