//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// fleet is a daemon and Envoys that follow it, for one test.
//
// Configurations are written with words for addresses: `$blue` is the backend of that name, any other word is a free
// address on loopback, the same one each time it is asked for.
type fleet struct {
	*rig.Rig
	t       *testing.T
	ctx     context.Context // ends with the test
	variant string
	program string   // the l4xds command; empty is the one that all tests use
	wrap    []string // words in front of the command of Envoys
	claims  []string // the capabilities that Envoys declare
	words   map[string]string
	daemon  *rig.Daemon
	envoy   *rig.Envoy // the first one
}

// eachVariant runs the test with Envoys that speak delta and with Envoys that speak state of the world, side by side.
func eachVariant(t *testing.T, test func(f *fleet)) {
	t.Helper()
	t.Parallel()
	for _, variant := range []string{"delta", "sotw"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			test(newFleet(t, variant))
		})
	}
}

func newFleet(t *testing.T, variant string) *fleet {
	t.Helper()
	// Not t.TempDir: a unix socket's path has to be short.
	dir, err := os.MkdirTemp("", "l4xds")
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{Rig: rig.New(dir), t: t, ctx: t.Context(), variant: variant, words: map[string]string{}}
	t.Cleanup(f.end)
	return f
}

// end stops everything. The logs of a failed test are shown and kept.
func (f *fleet) end() {
	if err := f.Close(); err != nil {
		f.t.Error(err)
	}
	logs := f.readLogs()
	for _, log := range logs {
		if strings.Contains(log, "DATA RACE") {
			f.t.Error("the daemon has a data race")
		}
		if strings.Contains(log, "PRIVATE KEY") {
			f.t.Error("a log shows a private key")
		}
	}
	if !f.t.Failed() {
		_ = os.RemoveAll(f.Dir)
		return
	}
	f.t.Logf("kept: %s", f.Dir)
	for path, log := range logs {
		f.t.Logf("%s:\n%s", path, log[max(0, len(log)-4000):])
	}
}

// readLogs are the texts of all logs, by path.
func (f *fleet) readLogs() map[string]string {
	logs := map[string]string{}
	for _, path := range f.Logs() {
		text, err := os.ReadFile(path)
		if err != nil {
			f.t.Error(err)
		}
		logs[path] = string(text)
	}
	return logs
}

// needIPv6 skips the test on a machine that has no IPv6, where nothing could be shown.
func needIPv6(t *testing.T) {
	t.Helper()
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6:", err)
	}
	_ = probe.Close()
}

// must ends the test if err is not nil.
func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

var (
	word    = regexp.MustCompile(`\$[a-z][a-z0-9]*`)
	address = regexp.MustCompile(`[0-9.:]+`)
)

// text is a configuration with its words replaced.
func (f *fleet) text(config string) string {
	return word.ReplaceAllStringFunc(config, func(w string) string { return `"` + f.addr(w[1:]) + `"` })
}

// addr is what the word stands for.
func (f *fleet) addr(word string) string {
	f.t.Helper()
	if _, known := f.words[word]; !known {
		f.words[word] = "127.0.0.1:" + strconv.Itoa(f.ports(1))
	}
	return f.words[word]
}

// ports is the first of n free ports in a row.
func (f *fleet) ports(n int) int {
	f.t.Helper()
	first, err := rig.PortRange(n)
	f.must(err)
	return first
}

// port is the port of what the word stands for.
func (f *fleet) port(word string) string {
	f.t.Helper()
	_, port, err := net.SplitHostPort(f.addr(word))
	f.must(err)
	return port
}

// backends starts stand-ins with these names, each on TCP and UDP.
func (f *fleet) backends(names ...string) {
	f.t.Helper()
	for _, name := range names {
		f.keep(echo.ListenTCP(name, f.addr(name)))
		f.keep(echo.ListenUDP(name, f.addr(name)))
	}
}

// authority makes the certificates of the test.
func (f *fleet) authority() *certs.Authority {
	f.t.Helper()
	ca, err := certs.NewAuthority()
	f.must(err)
	return ca
}

// tlsBackend starts a stand-in that speaks TLS with a certificate for the host.
func (f *fleet) tlsBackend(ca *certs.Authority, name, host string) {
	f.t.Helper()
	config, err := ca.Server(host)
	f.must(err)
	f.keep(echo.ListenTLS(name, f.addr(name), config))
}

func (f *fleet) keep(s *echo.Server, err error) {
	f.t.Helper()
	f.must(err)
	f.Keep(s)
}

// start runs the daemon on the configuration, and one Envoy, until it has it.
func (f *fleet) start(config string, flags ...string) {
	f.t.Helper()
	f.startDaemon(config, flags...)
	f.envoy = f.startEnvoy("edge-1", "edge")
}

func (f *fleet) startDaemon(config string, flags ...string) {
	f.t.Helper()
	var err error
	f.daemon, err = f.StartDaemon(cmp.Or(f.program, program), f.text(config), flags...)
	f.must(err)
	f.wait(f.daemon.WaitReady)
}

// startEnvoy starts one more Envoy and waits until it has what is in force.
func (f *fleet) startEnvoy(id, cluster string, metadata ...string) *rig.Envoy {
	f.t.Helper()
	envoy, err := f.StartEnvoy(rig.EnvoyOptions{
		ID: id, Cluster: cluster, Metadata: metadata, Variant: f.variant, Daemon: f.daemon, Wrap: f.wrap, Capabilities: f.claims,
	})
	f.must(err)
	f.wait(envoy.WaitReady)
	f.waitStatus(func(s *rig.Status) error {
		if !slices.ContainsFunc(s.Nodes, func(n rig.Node) bool { return n.ID == id && n.State == "synced" }) {
			return fmt.Errorf("envoy %s is not synced: %+v", id, s.Nodes)
		}
		return nil
	})
	return envoy
}

