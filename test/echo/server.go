// Package echo is a stand-in for the servers behind Envoy, and the client that asks them who they are.
//
// A TCP server greets each connection with one line, its name and the client's address as it sees it, and then gives
// back what it gets. A UDP server answers each datagram with the same two words and the datagram. So one exchange tells
// which backend a connection or session reached, and by which upstream address.
package echo

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxDatagram is the largest UDP payload.
const maxDatagram = 65507

// Server is one listening stand-in. It serves from the moment it was made until Close.
type Server struct {
	// Name is what it says of itself.
	Name string
	// Addr is the address it listens on, host:port, or the path of a unix socket.
	Addr string

	listener io.Closer
	// open makes what is spoken out of a connection, and the client's address.
	open func(net.Conn) (net.Conn, string, error)
	done sync.WaitGroup

	mu     sync.Mutex // guards conns and closed
	conns  map[net.Conn]struct{}
	closed bool
}

// ListenTCP starts a TCP server on addr, host:port.
func ListenTCP(name, addr string) (*Server, error) {
	return listen(name, "tcp", addr, nil)
}

// ListenUnix starts the same server on a unix socket.
func ListenUnix(name, path string) (*Server, error) {
	return listen(name, "unix", path, nil)
}

// ListenTLS starts a TCP server that speaks inside TLS.
func ListenTLS(name, addr string, config *tls.Config) (*Server, error) {
	return listen(name, "tcp", addr, config)
}

// ListenUDP starts a UDP server on addr, host:port.
func ListenUDP(name, addr string) (*Server, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("start backend %s: %w", name, err)
	}
	s := &Server{Name: name, Addr: conn.LocalAddr().String(), listener: conn}
	s.done.Go(func() { s.answer(conn) })
	return s, nil
}

// Close stops the server and cuts its connections.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return err
}

func listen(name, network, addr string, config *tls.Config) (*Server, error) {
	return start(name, network, addr, func(conn net.Conn) (net.Conn, string, error) {
		if config == nil {
			return conn, peer(conn.RemoteAddr()), nil
		}
		return tls.Server(conn, config), peer(conn.RemoteAddr()), nil
	})
}

func start(name, network, addr string, open func(net.Conn) (net.Conn, string, error)) (*Server, error) {
	listener, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("start backend %s: %w", name, err)
	}
	s := &Server{
		Name: name, Addr: listener.Addr().String(), listener: listener, open: open, conns: map[net.Conn]struct{}{},
	}
	s.done.Go(func() { s.accept(listener) })
	return s, nil
}

func (s *Server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !s.keep(conn) {
			return
		}
		s.done.Go(func() { s.greet(conn) })
	}
}

// keep remembers conn, so that Close can cut it. It reports false, and has closed conn, once the server is closed.
func (s *Server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) greet(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	spoken, client, err := s.open(conn)
	if err != nil {
		return
	}
	if _, err := fmt.Fprintf(spoken, "%s %s\n", s.Name, client); err != nil {
		return
	}
	_, _ = io.Copy(spoken, spoken) // ends when either side does: nobody to tell
	_ = spoken.Close()
}

func (s *Server) answer(conn net.PacketConn) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an ICMP error of an earlier answer
			continue
		}
		reply := fmt.Appendf(nil, "%s %s ", s.Name, peer(from))
		_, _ = conn.WriteTo(append(reply, buf[:n]...), from)
	}
}

// peer is addr as one word; the client of a unix socket has no address.
func peer(addr net.Addr) string {
	if text := addr.String(); text != "" && text != "@" {
		return text
	}
	return "unix"
}
