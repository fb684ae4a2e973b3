package masque

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	// HTTP is the version: 1, 2 or 3.
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

	name string
	stop func() error
	done sync.WaitGroup

	mu       sync.Mutex // guards what follows
	requests []Request
	refusals int
	manner   Manner
	hijacked []net.Conn
}

// Manner is how a far end treats its clients. The zero Manner is as it should be.
type Manner struct {
	// Plain gives back what comes, and nothing else.
	Plain bool
	// Status refuses every request, unless it is 0.
	Status int
	// Hang never answers a request.
	Hang bool
	// Mute takes what comes, and says nothing.
	Mute bool
	// Curt greets, and passes over what comes.
	Curt bool
	// Unframed gives datagrams back without their capsules.
	Unframed bool
	// Nested passes capsules on as if they were payload.
	Nested bool
}

// Listen starts a far end on addr, host:port, that speaks HTTP/1.1 and HTTP/2 in clear text, or one of them.
func Listen(name, addr string, versions ...int) (*Server, error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(len(versions) == 0 || slices.Contains(versions, 1))
	protocols.SetUnencryptedHTTP2(len(versions) == 0 || slices.Contains(versions, 2))
	return listen(name, addr, protocols, nil)
}

// ListenTLS starts a far end on addr, host:port, that speaks HTTP/1.1 and HTTP/2 inside TLS, or one of them.
func ListenTLS(name, addr string, config *tls.Config, versions ...int) (*Server, error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(len(versions) == 0 || slices.Contains(versions, 1))
	protocols.SetHTTP2(len(versions) == 0 || slices.Contains(versions, 2))
	return listen(name, addr, protocols, config)
}

func listen(name, addr string, protocols *http.Protocols, config *tls.Config) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start far end %s: %w", name, err)
	}
	s := &Server{Addr: listener.Addr().String(), name: name}
	server := &http.Server{
		Handler: s, Protocols: protocols, TLSConfig: config.Clone(),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // clients do wrong on purpose
	}
	s.stop = server.Close
	s.done.Go(func() { // until Close
		if config == nil {
			_ = server.Serve(listener)
		} else {
			_ = server.ServeTLS(listener, "", "")
		}
	})
	return s, nil
}

// Close stops the server and cuts its connections.
func (s *Server) Close() error {
	err := s.stop()
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

// Behave lets the server treat requests that are yet to come in this manner.
func (s *Server) Behave(m Manner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manner = m
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
	manner := s.note(request)
	switch {
	case manner.Hang:
		<-r.Context().Done()
		return
	case manner.Status != 0:
		refuse(w, r, manner.Status)
		return
	}
	stream, err := s.open(w, r, request)
	if err != nil {
		return // the client is gone
	}
	defer func() { _ = stream.Close() }()
	switch greeting := fmt.Sprintf("%s %s", s.name, r.RemoteAddr); {
	case manner.Mute:
		_, _ = io.Copy(io.Discard, stream.in) // until the client has said all, or is gone
	case request.datagrams():
		manner.answer(stream, greeting+" ")
	default:
		manner.greet(stream, greeting+"\n")
	}
}

// refuse answers at once: the server of HTTP/1.1 would first wait for all that the client has to say.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		_ = control.EnableFullDuplex() // it fails for other versions only
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(status)
	_ = control.Flush() // to a client that is gone it does not matter
}

// note remembers a request, and tells how to treat it.
func (s *Server) note(r Request) Manner {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.refusals == 0 {
		return s.manner
	}
	s.refusals--
	return Manner{Status: http.StatusServiceUnavailable}
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
	if r.ProtoMajor == 3 && r.Method == http.MethodConnect && r.Proto != "HTTP/3.0" {
		request.Protocol = r.Proto
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
	if r.ProtoMajor == 3 {
		return openHTTP3(w, request)
	}
	return &Stream{in: bufio.NewReader(r.Body), out: flushing{w, control}, close: r.Body.Close}, control.Flush()
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
	return &Stream{in: buffered.Reader, out: conn, close: conn.Close}, err
}

// greet gives back what comes, after a greeting.
func (m Manner) greet(stream *Stream, greeting string) {
	if m.Plain {
		greeting = ""
	}
	out := stream.out
	if _, err := io.WriteString(stream, greeting); err == nil {
		if m.Curt {
			out = io.Discard
		}
		_, _ = io.Copy(out, stream.in) // ends when either side does: nobody to tell
	}
}

// answer gives each datagram back, after a greeting, until there are no more.
func (m Manner) answer(stream *Stream, greeting string) {
	if m.Plain {
		greeting = ""
	}
	for {
		text, err := stream.Receive()
		if m.Curt {
			text = ""
		}
		if err == nil {
			err = m.giveBack(stream, greeting+text)
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil: // cut, or not a capsule: the client shall notice
			panic(http.ErrAbortHandler)
		}
	}
}

func (m Manner) giveBack(stream *Stream, text string) error {
	switch {
	case m.Unframed:
		_, err := io.WriteString(stream, text)
		return err
	case m.Nested:
		return stream.Send(string(capsule(text)))
	}
	return stream.Send(text)
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
