package conversation

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// patience is how long something may take that is expected to happen: much longer than it does.
const patience = 10 * time.Second

// server is the real server on a real gRPC server, and what it can be observed by.
type server struct {
	xds      *xds.Server
	grpc     *grpc.Server
	store    *snapshot.Store
	registry *prometheus.Registry
	tracker  *tracker
	dial     func(context.Context, string) (net.Conn, error)
}

// newServer is a server in memory, which ends with the test.
func newServer(t testing.TB) *server {
	t.Helper()
	pipe := bufconn.Listen(64 << 10)
	return serveOn(t, pipe, func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) })
}

// newTCPServer is a server on a port of loopback.
func newTCPServer(t testing.TB) *server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
}

func serveOn(t testing.TB, l net.Listener, dial func(context.Context, string) (net.Conn, error)) *server {
	t.Helper()
	s := &server{
		store: snapshot.NewStore(), registry: prometheus.NewRegistry(), tracker: newTracker(),
		grpc: grpc.NewServer(xds.ServerOptions()...), dial: dial,
	}
	s.xds = xds.New(s.store, s.tracker, s.registry, slog.New(slog.DiscardHandler))
	s.xds.Register(s.grpc)
	s.serve(t, l)
	return s
}

// serve runs the gRPC server until the test ends.
func (s *server) serve(t testing.TB, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(l) }()
	t.Cleanup(func() {
		s.grpc.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// connect is a connection of a new client, which ends with the test.
func (s *server) connect(t testing.TB, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithContextDialer(s.dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///l4xds", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// publish puts w in force.
func (s *server) publish(t testing.TB, w world) {
	t.Helper()
	s.store.Publish(w.build(t, s.store.Current()))
}

// tracker remembers what the server tells of its streams.
type tracker struct {
	mu      sync.Mutex
	streams map[uint64]xds.StreamState
	closed  map[uint64]string
	changed chan struct{} // closed and replaced with every event
}

func newTracker() *tracker {
	return &tracker{streams: map[uint64]xds.StreamState{}, closed: map[uint64]string{}, changed: make(chan struct{})}
}

// Update implements [xds.Tracker].
func (tr *tracker) Update(s xds.StreamState) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.streams[s.ID] = s
	tr.wake()
}

// Closed implements [xds.Tracker].
func (tr *tracker) Closed(id uint64, reason string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	delete(tr.streams, id)
	tr.closed[id] = reason
	tr.wake()
}

func (tr *tracker) wake() {
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// await waits until is holds, which is called under the tracker's lock. It reports whether it came to that.
func (tr *tracker) await(is func() bool) bool {
	timeout := time.After(patience)
	for {
		tr.mu.Lock()
		done, changed := is(), tr.changed
		tr.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		}
	}
}

// stream waits until the newest stream of a node is as is wants it, and returns it.
func (tr *tracker) stream(t testing.TB, node string, is func(xds.StreamState) bool) xds.StreamState {
	t.Helper()
	var found xds.StreamState
	if !tr.await(func() bool {
		found = tr.newest(node)
		return found.ID != 0 && is(found)
	}) {
		t.Fatalf("node %s never came to that; it is %+v", node, found)
	}
	return found
}

// newest is the open stream of a node that was opened last; the zero state if there is none.
func (tr *tracker) newest(node string) xds.StreamState {
	var found xds.StreamState
	for _, s := range tr.streams {
		if s.Node.ID == node && s.ID > found.ID {
			found = s
		}
	}
	return found
}

// awaitClosed waits until n streams have ended, and returns the reasons, sorted.
func (tr *tracker) awaitClosed(t testing.TB, n int) []string {
	t.Helper()
	var reasons []string
	if !tr.await(func() bool { return len(tr.closed) >= n }) {
		t.Fatalf("%d streams did not end", n)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, reason := range tr.closed {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	return reasons
}
