package masque

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// This file is both ends over HTTP/3, where a datagram travels beside its stream, in a QUIC datagram of its own, as long
// as it fits there. Those that come in capsules are taken as well.

// ListenHTTP3 starts a far end on addr, host:port, that speaks HTTP/3.
func ListenHTTP3(name, addr string, config *tls.Config) (*Server, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("start far end %s: %w", name, err)
	}
	s := &Server{Addr: conn.LocalAddr().String(), name: name}
	server := &http3.Server{
		Handler: s, TLSConfig: http3.ConfigureTLSConfig(config), EnableDatagrams: true, QUICConfig: quicConfig(),
		Logger: slog.New(slog.DiscardHandler), // clients do wrong on purpose
	}
	s.stop = func() error { return errors.Join(server.Close(), conn.Close()) }
	s.done.Go(func() { _ = server.Serve(conn) }) // until Close
	return s, nil
}

// packetSize is that of Envoy's own packets, so that neither end bounds datagrams more than the other.
const packetSize = 1452

func quicConfig() *quic.Config {
	return &quic.Config{EnableDatagrams: true, InitialPacketSize: packetSize, DisablePathMTUDiscovery: true}
}

// openHTTP3 is the stream of a request that was accepted.
func openHTTP3(w http.ResponseWriter, request Request) (*Stream, error) {
	stream, err := w.(http3.HTTPStreamer).HTTPStream()
	if err != nil {
		return nil, err
	}
	s := &Stream{in: bufio.NewReader(stream), out: stream, close: func() error {
		stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError)) // what still comes is for nobody
		return stream.Close()
	}}
	if request.Protocol == connectUDP {
		s.beside(stream)
		s.quic.mirrors = true
	}
	return s, nil
}

// openHTTP3 asks over a connection of its own.
func (a Ask) openHTTP3(ctx context.Context) (*Stream, error) {
	conn, err := quic.DialAddr(ctx, a.Proxy, http3.ConfigureTLSConfig(a.TLS), quicConfig())
	if err != nil {
		return nil, err
	}
	s := &Stream{close: func() error { return conn.CloseWithError(0, "") }}
	request := a.request()
	if a.Datagrams {
		request.Proto = connectUDP
		request.Header.Set("Capsule-Protocol", "?1")
	}
	stream, response, err := ask(ctx, conn, request)
	if s, err = a.opened(s, response, err); err != nil {
		return nil, err
	}
	s.in, s.out = bufio.NewReader(stream), stream
	if a.Datagrams {
		s.beside(stream)
		s.quic.capsules = a.Capsules
	}
	return s, nil
}

func ask(ctx context.Context, conn *quic.Conn, request *http.Request) (*http3.RequestStream, *http.Response, error) {
	client := (&http3.Transport{EnableDatagrams: true, DisableCompression: true}).NewClientConn(conn)
	select {
	case <-client.ReceivedSettings():
	case <-conn.Context().Done(): // the far end takes no client like this one, and says so after the handshake
		return nil, nil, context.Cause(conn.Context())
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if s := client.Settings(); request.Proto != "" && !(s.EnableExtendedConnect && s.EnableDatagrams) {
		return nil, nil, fmt.Errorf("the far end offers no datagrams: %+v", s)
	}
	stream, err := client.OpenRequestStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := stream.SendRequestHeader(request); err != nil {
		return nil, nil, err
	}
	response, err := stream.ReadResponse()
	return stream, response, err
}

// datagrams are those of one stream, which come beside it or on it.
type datagrams struct {
	stream carrier
	inbox  chan message
	ctx    context.Context //nolint:containedctx // ends with the stream
	// capsules is whether to send them on the stream.
	capsules bool
	// mirrors is whether to send them as the last one came.
	mirrors bool
}

// carrier sends and receives what travels beside a stream.
type carrier interface {
	SendDatagram(b []byte) error
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}

// message is one datagram, or why there are no more.
type message struct {
	text    string
	capsule bool
	err     error
}

// beside lets s take datagrams that travel beside it, too.
func (s *Stream) beside(stream carrier) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &datagrams{stream: stream, inbox: make(chan message), ctx: ctx}
	closeStream := s.close
	s.quic, s.close = d, func() error { cancel(); return closeStream() }
	go d.collect(func() message {
		text, err := readDatagram(s.in)
		return message{text, true, err}
	})
	go d.collect(func() message {
		b, err := stream.ReceiveDatagram(ctx)
		if err == nil && (len(b) == 0 || b[0] != datagramsContext) {
			err = errors.New("a datagram of another context")
		}
		if err != nil {
			return message{err: err}
		}
		return message{text: string(b[1:])}
	})
}

// collect puts what comes into the inbox, until it ends, or the stream is closed.
func (d *datagrams) collect(next func() message) {
	for {
		m := next()
		select {
		case d.inbox <- m:
		case <-d.ctx.Done():
			return
		}
		if m.err != nil {
			return
		}
	}
}

func (d *datagrams) send(text string) error {
	return d.stream.SendDatagram(append([]byte{datagramsContext}, text...))
}

func (d *datagrams) receive() (string, error) {
	select {
	case m := <-d.inbox:
		if d.mirrors {
			d.capsules = m.capsule
		}
		return m.text, m.err
	case <-d.ctx.Done():
		return "", net.ErrClosed
	}
}
