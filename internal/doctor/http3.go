package doctor

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// overHTTP3 asks questions on one connection of HTTP/3.
type overHTTP3 struct {
	conn   *quic.Conn
	client *http3.ClientConn
	end    func()
}

// packetSize is that of the packets which a near end sends.
const packetSize = 1452

// reachQUIC connects to f by QUIC, whose handshake is that of TLS.
func (p *patient) reachQUIC(f *farEnd) speaker {
	ctx, cancel := p.limited()
	defer cancel()
	start := time.Now()
	conn, end, err := f.dialQUIC(ctx)
	if err != nil {
		step := TLS
		if _, refused := f.alert(err); !refused {
			if _, wrong := errors.AsType[*certificateError](err); !wrong {
				step = Connect
			}
		}
		p.say(step, f.explainQUIC(err, p.Timeout))
		return nil
	}
	p.say(Connect, ok("connected over QUIC in %s", span(time.Since(start))))
	state := conn.ConnectionState().TLS
	f.shown = &state
	p.say(TLS, f.greeted())
	h := &overHTTP3{conn: conn, end: end}
	h.client = (&http3.Transport{EnableDatagrams: true, DisableCompression: true}).NewClientConn(conn)
	if err := h.settled(ctx); err != nil {
		p.say(HTTP, f.explainQUIC(err, p.Timeout))
		h.close()
		return nil
	}
	p.say(HTTP, ok("HTTP/3 is spoken, round trip %s", span(conn.ConnectionStats().SmoothedRTT)))
	return h
}

// dialQUIC connects. The socket knows whom it talks to, so that the kernel can tell when nobody is there.
func (f *farEnd) dialQUIC(ctx context.Context) (conn *quic.Conn, end func(), err error) {
	socket, err := new(net.Dialer).DialContext(ctx, "udp", f.address)
	if err != nil {
		return nil, nil, err
	}
	transport := &quic.Transport{Conn: &connected{Conn: socket}}
	end = func() { _ = transport.Close(); _ = socket.Close() }
	conn, err = transport.Dial(ctx, socket.RemoteAddr(), f.tls, &quic.Config{
		EnableDatagrams: true, InitialPacketSize: packetSize, DisablePathMTUDiscovery: true,
	})
	if err != nil {
		end()
	}
	return conn, end, err
}

// settled waits for what the far end says of itself.
func (h *overHTTP3) settled(ctx context.Context) error {
	select {
	case <-h.client.ReceivedSettings():
		return nil
	case <-h.conn.Context().Done():
		return context.Cause(h.conn.Context())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explainQUIC says why QUIC with f failed.
func (f *farEnd) explainQUIC(err error, timeout time.Duration) word {
	_, silent := errors.AsType[*quic.IdleTimeoutError](err)
	_, slow := errors.AsType[*quic.HandshakeTimeoutError](err)
	if silent || slow || late(err) {
		return failed("no answer over QUIC within %s", timeout).
			but("see whether the far end listens on UDP for HTTP/3 (an exit by udp:), and whether a firewall drops UDP")
	}
	if wrong, is := errors.AsType[*certificateError](err); is {
		return wrong.word
	}
	if w, known := f.alert(err); known {
		return w
	}
	return unreachable(err, "UDP "+f.address, timeout)
}

func (h *overHTTP3) close() {
	_ = h.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	h.end()
}

// errNoDatagrams is the error of a far end that does not offer what CONNECT-UDP needs.
var errNoDatagrams = errors.New("its settings do not offer CONNECT-UDP: extended CONNECT, and over HTTP/3 datagrams")

func (h *overHTTP3) open(ctx context.Context, q question) (*stream, error) {
	request := q.request(true)
	if s := h.client.Settings(); q.upgrade() {
		if !s.EnableExtendedConnect || !s.EnableDatagrams {
			return nil, errNoDatagrams
		}
		request.Proto = connectUDP
	}
	str, err := h.client.OpenRequestStream(ctx)
	if err != nil {
		return nil, err
	}
	end := func() {
		str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	}
	stop := context.AfterFunc(ctx, end)
	if err := str.SendRequestHeader(request); err != nil {
		end()
		return nil, err
	}
	response, err := str.ReadResponse() //nolint:bodyclose // it ends with the stream
	stop()
	switch {
	case ctx.Err() != nil:
		end()
		return nil, ctx.Err()
	case err != nil:
		end()
		return nil, err
	case response.StatusCode/100 != 2:
		end()
		return nil, &refusal{response.StatusCode, response.Header.Get("Server")}
	}
	s := &stream{body: str, out: str, close: end}
	if q.upgrade() {
		s.beside = str
	}
	return s, nil
}

// connected is a socket with one other end, as a net.PacketConn. It has no other methods of a UDP socket: with those, the
// library would complain on standard error that the kernel does not give it the buffers that it likes.
type connected struct{ net.Conn }

// ReadFrom implements net.PacketConn.
func (c *connected) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

// WriteTo implements net.PacketConn.
func (c *connected) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

// SetReadBuffer leaves the buffer as it is: a check needs little.
func (*connected) SetReadBuffer(int) error { return nil }

// SetWriteBuffer leaves the buffer as it is.
func (*connected) SetWriteBuffer(int) error { return nil }
