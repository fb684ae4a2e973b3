// Package dns is a DNS server for tests: it knows the names that it is told, and counts the questions.
package dns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// maxMessage is the largest question.
const maxMessage = 512

// Server answers by UDP from the moment it was made until Close.
type Server struct {
	conn net.PacketConn
	done sync.WaitGroup

	mu    sync.Mutex // guards what follows
	names map[string]record
	asked map[string]int
}

// record is what is known of a name.
type record struct {
	ttl       uint32
	addresses []netip.Addr
}

// Listen starts a server on addr, host:port, that knows no name.
func Listen(addr string) (*Server, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("start a DNS server: %w", err)
	}
	s := &Server{conn: conn, names: map[string]record{}, asked: map[string]int{}}
	s.done.Go(s.serve)
	return s, nil
}

// Addr is the address that it listens on, host:port.
func (s *Server) Addr() string { return s.conn.LocalAddr().String() }

// Close ends the server.
func (s *Server) Close() error {
	err := s.conn.Close()
	s.done.Wait()
	return err
}

// Set gives a name these addresses, for so many seconds; none of them takes it away.
func (s *Server) Set(name string, ttl uint32, addresses ...string) {
	r := record{ttl: ttl}
	for _, a := range addresses {
		r.addresses = append(r.addresses, netip.MustParseAddr(a))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = r
}

// Asked is how often the name was asked for, in each family by itself.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *Server) serve() {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an ICMP error of an earlier answer
			continue
		}
		if answer, err := s.answer(buf[:n]); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// answer answers one question: with the addresses of its family, or that there is no such name.
func (s *Server) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, errors.Join(err, errors.New("not a question"))
	}
	q := m.Questions[0]
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	s.mu.Lock()
	known := s.names[name]
	s.asked[name]++
	s.mu.Unlock()
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if len(known.addresses) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range known.addresses {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: known.ttl}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
	return m.Pack()
}
