package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"
)

// stream is what a request has opened.
type stream struct {
	body io.Reader
	out  io.Writer
	// beside is for datagrams that travel beside the stream, over HTTP/3; else nil.
	beside carrier
	close  func()
}

// http1 asks each question on a connection of its own.
type http1 struct {
	far   *farEnd
	first net.Conn // the one that is there already; nil once it is used
	last  *eavesdropper
	known bool // whether somebody answered
}

// answered reports whether err, of the first request that was made, still shows that HTTP/1.1 is spoken.
func (h *http1) answered(err error) bool {
	_, refused := err.(*refusal) //nolint:errorlint // it is made here, and never wrapped
	first := !h.known && (err == nil || refused)
	h.known = h.known || first
	return first
}

func (h *http1) close() {
	if h.first != nil {
		_ = h.first.Close()
	}
}

// spoken is the last connection on which something was asked.
func (h *http1) spoken() *eavesdropper { return h.last }

func (h *http1) open(ctx context.Context, q question) (*stream, error) {
	conn := h.first
	if h.first = nil; conn == nil {
		var err error
		if conn, err = h.far.dial(ctx); err != nil {
			return nil, err
		}
	}
	h.last = &eavesdropper{Conn: conn}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	s, err := q.exchange1(h.last)
	if stop(); ctx.Err() != nil { // else nothing bounds the stream from here on but its close
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// exchange1 asks q on a connection of HTTP/1.1.
func (q question) exchange1(conn net.Conn) (*stream, error) {
	if _, err := io.WriteString(conn, q.text()); err != nil {
		return nil, err
	}
	method := q.method
	if q.upgrade() {
		method = http.MethodGet
	}
	buffered := bufio.NewReader(conn)
	response, err := http.ReadResponse(buffered, &http.Request{Method: method}) //nolint:bodyclose // it ends with the connection
	if err != nil {
		return nil, err
	}
	switched := response.StatusCode == http.StatusSwitchingProtocols
	if q.upgrade() && !switched || !q.upgrade() && response.StatusCode/100 != 2 {
		return nil, &refusal{response.StatusCode, response.Header.Get("Server")}
	}
	s := &stream{body: response.Body, out: conn, close: func() { _ = conn.Close() }}
	if switched || q.method == http.MethodConnect {
		s.body = buffered
	}
	if q.method == http.MethodPost {
		s.out = httputil.NewChunkedWriter(conn)
	}
	return s, nil
}

// text is q as HTTP/1.1 writes it.
func (q question) text() string {
	var b strings.Builder
	switch {
	case q.upgrade():
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\nCapsule-Protocol: ?1\r\n", q.path, q.authority)
	case q.method == http.MethodPost:
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n", q.path, q.authority)
	default:
		fmt.Fprintf(&b, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n", q.authority)
	}
	_ = q.header.Write(&b) // a builder takes everything
	b.WriteString("\r\n")
	return b.String()
}

// eavesdropper remembers the first bytes that come.
type eavesdropper struct {
	net.Conn
	mu    sync.Mutex // guards first
	first []byte
}

// Read implements net.Conn.
func (e *eavesdropper) Read(b []byte) (int, error) {
	const enough = 64
	n, err := e.Conn.Read(b)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.first = append(e.first, b[:min(n, enough-len(e.first))]...)
	return n, err
}

// lastWords is err, or what the other side said before it closed the connection: in TLS 1.3 it takes the handshake for done
// before it looks at our certificate.
func (e *eavesdropper) lastWords(err error) error {
	_ = e.SetReadDeadline(time.Now().Add(calm)) // it fails for a connection that is closed, and so does reading
	if _, last := e.Conn.Read(make([]byte, 1)); last != nil && strings.Contains(last.Error(), "remote error: ") {
		return last
	}
	return err
}

func (e *eavesdropper) heard() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.first)
}
