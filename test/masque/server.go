package masque

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// DatagramPath is where a POST asks for datagrams, of which the request itself says nothing; elsewhere it asks for TCP.
const DatagramPath = "/udp"

// Request is what a far end was asked, as it stood on the wire.
type Request struct {
	// At is when it came.
	At time.Time
	// HTTP is the version: 1 or 2.
	HTTP int
	// Method, Authority and Path are those of the request; CONNECT alone has no path.
	Method, Authority, Path string
	// Protocol is what the connection or stream was to become: connect-udp, or empty.
	Protocol string
	// Header is all else that was sent.
	Header http.Header
}

// Server is a far end, and the target of all its streams as well: it answers as the servers of package echo do. It
// serves from the moment it was made until Close.
type Server struct {
	// Addr is the address it listens on, host:port.
	Addr string

	name   string
	server http.Server
	done   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	requests []Request
	refusals int
	hijacked []net.Conn
}

// Listen starts a far end on addr, host:port.
func Listen(name, addr string) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start far end %s: %w", name, err)
	}
	s := &Server{Addr: listener.Addr().String(), name: name}
	s.server.Handler = s
	s.server.Protocols = new(http.Protocols)
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	s.done.Go(func() { _ = s.server.Serve(listener) }) // until Close
	return s, nil
}

// Close stops the server and cuts its connections.
func (s *Server) Close() error {
	err := s.server.Close()
	s.mu.Lock()
	for _, conn := range s.hijacked {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return err
}

// Refuse makes the server answer the next n requests with 503.
func (s *Server) Refuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = n
}

// Requests are all that came so far, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers one request, and serves its stream until the client has said all.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := newRequest(r)
	if s.note(request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	stream, err := s.open(w, r, request)
	if err != nil {
		return // the client is gone
	}
	defer func() { _ = stream.Close() }()
	if request.datagrams() {
		s.answer(stream, r.RemoteAddr)
		return
	}
	if _, err := fmt.Fprintf(stream, "%s %s\n", s.name, r.RemoteAddr); err == nil {
		_, _ = io.Copy(stream.out, stream.in) // ends when either side does: nobody to tell
	}
}

// note remembers a request, and reports whether it is to be refused.
func (s *Server) note(r Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.refusals == 0 {
		return false
	}
	s.refusals--
	return true
}

func newRequest(r *http.Request) Request {
	request := Request{
		At: time.Now(), HTTP: r.ProtoMajor, Method: r.Method, Authority: r.Host, Path: r.RequestURI, Header: r.Header.Clone(),
	}
	for _, name := range []string{":protocol", "Upgrade"} { // of HTTP/2, of HTTP/1.1
		if values := request.Header[name]; len(values) > 0 {
			request.Protocol = values[0]
			delete(request.Header, name)
		}
	}
	if r.Method == http.MethodConnect && request.Protocol == "" {
		request.Path = ""
	}
	return request
}

func (r *Request) datagrams() bool {
	return r.Protocol == connectUDP || r.Method == http.MethodPost && strings.HasSuffix(r.Path, DatagramPath)
}

// open accepts the request.
func (s *Server) open(w http.ResponseWriter, r *http.Request, request Request) (*Stream, error) {
	if r.ProtoMajor == 1 && request.Method != http.MethodPost {
		return s.takeOver(w, request)
	}
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		if err := control.EnableFullDuplex(); err != nil {
			return nil, err
		}
	}
	if request.Protocol != "" {
		w.Header().Set("Capsule-Protocol", "?1")
	}
	w.WriteHeader(http.StatusOK)
	return &Stream{bufio.NewReader(r.Body), flushing{w, control}, r.Body.Close}, control.Flush()
}

// takeOver makes the whole connection of HTTP/1.1 the stream.
func (s *Server) takeOver(w http.ResponseWriter, request Request) (*Stream, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.hijacked = append(s.hijacked, conn)
	s.mu.Unlock()
	answer := "HTTP/1.1 200 OK\r\n\r\n"
	if request.Protocol != "" {
		answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + request.Protocol +
			"\r\nCapsule-Protocol: ?1\r\n\r\n"
	}
	_, err = io.WriteString(conn, answer)
	return &Stream{buffered.Reader, conn, conn.Close}, err
}

// answer gives each datagram back, until there are no more.
func (s *Server) answer(stream *Stream, from string) {
	for {
		text, err := stream.Receive()
		if err == nil {
			err = stream.Send(fmt.Sprintf("%s %s %s", s.name, from, text))
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil: // cut, or not a capsule: the client shall notice
			panic(http.ErrAbortHandler)
		}
	}
}

// flushing writes an answer's body without holding it back.
type flushing struct {
	io.Writer
	control *http.ResponseController
}

// Write sends what it is given at once.
func (w flushing) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if err == nil {
		err = w.control.Flush()
	}
	return n, err
}
