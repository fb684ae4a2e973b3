//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
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
		f.claims = slices.DeleteFunc(slices.Clone(capabilities), func(name string) bool { return name == "net_bind_service" })
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

// forward says whether the host passes on what is not for itself.
func (g *gateway) forward(on bool) {
	g.t.Helper()
	value := map[bool]string{true: "1", false: "0"}[on]
	g.must(errors.Join(g.net.Host.Sysctl("ipv4/ip_forward", value), g.net.Host.Sysctl("ipv6/conf/all/forwarding", value)))
}

// seen is how a server was reached.
type seen struct {
	// Server is its own address, Client the other end's.
	Server, Client netip.AddrPort
	// Asked is the address that the client asked from.
	Asked netip.AddrPort
}

// patience is how long an answer may take, silence how long one is waited for that is not to come: many times longer than
// any takes.
const (
	patience = 3 * time.Second
	silence  = 300 * time.Millisecond
)

// large does not fit into one packet, so that fragments have to find their way as well.
var large = strings.Repeat("x", 8000)

// asker asks a server who it is, and waits so long for the answer.
type asker func(ctx context.Context, from echo.Dialer, addr string, wait time.Duration) (seen, error)

// askers are those of both protocols.
var askers = map[string]asker{"tcp": askTCP, "udp": askUDP}

func askTCP(ctx context.Context, from echo.Dialer, addr string, wait time.Duration) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := from.Dial(ctx, addr)
	if err != nil {
		return seen{}, err
	}
	told, err := tell(conn.Backend, conn.Source, conn.LocalAddr())
	return told, errors.Join(err, conn.Ask(large), conn.Close())
}

func askUDP(ctx context.Context, from echo.Dialer, addr string, wait time.Duration) (seen, error) {
	session, err := from.OpenSession(ctx, addr)
	if err != nil {
		return seen{}, err
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask(large, wait)
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

// ask asks from inside a namespace, with patience.
func (g *gateway) ask(where *netns.Namespace, protocol string, from echo.Dialer, addr string) (told seen, err error) {
	err = where.Do(func() error {
		told, err = askers[protocol](g.ctx, from, addr, patience)
		return err
	})
	return told, err
}

// wantNothing wants that nobody answers the client on any of the ways.
func (g *gateway) wantNothing(ways ...way) {
	g.t.Helper()
	g.wantNothingFrom(g.net.Client, ways...)
}

func (g *gateway) wantNothingFrom(where *netns.Namespace, ways ...way) {
	g.t.Helper()
	for _, w := range ways {
		g.must(where.Do(func() error {
			if told, err := askers[w.protocol](g.ctx, echo.Dialer{}, w.addr, silence); err == nil {
				g.t.Errorf("%s to %s reached %s, which saw %s", w.protocol, w.addr, told.Server, told.Client)
			}
			return nil
		}))
	}
}

// way is what comes of asking at an address.
type way struct {
	protocol, addr string
	// server is the one that answers, source whom it sees.
	server, source string
}

// wantSeen wants what the client sends on each of the ways to reach the server, which sees it come from the source, and
// the answer to reach the client from where it asked.
func (g *gateway) wantSeen(ways ...way) {
	g.t.Helper()
	for _, w := range ways {
		g.wantSeenFrom(g.net.Client, echo.Dialer{}, w)
	}
}

func (g *gateway) wantSeenFrom(where *netns.Namespace, from echo.Dialer, w way) seen {
	g.t.Helper()
	told, err := g.ask(where, w.protocol, from, w.addr)
	if err != nil {
		g.t.Errorf("%s to %s: %v, want %s to see %s", w.protocol, w.addr, err, w.server, w.source)
		return told
	}
	g.t.Logf("%s from %s to %s: %s saw %s", w.protocol, told.Asked, w.addr, told.Server, told.Client)
	if err := told.is(w.server, w.source); err != nil {
		g.t.Error(err)
	}
	return told
}

// is says how it differs from a server that was reached by its address, and saw this IP address.
func (s seen) is(server, source string) error {
	if s.Server.String() != server || s.Client.Addr().String() != source {
		return fmt.Errorf("%s saw %s, want %s to see %s", s.Server, s.Client, server, source)
	}
	return nil
}
