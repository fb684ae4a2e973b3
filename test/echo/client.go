package echo

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// timeout bounds each exchange: far longer than any takes, so that only what is broken meets it.
const timeout = 5 * time.Second

// ErrRefused is the error of a connection that was closed before a backend greeted it.
var ErrRefused = errors.New("closed before a backend answered")

// Conn is a TCP connection that a backend has greeted.
type Conn struct {
	net.Conn
	// Backend is the name of the server that answered.
	Backend string
	// Source is the address that the server saw.
	Source string

	reader *bufio.Reader
}

// Dialer says how to connect. The zero Dialer does so in clear text from any local address.
type Dialer struct {
	// From is the local IP address; empty means any.
	From string
	// FromPort is the local port; 0 means any. It needs From.
	FromPort int
	// TLS, unless nil, wraps the connection.
	TLS *tls.Config
	// Header is what is sent in front of everything, TLS included: a PROXY header.
	Header string
	// First is a line to send before the greeting comes, for a proxy that waits for the client to speak.
	First string
}

// Dial connects to addr, host:port or the path of a unix socket, and waits for the greeting.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	return Dialer{}.Dial(ctx, addr)
}

// Dial connects to addr, host:port or the path of a unix socket, and waits for the greeting.
func (d Dialer) Dial(ctx context.Context, addr string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := d.local(network).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if d.Header != "" {
		if _, err := io.WriteString(conn, d.Header); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	if d.TLS != nil {
		conn = tls.Client(conn, d.TLS)
	}
	c := &Conn{Conn: conn, reader: bufio.NewReader(conn)}
	if err := c.meet(ctx, d.First); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (d Dialer) local(network string) *net.Dialer {
	if d.From == "" {
		return &net.Dialer{}
	}
	if strings.HasPrefix(network, "udp") {
		return &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(d.From), Port: d.FromPort}}
	}
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(d.From), Port: d.FromPort}}
}

// meet sends the first line, if there is one, and waits for the greeting and for that line to come back.
func (c *Conn) meet(ctx context.Context, first string) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if first != "" {
		if _, err := io.WriteString(c, first+"\n"); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	greeting, err := c.reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if c.Backend, c.Source, _ = strings.Cut(strings.TrimSuffix(greeting, "\n"), " "); c.Source == "" {
		return fmt.Errorf("not a greeting: %q", greeting)
	}
	if first != "" {
		return c.readBack(first)
	}
	return nil
}

func (c *Conn) readBack(text string) error {
	line, err := c.reader.ReadString('\n')
	if err == nil && line != text+"\n" {
		err = fmt.Errorf("sent %q, got %q", text, line)
	}
	return err
}

// Ask sends text, without a line end, and wants it back.
func (c *Conn) Ask(text string) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text+"\n"); err != nil {
		return err
	}
	return c.readBack(text)
}

// Session is a UDP client with one source port: what Envoy keeps a session for.
type Session struct {
	conn net.Conn
	buf  []byte
}

// Answer is a UDP server's reply to one datagram.
type Answer struct {
	// Backend is the name of the server, Source the address that it saw.
	Backend, Source string
	// Text is the datagram, given back.
	Text string
}

// OpenSession opens a UDP client of addr, host:port. Nothing is sent yet.
func OpenSession(ctx context.Context, addr string) (*Session, error) {
	return Dialer{}.OpenSession(ctx, addr)
}

// OpenSession opens a UDP client of addr, host:port. Nothing is sent yet.
func (d Dialer) OpenSession(ctx context.Context, addr string) (*Session, error) {
	conn, err := d.local("udp").DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	return &Session{conn: conn, buf: make([]byte, maxDatagram)}, nil
}

// Close closes the socket.
func (s *Session) Close() error { return s.conn.Close() }

// Ask sends text and waits at most wait for its answer; answers to earlier datagrams are passed over.
func (s *Session) Ask(text string, wait time.Duration) (Answer, error) {
	if err := s.Send(text); err != nil {
		return Answer{}, err
	}
	deadline := time.Now().Add(wait)
	for {
		answer, err := s.Receive(deadline)
		if err != nil || answer.Text == text {
			return answer, err
		}
	}
}

// LocalAddr is the address that it sends from.
func (s *Session) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// Send sends one datagram.
func (s *Session) Send(text string) error {
	_, err := io.WriteString(s.conn, text)
	return err
}

// Receive waits for the next answer. One goroutine may send while another receives.
func (s *Session) Receive(deadline time.Time) (Answer, error) {
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return Answer{}, err
	}
	n, err := s.conn.Read(s.buf)
	if err != nil {
		return Answer{}, err
	}
	words := strings.SplitN(string(s.buf[:n]), " ", 3)
	if len(words) != 3 {
		return Answer{}, fmt.Errorf("not an answer: %q", s.buf[:n])
	}
	return Answer{Backend: words[0], Source: words[1], Text: words[2]}, nil
}
