package doctor

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http2"
)

// overHTTP2 asks questions on one connection of HTTP/2. It is that of golang.org/x/net: the client of net/http takes
// :protocol for the name of a header, and refuses it.
//
//nolint:staticcheck // deprecated in favour of net/http, which cannot do it
type overHTTP2 struct {
	*eavesdropper
	conn *http2.ClientConn
	tls  bool
}

func newHTTP2(f *farEnd, conn net.Conn) *overHTTP2 {
	return &overHTTP2{eavesdropper: &eavesdropper{Conn: conn}, tls: f.tls != nil}
}

// greet begins to speak, and waits for the far end to do so.
//
//nolint:staticcheck // see overHTTP2
func (h *overHTTP2) greet(ctx context.Context) (err error) {
	t := &http2.Transport{AllowHTTP: true, DisableCompression: true}
	if h.conn, err = t.NewClientConn(h.eavesdropper); err != nil {
		return err
	}
	return h.conn.Ping(ctx)
}

// spoken is the connection.
func (h *overHTTP2) spoken() *eavesdropper { return h.eavesdropper }

func (h *overHTTP2) close() {
	if h.conn != nil {
		_ = h.conn.Close()
	}
	_ = h.Conn.Close()
}

func (h *overHTTP2) open(ctx context.Context, q question) (*stream, error) {
	body, out := io.Pipe()
	request := q.request(h.tls)
	request.Body = body
	if q.upgrade() {
		request.Header[":protocol"] = []string{connectUDP}
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	end := func() {
		cancel()
		_ = out.CloseWithError(net.ErrClosed)
	}
	response, err := h.conn.RoundTrip(request.WithContext(life)) //nolint:bodyclose // it ends with the stream
	if err != nil {
		end()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	s := &stream{body: response.Body, out: out, close: func() { end(); _ = response.Body.Close() }}
	if response.StatusCode/100 != 2 {
		s.close()
		return nil, &refusal{response.StatusCode, response.Header.Get("Server")}
	}
	if stop(); ctx.Err() != nil {
		s.close()
		return nil, ctx.Err()
	}
	return s, nil
}

// connectUDP is the protocol of a stream with datagrams.
const connectUDP = "connect-udp"

// request is q for HTTP/2 and HTTP/3, without what these have of their own.
func (q question) request(secure bool) *http.Request {
	r := &http.Request{
		Method: q.method,
		URL:    &url.URL{Scheme: "http", Host: q.authority},
		Host:   q.authority,
		Header: q.header.Clone(),
	}
	if secure {
		r.URL.Scheme = "https"
	}
	if q.path != "" {
		r.URL.Opaque = q.path // it is sent as it stands
	}
	if q.upgrade() {
		r.Header.Set("Capsule-Protocol", "?1")
	}
	return r
}

// isExtendedConnectMissing reports whether err is that of a far end which does not offer CONNECT of other protocols. The
// library has no name for it.
func isExtendedConnectMissing(err error) bool {
	return strings.Contains(err.Error(), "extended connect not supported by peer")
}
