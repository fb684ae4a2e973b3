package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/test/bench/raw"
)

// follower is a raw client of a server, and what is awaited of it.
type follower struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the client has ended
	err    error         // of the client; read after done
	ready  chan struct{} // closed when it has listeners

	mu   sync.Mutex // guards want
	want func(raw.Response) bool
	seen chan time.Time
}

// follow connects a raw client, and waits until it has everything.
func (s *server) follow(ctx context.Context, w *world, delta bool) (*follower, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{
		cancel: cancel, done: make(chan struct{}), ready: make(chan struct{}), seen: make(chan time.Time, 1),
	}
	client := raw.Client{
		Server: s.xds, ID: "bench-1", Cluster: edge, Delta: delta, Assignments: raw.NewNames(w.names()),
		Received: f.received,
	}
	if err := s.waitListening(ctx); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		f.err = client.Run(ctx)
		close(f.done)
	}()
	select {
	case <-f.ready:
		return f, nil
	case <-f.done:
		cancel()
		return nil, f.err
	case <-time.After(giveUp):
		f.stop()
		return nil, errors.New("the raw client gets no listeners")
	}
}

// stop ends the client.
func (f *follower) stop() {
	f.cancel()
	<-f.done
}

// received is called for each response, by the client.
func (f *follower) received(r raw.Response) {
	now := time.Now()
	if r.Type == snapshot.LDS {
		select {
		case <-f.ready:
		default:
			close(f.ready)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want != nil && f.want(r) {
		f.want = nil
		f.seen <- now
	}
}

// first commits the edit and tells the time from then to the first response that is wanted.
func (f *follower) first(ctx context.Context, e edit, want func(raw.Response) bool) (time.Duration, error) {
	f.mu.Lock()
	f.want = want
	f.mu.Unlock()
	began, err := e.commit()
	if err != nil {
		return 0, err
	}
	select {
	case at := <-f.seen:
		return at.Sub(began), nil
	case <-time.After(giveUp):
		return 0, errNoEffect
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
