package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
)

// farEnd is one of the endpoints of a tunnel, and how it is spoken to.
type farEnd struct {
	tunnel *config.Tunnel
	// network and address are where it is.
	network, address string
	// tls is nil for clear text.
	tls *tls.Config
	// shown is the certificate that it showed, once it did.
	shown *tls.ConnectionState
	// demands is whether it asked for a client certificate.
	demands bool
}

// addressOf is where an endpoint is: a network and an address of package net.
func addressOf(e config.Endpoint) (network, address string) {
	switch {
	case e.Path != "":
		return "unix", e.Path
	case e.Host != "":
		return "tcp", net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	}
	return "tcp", netip.AddrPortFrom(e.Address, e.Port).String()
}

// speaker is a connection to a far end, or the knowledge how to make one for each request.
type speaker interface {
	// open asks, and waits for the answer. A refusal is a *refusal.
	open(ctx context.Context, q question) (*stream, error)
	close()
}

// direct plays the near end towards one far end.
func (p *patient) direct(e config.Endpoint, wants []want) {
	f := &farEnd{tunnel: p.tunnel}
	f.network, f.address = addressOf(e)
	p.where.Way, p.where.Listener, p.where.Address = Direct, "", f.address
	if t := p.tunnel.Proxy.TLS; t != nil {
		var remarks []word
		f.tls, remarks = f.client(t, e.Host)
		for _, w := range remarks {
			p.say(TLS, w)
		}
		if f.tls == nil {
			return
		}
	}
	s := p.reach(f)
	if s == nil {
		return
	}
	defer s.close()
	if vague := vagueHeaders(wants); len(vague) > 0 {
		p.say(Request, skipped("the operators in %s stand for what a connection tells: a hyphen is sent in their place", strings.Join(vague, ", ")))
	}
	for _, w := range wants {
		if !p.ask(f, s, w) {
			return // the rest would hear the same
		}
	}
}

// reach connects to f, as far as HTTP; nil after it was said why that is not possible.
func (p *patient) reach(f *farEnd) speaker {
	if p.tunnel.HTTP == config.HTTP3 {
		return p.reachQUIC(f)
	}
	conn := p.connect(f)
	if conn == nil {
		return nil
	}
	version := p.tunnel.HTTP
	if version == config.HTTPAuto {
		version = agreed(f.shown)
		p.say(HTTP, ok("agreed on %s", named(version)))
	}
	if version == config.HTTP1 {
		return &http1{far: f, first: conn}
	}
	s := newHTTP2(f, conn)
	ctx, cancel := p.limited()
	defer cancel()
	start := time.Now()
	if err := s.greet(ctx); err != nil {
		p.say(HTTP, p.explain(f, s.spoken(), err))
		s.close()
		return nil
	}
	p.say(HTTP, ok("HTTP/2 is spoken, round trip %s", span(time.Since(start))))
	return s
}

// connect connects to f over TCP, or a unix socket, and speaks TLS if that is asked for.
func (p *patient) connect(f *farEnd) net.Conn {
	ctx, cancel := p.limited()
	defer cancel()
	start := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, f.network, f.address)
	if err != nil {
		p.say(Connect, unreachable(err, f.address, p.Timeout))
		return nil
	}
	took := span(time.Since(start))
	if remote := conn.RemoteAddr().String(); f.network == "tcp" && remote != f.address {
		took += ", to " + remote
	}
	p.say(Connect, ok("connected in %s", took))
	if f.tls == nil {
		return conn
	}
	ctx, cancel = p.limited() // a step of its own
	defer cancel()
	secure := tls.Client(conn, f.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		p.say(TLS, p.explain(f, nil, err))
		_ = conn.Close()
		return nil
	}
	state := secure.ConnectionState()
	f.shown = &state
	p.say(TLS, f.greeted())
	return f.awaitVerdict(secure, time.Since(start))
}

// dial connects to f once more, as connect did.
func (f *farEnd) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, f.network, f.address)
	if err != nil || f.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, f.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// agreed is the version of HTTP that TLS has agreed on.
func agreed(state *tls.ConnectionState) config.HTTPVersion {
	if state.NegotiatedProtocol == "h2" {
		return config.HTTP2
	}
	return config.HTTP1
}

// named is a version of HTTP as people know it.
func named(version config.HTTPVersion) string {
	if version == config.HTTP1 {
		return "HTTP/1.1"
	}
	return "HTTP/" + string(version)
}
