//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// gateway is a fleet on the host between a client and a server, which are networks of their own. Its Envoys run as
// nobody.
//
// A server is named after the address that it listens on, so that an answer tells how it was reached.
type gateway struct {
	*fleet
	net *netns.Network
}

// eachGateway runs the test for both variants, with Envoys that have these capabilities and no others.
func eachGateway(t *testing.T, capabilities []string, test func(g *gateway)) {
	t.Helper()
	netns.Need(t)
	eachVariant(t, func(f *fleet) {
		network, err := netns.New()
		f.must(err)
		f.Keep(network)
		f.must(os.Chmod(f.Dir, 0o711)) // for nobody
		f.Network, f.wrap = network.Host, netns.Unprivileged(capabilities...)
		test(&gateway{fleet: f, net: network})
	})
}

// servers starts stand-ins at these addresses, TCP and UDP.
func (g *gateway) servers(where *netns.Namespace, addrs ...string) {
	g.t.Helper()
	for _, addr := range addrs {
		g.must(where.Do(func() error {
			tcp, err := echo.ListenTCP(addr, addr)
			if err != nil {
				return err
			}
			g.Keep(tcp)
			udp, err := echo.ListenUDP(addr, addr)
			if err != nil {
				return err
			}
			g.Keep(udp)
			return nil
		}))
	}
}

// seen is how a server was reached.
type seen struct {
	// Server is its own address, Client the other end's.
	Server, Client netip.AddrPort
	// Asked is the address that the client asked from.
	Asked netip.AddrPort
}

// patience is how long an answer may take.
const patience = 3 * time.Second

// asker asks a server who it is, over one protocol.
type asker func(ctx context.Context, from echo.Dialer, addr string) (seen, error)

// protocols are what a mode is tried with.
var protocols = map[string]asker{"tcp": askTCP, "udp": askUDP}

func askTCP(ctx context.Context, from echo.Dialer, addr string) (seen, error) {
	conn, err := from.Dial(ctx, addr)
	if err != nil {
		return seen{}, err
	}
	told, err := tell(conn.Backend, conn.Source, conn.LocalAddr())
	return told, errors.Join(err, conn.Ask("hello"), conn.Close())
}

func askUDP(ctx context.Context, from echo.Dialer, addr string) (seen, error) {
	session, err := from.OpenSession(ctx, addr)
	if err != nil {
		return seen{}, err
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask("hello", patience)
	if err != nil {
		return seen{}, err
	}
	return tell(answer.Backend, answer.Source, session.LocalAddr())
}

func tell(server, client string, asked net.Addr) (told seen, err error) {
	var errs [3]error
	told.Server, errs[0] = netip.ParseAddrPort(server)
	told.Client, errs[1] = netip.ParseAddrPort(client)
	told.Asked, errs[2] = netip.ParseAddrPort(asked.String())
	return told, errors.Join(errs[:]...)
}

// ask asks from inside a namespace.
func (g *gateway) ask(where *netns.Namespace, ask asker, from echo.Dialer, addr string) (told seen, err error) {
	err = where.Do(func() error {
		told, err = ask(g.ctx, from, addr)
		return err
	})
	return told, err
}

// wantSeen wants what the client sends to addr to reach the server, which sees it come from an address; and the answer
// to reach the client.
func (g *gateway) wantSeen(protocol, addr, server, source string) {
	g.t.Helper()
	g.wantSeenFrom(echo.Dialer{}, protocol, addr, server, source)
}

func (g *gateway) wantSeenFrom(from echo.Dialer, protocol, addr, server, source string) {
	g.t.Helper()
	told, err := g.ask(g.net.Client, protocols[protocol], from, addr)
	if err != nil {
		g.t.Errorf("%s to %s: %v, want %s to see %s", protocol, addr, err, server, source)
		return
	}
	if err := told.is(server, source); err != nil {
		g.t.Errorf("%s from %s to %s: %v", protocol, told.Asked, addr, err)
	}
}

// is says how it differs from a server that was reached by its address, and saw this IP address.
func (s seen) is(server, source string) error {
	if s.Server.String() != server || s.Client.Addr().String() != source {
		return fmt.Errorf("%s saw %s, want %s to see %s", s.Server, s.Client, server, source)
	}
	return nil
}
