package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// listener is a client of a listener, by each of its routes that go through the tunnel.
func (p *patient) listener(l *config.Listener) {
	if l.Exit != nil {
		return
	}
	for _, r := range l.Routes {
		if r.Via != p.tunnel {
			continue
		}
		for _, b := range l.Binds {
			if p.ctx.Err() != nil {
				return
			}
			w := wantOf(l, r)
			p.where.Way, p.where.Listener = Near, l.Name
			p.where.Address = dialable(b)
			if l.InOrder {
				p.say(Connect, skipped("which of its routes takes a client goes by who that is, and the check may be another one").
					but("connect as a client of the route does to see that way as well"))
				return
			}
			if l.Protocol == config.UDP {
				p.nearUDP(w)
			} else {
				p.nearTCP(l, w)
			}
		}
	}
}

// dialable is where a client on this machine reaches a listener: by the first of its ports.
func dialable(b config.Bind) string {
	if b.Path != "" {
		return b.Path
	}
	address := b.Address
	if address.IsUnspecified() {
		address = map[bool]netip.Addr{true: netip.AddrFrom4([4]byte{127, 0, 0, 1}), false: netip.IPv6Loopback()}[address.Is4()]
	}
	return netip.AddrPortFrom(address, b.Port).String()
}

// absent says that no near end can be reached.
func absent(address string, err error) word {
	return skipped("no near end serves %s here: %s", address, reason(err)).
		but("run the check on the machine of an Envoy that is a near end to see that way as well")
}

func (p *patient) nearTCP(l *config.Listener, w want) {
	ctx, cancel := p.limited()
	defer cancel()
	if t := l.TLS; t != nil && t.ClientCA.Path != "" && t.Client == config.RequireClient {
		p.say(TLS, skipped("the listener takes no client without a certificate, and the check has none"))
		return
	}
	network, address := "tcp", p.where.Address
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		network = "unix"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		p.say(Connect, absent(address, err))
		return
	}
	if w.inside && p.isEcho(w.ask) {
		_ = conn.Close()
		p.say(Exchange, skipped("the near end speaks PROXY or TLS with the target, inside of the tunnel, which a stand-in does not know").
			but("without --echo the target itself is asked"))
		return
	}
	hello := greeting(w.sni)
	if l.TLS != nil {
		// The certificate of the listener is for its clients to check.
		secure := tls.Client(conn, &tls.Config{ServerName: w.sni, InsecureSkipVerify: true}) //nolint:gosec // see above
		if err := secure.HandshakeContext(ctx); err != nil {
			p.say(TLS, failed("the listener ends TLS, and did not: %s", ending(err)))
			_ = conn.Close()
			return
		}
		conn, hello = secure, greeting("")
	}
	ctx, cancel = p.limited() // a step of its own
	defer cancel()
	r := conversation(ctx, &stream{body: conn, out: conn, close: func() { _ = conn.Close() }}, hello)
	p.say(Exchange, p.near(r, w))
}

func (p *patient) nearUDP(w want) {
	ctx, cancel := p.limited()
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", p.where.Address)
	if err != nil {
		p.say(Connect, absent(p.where.Address, err))
		return
	}
	r := datagrams(ctx, socket(conn))
	if errors.Is(r.err, syscall.ECONNREFUSED) && !r.answers() {
		p.say(Connect, absent(p.where.Address, r.err))
		return
	}
	p.say(Exchange, p.near(r, w))
}

// socket is a UDP socket as a link.
func socket(conn net.Conn) link {
	const largest = 1 << 16
	b := make([]byte, largest)
	return link{
		send: func(b []byte) error {
			_, err := conn.Write(b)
			return err
		},
		receive: []func() ([]byte, error){func() ([]byte, error) {
			n, err := conn.Read(b)
			return b[:n], err
		}},
		close: func() { _ = conn.Close() },
	}
}

// isTooLong reports whether the kernel does not take a datagram, because it is too large for the way.
func isTooLong(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }

// near says what came of r, through a near end. What answers directly has to answer here as well.
func (p *patient) near(r result, w want) word {
	said := r.told(w.String(), p.isEcho(w.ask), p.Timeout)
	if r.answers() {
		return said
	}
	what := fmt.Sprintf("nothing came back within %s", p.Timeout)
	if r.err != nil {
		what = "the near end closed the connection without a byte"
	}
	switch {
	case p.seen[w.String()] && !w.inside: // the target was not spoken to as the near end does
		return failed("%s, and directly %s answers", what, w).
			but("see the near end's log, and whether it has this configuration: /status of l4xds serve tells")
	case r.err != nil:
		return failed("%s: its tunnel did not open, or %s closed it", what, w).but("see what the far end answers directly, above")
	case said.result == finding.Failed:
		return failed("%s, and %s is a stand-in that answers", what, w).but("see what the far end answers directly, above")
	}
	return said.but("--echo puts a target there that answers")
}
