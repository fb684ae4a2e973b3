//go:build e2e

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/masque"
)

// exits are two far ends without near ones; the verb is a port that names below localhost are reached at.
const exits = `
listeners: {}
tunnels:
  hub: {exit: {tcp: $hub, targets: [$one, $six, "*.localhost:%[1]s"]}}
  in: {method: post, path: /in, exit: {tcp: $in, targets: [$one, $six, "*.localhost:%[1]s"]}}
`

// startExits starts them, with a target on IPv4 and one on IPv6, both of the port that is returned.
func (f *fleet) startExits() (port string) {
	f.t.Helper()
	f.backends("one")
	port = f.port("one")
	f.words["six"] = net.JoinHostPort("::1", port)
	f.keep(echo.ListenTCP("six", f.words["six"]))
	f.keep(echo.ListenUDP("six", f.words["six"]))
	f.start(fmt.Sprintf(exits, port))
	return port
}

// TestExitTargets: a client that is no Envoy reaches the targets of an exit, by the names and addresses that stand
// there, and nothing else.
func TestExitTargets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	port := f.startExits()
	refused := map[string]int{}
	for host, want := range map[string]string{
		"127.0.0.1":     "one",
		"[::1]":         "six",
		"a.localhost":   "one",
		"a.b.localhost": "one",
		"A.LocalHost":   "one",
		"localhost":     "", // not below itself
		"alocalhost":    "",
		"localhost.a":   "",
		"a.localhost.":  "",
		"127.0.0.2":     "",
		"127.1":         "", // other ways to write what may be asked for
		"[0::1]":        "",
	} {
		for _, ask := range f.asks(host, port) {
			if want == "" {
				refused[ask.Proxy]++
			}
			f.wantReached(ask, want)
		}
	}
	for _, ask := range f.asks("127.0.0.1", "1") {
		refused[ask.Proxy]++
		f.wantReached(ask, "")
	}
	for _, exit := range []string{"hub", "in"} {
		f.untilStat("http."+exit+".downstream_rq_4xx", refused[f.addr(exit)])
	}
}

// asks are all ways to ask the exits for a target.
func (f *fleet) asks(host, port string) []masque.Ask {
	target := host + ":" + port
	return []masque.Ask{
		{Proxy: f.addr("hub"), HTTP: 1, Method: http.MethodConnect, Authority: target},
		{Proxy: f.addr("hub"), HTTP: 2, Method: http.MethodConnect, Authority: target},
		{
			Proxy: f.addr("hub"), HTTP: 2, Method: http.MethodConnect, Authority: "hub.example.net", Datagrams: true,
			Path: masque.UDPPath(strings.Trim(host, "[]"), port),
		},
		{Proxy: f.addr("in"), HTTP: 1, Method: http.MethodPost, Authority: target, Path: "/in"},
		{Proxy: f.addr("in"), HTTP: 2, Method: http.MethodPost, Authority: target, Path: "/in"},
	}
}

// TestExitOtherWays: an exit takes the requests of its own method and path alone.
func TestExitOtherWays(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.startExits()
	for _, ask := range []masque.Ask{
		{Proxy: f.addr("hub"), HTTP: 2, Method: http.MethodPost, Authority: f.addr("one"), Path: "/"},
		{Proxy: f.addr("hub"), HTTP: 2, Method: http.MethodConnect, Authority: "127.0.0.1"},
		{Proxy: f.addr("in"), HTTP: 1, Method: http.MethodConnect, Authority: f.addr("one")},
		{Proxy: f.addr("in"), HTTP: 2, Method: http.MethodConnect, Authority: f.addr("one")},
		{Proxy: f.addr("in"), HTTP: 2, Method: http.MethodPost, Authority: f.addr("one"), Path: "/in/"},
		{Proxy: f.addr("in"), HTTP: 2, Method: http.MethodPut, Authority: f.addr("one"), Path: "/in"},
	} {
		f.wantReached(ask, "")
	}
}

// wantReached wants the backend to answer, or, if it is empty, the status for what an exit does not go to.
func (f *fleet) wantReached(ask masque.Ask, backend string) {
	f.t.Helper()
	stream, err := ask.Open(f.ctx)
	if err == nil {
		defer func() { _ = stream.Close() }()
	}
	switch {
	case backend == "" && errors.Is(err, masque.RefusedError(http.StatusNotFound)):
		return
	case backend == "" || err != nil:
		f.t.Errorf("%+v: %v, want %q (empty: 404)", ask, err, backend)
		return
	}
	stop := time.AfterFunc(10*time.Second, func() { _ = stream.Close() })
	defer stop.Stop()
	if err := greet(stream, ask.Datagrams, backend); err != nil {
		f.t.Errorf("%+v: %v", ask, err)
	}
}

// greet wants the backend's greeting on the stream, or its answer to a large datagram.
func greet(stream *masque.Stream, datagrams bool, backend string) error {
	if !datagrams {
		greeting, err := stream.ReadLine()
		name, _, _ := strings.Cut(greeting, " ")
		return cmp.Or(err, same(name, backend))
	}
	text := string(noise(1, 9000))
	if err := stream.Send(text); err != nil {
		return err
	}
	answer, err := stream.Receive()
	name, rest, _ := strings.Cut(answer, " ")
	if err == nil && !strings.HasSuffix(rest, text) {
		err = errors.New("another datagram came back")
	}
	return cmp.Or(err, same(name, backend))
}

// TestTunnelIPv6: both ends from one file agree on how an IPv6 address is asked for.
func TestTunnelIPv6(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.words["six"] = net.JoinHostPort("::1", f.port("six"))
	f.backends("six")
	f.startTunnel(`
listeners: {both: {tcp: $both, udp: $both, to: $six, via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {nodes: {id: far}}}}
`)
	f.wantTCP("both", "six")
	f.wantUDP("both", "six")
}

// TestExitPing: what a near end that hangs has open is closed; without ping it stays.
func TestExitPing(t *testing.T) {
	for keys, left := range map[string]int{"ping: {interval: 300ms, timeout: 300ms}": 0, "ping: none": 2} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one", "two")
			far := f.startTunnel(strings.Replace(fmt.Sprintf(tunnelled, "http: 2"), "{nodes: {id: far}}", "{"+keys+", nodes: {id: far}}", 1))
			near := f.envoy
			f.envoy = far
			conn, session := f.dial("tcp"), f.session("udp")
			time.Sleep(time.Second)
			f.must(conn.Ask("still there"))
			session.wantUnmoved(f)
			f.untilStat("http.hub.downstream_rq_active", 2)
			f.must(near.Signal(syscall.SIGSTOP))
			t.Cleanup(func() { _ = near.Signal(syscall.SIGCONT) }) // a frozen process would not end
			if left > 0 {
				time.Sleep(2 * time.Second)
			}
			f.untilStat("http.hub.downstream_rq_active", left)
		})
	}
}
