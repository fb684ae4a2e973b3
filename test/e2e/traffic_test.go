//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// shortLoad is a stream of short connections: each is opened, greeted by a backend, and closed.
type shortLoad struct {
	f      *fleet
	stop   context.CancelFunc
	done   sync.WaitGroup
	count  atomic.Int64
	mu     sync.Mutex // guards failed
	failed []error
}

// shortConnections opens this many connections a second through the listener, whether or not earlier ones are done,
// until the load is stopped.
func (f *fleet) shortConnections(listener string, perSecond int) *shortLoad {
	ctx, stop := context.WithCancel(f.ctx)
	load := &shortLoad{f: f, stop: stop}
	addr := f.addr(listener)
	load.done.Go(func() {
		start := time.Now()
		for n := 1; ctx.Err() == nil; n++ {
			load.done.Go(func() { load.connect(addr) })
			next := start.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
			time.Sleep(time.Until(next)) // behind time: at once
		}
	})
	return load
}

func (l *shortLoad) connect(addr string) {
	l.count.Add(1)
	conn, err := echo.Dial(context.WithoutCancel(l.f.ctx), addr)
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, fmt.Errorf("%s: %w", time.Now().Format("05.000"), err))
	}
}

// wantMore waits until this many more connections have been opened.
func (l *shortLoad) wantMore(n int64) {
	l.f.t.Helper()
	want := l.count.Load() + n
	l.f.until(func(context.Context) error {
		if got := l.count.Load(); got < want {
			return fmt.Errorf("%d connections, waiting for %d", got, want)
		}
		return nil
	})
}

// wantNoFailure ends the load, and the test too if a connection failed.
func (l *shortLoad) wantNoFailure() {
	l.f.t.Helper()
	l.stop()
	l.done.Wait()
	l.f.t.Logf("short connections: %d, failed %d", l.count.Load(), len(l.failed))
	if len(l.failed) > 0 {
		l.f.t.Errorf("%d of %d short connections failed, the first with: %v", len(l.failed), l.count.Load(), l.failed[0])
	}
}

// longLoad is connections and sessions that stay open and speak all the time.
type longLoad struct {
	f        *fleet
	stop     context.CancelFunc
	done     sync.WaitGroup
	conns    []*echo.Conn
	broken   atomic.Int64
	sessions []*talk
}

// talk is one UDP session that sends without waiting for answers.
type talk struct {
	*session
	sent, received int
	moves          int // how often another upstream address answered than before
}

// report is what became of a longLoad.
type report struct {
	broken int // TCP connections that failed
	moved  int // UDP sessions that were answered from another address than at first
	sent   int // datagrams
	lost   int
}

const (
	talkEvery = 20 * time.Millisecond  // between the datagrams of a session
	askEvery  = 250 * time.Millisecond // between the questions on a connection
	lateness  = time.Second            // how long the last answers may take
)

// openLoad opens connections and sessions through the listener; all of them have reached a backend when it returns.
func (f *fleet) openLoad(listener string, conns, sessions int) *longLoad {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.ctx)
	load := &longLoad{f: f, stop: stop}
	for range conns {
		load.conns = append(load.conns, f.dial(listener))
	}
	for range sessions {
		load.sessions = append(load.sessions, &talk{session: f.session(listener)})
	}
	for _, conn := range load.conns {
		load.done.Go(func() { load.keepAsking(ctx, conn) })
	}
	for _, t := range load.sessions {
		load.done.Go(func() { t.send(ctx) })
		load.done.Go(func() { t.receive(ctx) })
	}
	return load
}

func (l *longLoad) keepAsking(ctx context.Context, conn *echo.Conn) {
	for ctx.Err() == nil {
		if err := conn.Ask("ping"); err != nil {
			l.broken.Add(1)
			return
		}
		time.Sleep(askEvery)
	}
}

func (t *talk) send(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(talkEvery) {
		if t.Send(strconv.Itoa(t.sent)) == nil {
			t.sent++
		}
	}
}

// receive counts answers until some time after the sender has stopped.
func (t *talk) receive(ctx context.Context) {
	last := t.first
	for {
		deadline := time.Now().Add(lateness)
		answer, err := t.Receive(deadline)
		switch {
		case err == nil:
			t.received++
			if answer.Source != last.Source {
				t.moves++
			}
			last = answer
		case ctx.Err() != nil:
			return
		}
	}
}

// end stops the load and tells what became of it. Sessions that were on one of the spared backends at first do not
// count: their endpoint was taken away.
func (l *longLoad) end(spared ...string) report {
	l.stop()
	l.done.Wait()
	r := report{broken: int(l.broken.Load())}
	for _, t := range l.sessions {
		r.sent += t.sent
		r.lost += t.sent - t.received
		if t.moves > 0 && !slices.Contains(spared, t.first.Backend) {
			r.moved++
		}
	}
	return r
}
