package masque

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// RefusedError is the error of a request that the far end answered with another status than 200.
type RefusedError int

// Error tells the status.
func (r RefusedError) Error() string { return fmt.Sprintf("refused with status %d", int(r)) }

// Ask is what a client asks a far end for.
type Ask struct {
	// Proxy is the address of the far end, host:port.
	Proxy string
	// HTTP is the version: 1, 2 or 3.
	HTTP int
	// TLS is what the far end is spoken to inside of; nil is clear text, which HTTP/3 does not know.
	TLS *tls.Config
	// Method is CONNECT or POST.
	Method string
	// Authority is the target, or for datagrams the far end itself.
	Authority string
	// Path is for POST, and for CONNECT-UDP: see UDPPath.
	Path string
	// Datagrams asks for CONNECT-UDP, over HTTP/2 and HTTP/3.
	Datagrams bool
	// Capsules sends datagrams on the stream over HTTP/3, too, where they would otherwise travel beside it.
	Capsules bool
	// Header is sent besides.
	Header http.Header
}

// UDPPath is the path that asks for datagrams to a host, as it is written in a URL, and a port.
func UDPPath(host, port string) string {
	return "/.well-known/masque/udp/" + strings.ReplaceAll(host, ":", "%3A") + "/" + port + "/"
}

// Open asks, and waits for the answer.
func (a Ask) Open(ctx context.Context) (*Stream, error) {
	switch a.HTTP {
	case 1:
		return a.openHTTP1(ctx)
	case 3:
		return a.openHTTP3(ctx)
	}
	return a.openHTTP2(ctx)
}

// dial connects to the far end, and agrees on this protocol where there is TLS.
func (a Ask) dial(ctx context.Context, protocol string) (net.Conn, error) {
	if a.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", a.Proxy)
	}
	config := a.TLS.Clone()
	config.NextProtos = []string{protocol}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", a.Proxy)
}

// openHTTP1 writes the request by hand: net/http's client opens no tunnels over HTTP/1.1 that could be written to.
func (a Ask) openHTTP1(ctx context.Context) (*Stream, error) {
	conn, err := a.dial(ctx, "http/1.1")
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	s := &Stream{out: conn, close: func() error { stop(); return conn.Close() }}
	text := fmt.Sprintf("CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n", a.Authority)
	if a.Method == http.MethodPost {
		text = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n", a.Path, a.Authority)
		s.out = httputil.NewChunkedWriter(conn)
	}
	var header strings.Builder
	_ = a.Header.Write(&header) // a Builder never fails
	if _, err := io.WriteString(conn, text+header.String()+"\r\n"); err != nil {
		return nil, failed(s, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: a.Method})
	return a.opened(s, response, err)
}

// openHTTP2 uses golang.org/x/net: the client of net/http takes :protocol for the name of a header, and refuses it.
//
//nolint:staticcheck // deprecated in favour of net/http, which cannot do it
func (a Ask) openHTTP2(ctx context.Context) (*Stream, error) {
	transport := &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
			return a.dial(ctx, "h2")
		},
	}
	body, out := io.Pipe()
	request := a.request()
	request.Body = body
	if a.Datagrams {
		request.Header[":protocol"] = []string{connectUDP}
		request.Header.Set("Capsule-Protocol", "?1")
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{out: out, close: func() error { cancel(); transport.CloseIdleConnections(); return out.Close() }}
	response, err := transport.RoundTrip(request.WithContext(ctx))
	return a.opened(s, response, err)
}

// request is what is asked over HTTP/2 and HTTP/3.
func (a Ask) request() *http.Request {
	r := &http.Request{
		Method: a.Method,
		URL:    &url.URL{Scheme: "http", Host: a.Proxy},
		Host:   a.Authority,
		Header: a.Header.Clone(),
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if a.TLS != nil {
		r.URL.Scheme = "https"
	}
	if a.Path != "" {
		r.URL.Opaque = a.Path // the path is sent as it stands
	}
	return r
}

// opened is s with the body of the answer.
func (a Ask) opened(s *Stream, response *http.Response, err error) (*Stream, error) {
	if err != nil {
		return nil, failed(s, fmt.Errorf("%s %s at %s: %w", a.Method, a.Authority, a.Proxy, err))
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, failed(s, RefusedError(response.StatusCode))
	}
	s.in = bufio.NewReader(response.Body)
	return s, nil
}

// failed closes s; the error is err.
func failed(s *Stream, err error) error {
	_ = s.Close()
	return err
}