// edit replaces the configuration, and waits until all Envoys have it.
func (f *fleet) edit(config string) {
	f.t.Helper()
	f.wait(func(ctx context.Context) error { return f.daemon.Apply(ctx, f.text(config)) })
}

// wait ends the test if what is waited for does not come.
func (f *fleet) wait(do func(context.Context) error) {
	f.t.Helper()
	ctx, cancel := rig.Patience(f.ctx)
	defer cancel()
	f.must(do(ctx))
}

func (f *fleet) waitStatus(want func(*rig.Status) error) {
	f.t.Helper()
	f.wait(func(ctx context.Context) error { return f.daemon.WaitStatus(ctx, want) })
}

// waitNodes waits until so many Envoys are connected and have what is in force.
func (f *fleet) waitNodes(n int) {
	f.t.Helper()
	f.waitStatus(func(s *rig.Status) error {
		if len(s.Nodes) != n {
			return fmt.Errorf("%d envoys are connected, want %d", len(s.Nodes), n)
		}
		return s.Synced()
	})
}

// until ends the test if try does not succeed in the end.
func (f *fleet) until(try func(ctx context.Context) error) {
	f.t.Helper()
	f.wait(func(ctx context.Context) error {
		return rig.Until(ctx, func() error { return try(ctx) })
	})
}

// dial connects through the listener; the connection must get a backend, and ends with the test.
func (f *fleet) dial(listener string) *echo.Conn {
	f.t.Helper()
	conn, err := echo.Dial(f.ctx, f.addr(listener))
	f.must(err)
	f.Keep(conn)
	return conn
}

// session is a UDP client that has had its first answer.
type session struct {
	*echo.Session
	first echo.Answer
}

// session opens a UDP session through the listener, which ends with the test.
func (f *fleet) session(listener string) *session {
	f.t.Helper()
	client, err := echo.OpenSession(f.ctx, f.addr(listener))
	f.must(err)
	f.Keep(client)
	first, err := client.Ask("hello", 5*time.Second)
	f.must(err)
	return &session{Session: client, first: first}
}

// sessionAt is a new session that has reached the backend, however many tries that takes.
func (f *fleet) sessionAt(listener, backend string) *session {
	f.t.Helper()
	var s *session
	f.until(func(context.Context) error {
		s = f.session(listener)
		return same(s.first.Backend, backend)
	})
	return s
}

// wantUnmoved wants the session answered as at first: by the same backend, which sees the same address.
func (s *session) wantUnmoved(f *fleet) {
	f.t.Helper()
	now, err := s.Ask("hello", 5*time.Second)
	f.must(err)
	if now.Backend != s.first.Backend || now.Source != s.first.Source {
		f.t.Errorf("a session moved from %s at %s to %s at %s", s.first.Source, s.first.Backend, now.Source, now.Backend)
	}
}

// wantTCP waits until a new connection through the listener reaches the backend and carries bytes both ways.
func (f *fleet) wantTCP(listener, backend string) {
	f.t.Helper()
	f.wantDialed(echo.Dialer{}, listener, backend)
}

func (f *fleet) wantDialed(dialer echo.Dialer, listener, backend string) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		conn, err := dialer.Dial(ctx, f.addr(listener))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return cmp.Or(conn.Ask("hello"), same(conn.Backend, backend))
	})
}

// wantUDP waits until a new session through the listener reaches the backend.
func (f *fleet) wantUDP(listener, backend string) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		session, err := echo.OpenSession(ctx, f.addr(listener))
		if err != nil {
			return err
		}
		defer func() { _ = session.Close() }()
		answer, err := session.Ask("hello", 200*time.Millisecond)
		return cmp.Or(err, same(answer.Backend, backend))
	})
}

// wantRefused waits until nobody listens at the listener's address any more.
func (f *fleet) wantRefused(listener string) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", f.addr(listener))
		if err != nil {
			return nil
		}
		return cmp.Or(conn.Close(), fmt.Errorf("%s still listens", listener))
	})
}

// wantClosed: the listener accepts the client, and closes before any backend answers.
func (f *fleet) wantClosed(dialer echo.Dialer, listener string) {
	f.t.Helper()
	conn, err := dialer.Dial(f.ctx, f.addr(listener))
	if err == nil {
		f.t.Fatalf("%s let the client through to %s", listener, conn.Backend)
	}
	if !errors.Is(err, echo.ErrRefused) {
		f.t.Fatalf("%s: %v, want a connection that is closed", listener, err)
	}
}

// wantListeners waits until the Envoy accepts connections on these listeners and no others.
func (f *fleet) wantListeners(envoy *rig.Envoy, names ...string) {
	f.t.Helper()
	slices.Sort(names)
	f.until(func(ctx context.Context) error {
		got, err := envoy.Listeners(ctx)
		slices.Sort(got)
		if err == nil && !slices.Equal(got, names) {
			err = fmt.Errorf("listeners are %v, want %v", got, names)
		}
		return err
	})
}

func same(got, want string) error {
	if got != want {
		return fmt.Errorf("reached %q, want %q", got, want)
	}
	return nil
}
