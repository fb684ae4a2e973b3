package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

const (
	// giveUp is how long an edit may take to have an effect.
	giveUp = 10 * time.Second
	// datagramWait is how long an answer to a datagram may take before the next session is tried.
	datagramWait = 10 * time.Millisecond
)

// errNoEffect is the error of an edit that has none.
var errNoEffect = errors.New("the edit had no effect")

// effect is what came of one edit.
type effect struct {
	// tcp and udp are the times from the first rename to the first new connection, and the first new session, that the
	// new backend answered; 0 where the stanza has no such protocol.
	tcp, udp time.Duration
	// tries is how many times a client asked; failed and unanswered are the connections and the datagrams among them
	// that no backend answered.
	tries, failed, unanswered int
	// polled is the time that all tries took together.
	polled time.Duration
}

// watch commits the edit, and asks by connections and sessions back to back, one at a time, until both protocols of the
// stanza have reached the backend.
func watch(ctx context.Context, e edit, s *stanza, backend string) (effect, error) {
	began, err := e.commit()
	if err != nil {
		return effect{}, err
	}
	var seen effect
	for start := time.Now(); ; {
		if s.tcp && seen.tcp == 0 && seen.connect(ctx, s.address) == backend {
			seen.tcp = time.Since(began)
		}
		if s.udp && seen.udp == 0 && seen.ask(ctx, s.address) == backend {
			seen.udp = time.Since(began)
		}
		seen.polled = time.Since(start)
		switch {
		case (seen.tcp > 0 || !s.tcp) && (seen.udp > 0 || !s.udp):
			return seen, nil
		case ctx.Err() != nil:
			return seen, ctx.Err()
		case seen.polled > giveUp:
			return seen, errNoEffect
		}
	}
}

// connect is the name of the backend that a new connection reaches.
func (e *effect) connect(ctx context.Context, address string) string {
	e.tries++
	conn, err := echo.Dial(ctx, address)
	if err != nil {
		e.failed++
		return ""
	}
	if tcp, ok := conn.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // no TIME_WAIT: thousands of them would use up the ports
	}
	_ = conn.Close()
	return conn.Backend
}

// ask is the name of the backend that a new session reaches.
func (e *effect) ask(ctx context.Context, address string) string {
	e.tries++
	session, err := echo.OpenSession(ctx, address)
	if err != nil {
		e.unanswered++
		return ""
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask("x", datagramWait)
	if err != nil {
		e.unanswered++
	}
	return answer.Backend
}
