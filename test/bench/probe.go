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
	// tries is how many times a client asked, and lost how many got no answer.
	tries, lost int
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
		if s.tcp && seen.tcp == 0 && seen.try(dial(ctx, s.address)) == backend {
			seen.tcp = time.Since(began)
		}
		if s.udp && seen.udp == 0 && seen.try(ask(ctx, s.address)) == backend {
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

// try counts one try and passes its outcome on.
func (e *effect) try(backend string, err error) string {
	e.tries++
	if err != nil {
		e.lost++
	}
	return backend
}

// dial is the name of the backend that a new connection reaches.
func dial(ctx context.Context, address string) (string, error) {
	conn, err := echo.Dial(ctx, address)
	if err != nil {
		return "", err
	}
	if tcp, ok := conn.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // no TIME_WAIT: thousands of them would use up the ports
	}
	return conn.Backend, conn.Close()
}

// ask is the name of the backend that a new session reaches.
func ask(ctx context.Context, address string) (string, error) {
	session, err := echo.OpenSession(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask("x", datagramWait)
	return answer.Backend, err
}
