package doctor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// standIns gives back what comes to these addresses, host:port, by TCP and UDP, until it is stopped.
func standIns(addresses []string) (stop func(), err error) {
	e := &targets{conns: map[net.Conn]bool{}}
	for _, address := range addresses {
		if err := e.listen(address); err != nil {
			e.close()
			return nil, err
		}
	}
	return e.close, nil
}

// targets are the stand-ins of one check.
type targets struct {
	listeners []io.Closer
	running   sync.WaitGroup

	mu    sync.Mutex        // guards what follows
	conns map[net.Conn]bool // nil once it is closed
}

func (e *targets) listen(address string) error {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("stand in for a target: %w", err)
	}
	e.listeners = append(e.listeners, tcp)
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return fmt.Errorf("stand in for a target: %w", err)
	}
	e.listeners = append(e.listeners, udp)
	e.running.Go(func() { e.accept(tcp) })
	e.running.Go(func() { answer(udp) })
	return nil
}

func (e *targets) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil || !e.keep(conn) {
			return
		}
		e.running.Go(func() {
			_, _ = io.Copy(conn, conn) // ends when either side does: nobody to tell
			_ = conn.Close()
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.conns, conn)
		})
	}
}

// keep remembers conn, so that close can cut it. It reports false, and has closed conn, once e is closed.
func (e *targets) keep(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		_ = conn.Close()
		return false
	}
	e.conns[conn] = true
	return true
}

func answer(conn net.PacketConn) {
	const largest = 1 << 16
	b := make([]byte, largest)
	for {
		n, from, err := conn.ReadFrom(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an ICMP error of an earlier answer
			continue
		}
		_, _ = conn.WriteTo(b[:n], from)
	}
}

func (e *targets) close() {
	for _, l := range e.listeners {
		_ = l.Close()
	}
	e.mu.Lock()
	for conn := range e.conns {
		_ = conn.Close()
	}
	e.conns = nil
	e.mu.Unlock()
	e.running.Wait()
}
