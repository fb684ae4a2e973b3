package xds

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// transport is a gRPC stream in memory.
type transport struct {
	grpc.ServerStream
	ctx context.Context
	// write is what becomes of a response.
	write func(*frame) error
}

func (tr *transport) Context() context.Context { return tr.ctx }

func (tr *transport) SendMsg(m any) error { return tr.write(m.(*frame)) }

// call is one stream of a server, as its client sees it.
type call struct {
	messages chan *message
	frames   chan *frame
	ended    chan error
}

// startCall begins a stream, inside of synctest. Unless the client reads, no response can be written. The client resets the stream when the
// test ends.
func startCall(t *testing.T, s *Server, v Variant, reads bool) *call {
	t.Helper()
	c := &call{messages: make(chan *message), frames: make(chan *frame, 100), ended: make(chan error, 1)}
	ctx := t.Context()
	write := func(f *frame) error {
		if reads {
			c.frames <- f
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	receive := func() (*message, error) {
		select {
		case m := <-c.messages:
			return m, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	go func() { c.ended <- s.serve(&transport{ctx: ctx, write: write}, v, receive) }()
	return c
}

// trackerFunc is a tracker that has something to say about updates only.
type trackerFunc func(StreamState)

func (f trackerFunc) Update(s StreamState) { f(s) }
func (trackerFunc) Closed(uint64, string)  {}

// ignore is a tracker that has nothing to say.
var ignore = trackerFunc(func(StreamState) {})

func newTestServer(tracker Tracker, log io.Writer) *Server {
	return New(snapshot.NewStore(), tracker, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(log, nil)))
}

// helloFor is a first request.
func helloFor(typ snapshot.Type) *message {
	return &message{typeURL: typ.URL(), node: &corev3.Node{Id: "n"}, request: request{}}
}

// simple is a world with one listener and one cluster.
func simple(revision int64) world {
	return world{listeners: map[string]string{"l": "a"}, clusters: map[string]int64{"a": revision}}
}

// TestReceiverSaysThatItEnds: the owner waits for its receiver, so that a receiver which finds the client gone while it
// holds a message must say so. Otherwise the stream would stay for ever.
func TestReceiverSaysThatItEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st := &stream{transport: &transport{ctx: ctx}, incoming: make(chan *message), failed: make(chan error, 2)}
	st.receive(func() (*message, error) { return helloFor(snapshot.CDS), nil })
	select {
	case err := <-st.failed:
		if clientError(err) != nil {
			t.Errorf("the stream ends with %v, want nil", clientError(err))
		}
	default:
		t.Error("the receiver ended in silence")
	}
}

func TestClientError(t *testing.T) {
	reset := status.Error(codes.Unavailable, "reset")
	for _, c := range []struct{ err, want error }{
		{io.EOF, nil},
		{context.Canceled, nil},
		{status.Error(codes.Canceled, "gone"), nil},
		{reset, reset},
	} {
		if got := clientError(c.err); !errors.Is(got, c.want) {
			t.Errorf("clientError(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

// TestPanicEndsOneStream: a mistake of ours on one stream must not end the daemon, nor tell the client what is inside.
func TestPanicEndsOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newTestServer(trackerFunc(func(StreamState) { panic("a secret") }), &log)
		c := startCall(t, s, SotW, true)
		c.messages <- helloFor(snapshot.CDS)
		err := <-c.ended
		if got := status.Convert(err); got.Code() != codes.Internal || strings.Contains(got.Message(), "secret") {
			t.Errorf("the stream ended with %v", err)
		}
		if !strings.Contains(log.String(), "a secret") || !strings.Contains(log.String(), "stack=") {
			t.Errorf("the log says %q", &log)
		}
		if n := testutil.ToFloat64(s.metrics.closes.WithLabelValues("panic")); n != 1 {
			t.Errorf("%v streams were closed by a panic", n)
		}
	})
}

// TestSendErrorEndsTheStream: a response that cannot be written is the end of its stream.
func TestSendErrorEndsTheStream(t *testing.T) {
	broken := status.Error(codes.Unavailable, "broken pipe")
	s := newTestServer(ignore, io.Discard)
	s.store.Publish(simple(1).build(t, nil))
	received := false
	err := s.serve(&transport{ctx: t.Context(), write: func(*frame) error { return broken }}, SotW, func() (*message, error) {
		if received {
			<-t.Context().Done()
			return nil, io.EOF
		}
		received = true
		return helloFor(snapshot.CDS), nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("the stream ended with %v, want %v", err, broken)
	}
}

// TestClientThatDoesNotRead is let go of once a response has been on its way for too long, but not before.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(ignore, io.Discard)
		s.store.Publish(simple(1).build(t, nil))
		c := startCall(t, s, SotW, false)
		began := time.Now()
		c.messages <- helloFor(snapshot.CDS)
		err := <-c.ended
		if took := time.Since(began); status.Code(err) != codes.ResourceExhausted || took != sendTimeout {
			t.Errorf("the stream ended after %s with %v", took, err)
		}
		if n := testutil.ToFloat64(s.metrics.closes.WithLabelValues("slow")); n != 1 {
			t.Errorf("%v streams were closed for being slow", n)
		}
	})
}

// TestQueueIsFull: more responses wait for a client than a session can have without an answer.
func TestQueueIsFull(t *testing.T) {
	s := newTestServer(ignore, io.Discard)
	s.store.Publish(simple(1).build(t, nil))
	st := &stream{
		server: s, transport: &transport{ctx: t.Context()}, state: StreamState{ID: 1, Variant: Delta},
		incoming: make(chan *message, 1), failed: make(chan error, 2), outbox: make(chan *frame), wake: stoppedTimer(),
	}
	st.incoming <- helloFor(snapshot.CDS)
	if reason, err := st.run(); reason != "slow" || status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the stream ended with %q, %v", reason, err)
	}
}

// TestTimersOfAStream: a session that waits is woken in time, and one that gives up ends its stream.
func TestTimersOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(ignore, io.Discard)
		s.store.Publish(simple(1).build(t, nil))
		c := startCall(t, s, Delta, true)
		began := time.Now()
		c.messages <- helloFor(snapshot.CDS)
		c.messages <- helloFor(snapshot.LDS)
		<-c.frames // clusters, which are never acknowledged
		<-c.frames
		if took := time.Since(began); took != listenerPatience {
			t.Errorf("listeners came after %s, want %s", took, listenerPatience)
		}
		for i := range int64(maxUnanswered) {
			s.store.Publish(simple(2+i).build(t, s.store.Current()))
			time.Sleep(deltaPatience)
		}
		if err := <-c.ended; status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the stream ended with %v", err)
		}
		if n := testutil.ToFloat64(s.metrics.closes.WithLabelValues("unresponsive")); n != 1 {
			t.Errorf("%v streams were closed for being unresponsive", n)
		}
	})
}

// TestShutdownTwice: both a signal and the end of the daemon may ask for it.
func TestShutdownTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(ignore, io.Discard)
		c := startCall(t, s, SotW, true)
		s.Shutdown()
		s.Shutdown()
		if err := <-c.ended; status.Code(err) != codes.Unavailable {
			t.Errorf("the stream ended with %v", err)
		}
	})
}
