package main

import (
	"context"
	"fmt"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

const (
	greeting   = "hello"
	udpTimeout = 200 * time.Millisecond // for one try
)

// tcp sends a line through the listener, and wants it back from the backend; "" is any.
func (s *stage) tcp(ctx context.Context, listener, backend string) error {
	return s.exchange(ctx, echo.Dialer{}, "tcp", listener, backend)
}

// tls does the same inside TLS, which the backend ends: the client asks for the host and checks that it got it.
func (s *stage) tls(ctx context.Context, host, backend string) error {
	return s.exchange(ctx, echo.Dialer{TLS: s.ca.Client(host)}, host, "web", backend)
}

func (s *stage) exchange(ctx context.Context, dialer echo.Dialer, what, listener, backend string) error {
	start := time.Now()
	conn, err := dialer.Dial(ctx, s.addrs[listener])
	if err != nil {
		return fmt.Errorf("%s to %s: %w", what, listener, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Ask(greeting); err != nil {
		return fmt.Errorf("%s to %s: %w", what, listener, err)
	}
	return s.reached(what, listener, conn.Backend, backend, start)
}

// udp sends a datagram through the listener, and wants it back from the backend.
func (s *stage) udp(ctx context.Context, listener, backend string) error {
	start := time.Now()
	got, err := s.askUDP(ctx, listener)
	if err != nil {
		return fmt.Errorf("udp to %s: %w", listener, err)
	}
	return s.reached("udp", listener, got, backend, start)
}

func (s *stage) reached(what, listener, got, want string, start time.Time) error {
	if want != "" && got != want {
		return fmt.Errorf("%s to %s reached %s, not %s", what, listener, got, want)
	}
	s.page.done("%-7s  %-16s  %s → %-5s  %q came back in %s", listener, what, s.addrs[listener], got, greeting, since(start))
	return nil
}

// reach waits until a new connection through the listener reaches the backend.
func (s *stage) reach(ctx context.Context, listener, backend string) error {
	return rig.Until(ctx, func() error {
		got, err := s.askTCP(ctx, listener)
		if err == nil && got != backend {
			err = fmt.Errorf("%s still reaches %s", listener, got)
		}
		return err
	})
}

// reachUDP waits until a new session through the listener reaches the backend.
func (s *stage) reachUDP(ctx context.Context, listener, backend string) error {
	return rig.Until(ctx, func() error {
		got, err := s.askUDP(ctx, listener)
		if err == nil && got != backend {
			err = fmt.Errorf("%s still reaches %s", listener, got)
		}
		return err
	})
}

// askTCP is the backend that a new connection through the listener reaches.
func (s *stage) askTCP(ctx context.Context, listener string) (string, error) {
	conn, err := echo.Dial(ctx, s.addrs[listener])
	if err != nil {
		return "", err
	}
	return conn.Backend, conn.Close()
}

// askUDP is the backend that a new session through the listener reaches.
func (s *stage) askUDP(ctx context.Context, listener string) (string, error) {
	session, err := echo.OpenSession(ctx, s.addrs[listener])
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask(greeting, udpTimeout)
	return answer.Backend, err
}

// share connects a hundred times to db-west, and wants about this many on green.
func (s *stage) share(ctx context.Context, want int) error {
	hits := 0
	for range 100 {
		got, err := s.askTCP(ctx, "db-west")
		if err != nil {
			return err
		}
		if got == "green" {
			hits++
		}
	}
	s.page.bar("blue", 100-hits)
	s.page.bar("green", hits)
	// Each Envoy worker counts its own round, so a few more or less is right.
	if hits < want-10 || hits > want+10 {
		return fmt.Errorf("green got %d of 100, want about %d", hits, want)
	}
	return nil
}
