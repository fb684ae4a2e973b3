//go:build e2e && linux

package e2e

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/netns"
)

// TestTransparentSource: servers see the client's address, elsewhere and on Envoy's host; and their other clients are served as
// before.
func TestTransparentSource(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.servers(g.net.Host, "10.77.1.1:9000", "[fd77:1::1]:9000")
		g.start(`
listeners:
  far4: {tcp: 8004, udp: 8004, to: "10.77.2.2:9000", source: client}
  far6: {tcp: "[fd77:1::1]:8006", udp: "[fd77:1::1]:8006", to: "[fd77:2::2]:9000", source: client}
  here4: {tcp: 8014, udp: 8014, to: "10.77.1.1:9000", source: client}
  here6: {tcp: "[fd77:1::1]:8016", udp: "[fd77:1::1]:8016", to: "[fd77:1::1]:9000", source: client}
`)
		g.withEachKit(func() {
			for protocol := range askers {
				g.wantSeen(
					way{protocol, "10.77.1.1:8004", "10.77.2.2:9000", netns.Client},
					way{protocol, "[fd77:1::1]:8006", "[fd77:2::2]:9000", netns.Client6},
					way{protocol, "10.77.1.1:8014", "10.77.1.1:9000", netns.Client},
					way{protocol, "[fd77:1::1]:8016", "[fd77:1::1]:9000", netns.Client6},
				)
				g.wantSeenFrom(g.net.Client, echo.Dialer{From: "10.77.1.3"}, way{protocol, "10.77.1.1:8004", "10.77.2.2:9000", "10.77.1.3"})
				g.wantSeenFrom(g.net.Client, echo.Dialer{From: "fd77:1::3"}, way{protocol, "[fd77:1::1]:8006", "[fd77:2::2]:9000", "fd77:1::3"})
				for _, direct := range []string{"10.77.2.2:9000", "[fd77:2::2]:9000", "10.77.1.1:9000", "[fd77:1::1]:9000"} {
					g.wantDirect(protocol, direct)
				}
			}
		})
	})
}

// wantDirect wants a server that no listener speaks for to see the very address and port of the client.
func (g *gateway) wantDirect(protocol, addr string) {
	g.t.Helper()
	told, err := g.ask(g.net.Client, protocol, echo.Dialer{}, addr)
	if err != nil || told.Client != told.Asked || told.Server.String() != addr {
		g.t.Errorf("%s from %s to %s itself: %s saw %s, %v", protocol, told.Asked, addr, told.Server, told.Client, err)
	}
}

// TestTransparentSourceLoopback: a server on the loopback of Envoy's host sees the client's address, for which the kernel has to
// let packets of loopback out; others still cannot reach what listens there, even if they try.
func TestTransparentSourceLoopback(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Host, "127.0.0.1:9000")
		g.start(`listeners: {loop: {tcp: 8024, udp: 8024, to: "127.0.0.1:9000", source: client}}`)
		// A client that has no loopback of its own sends what is for 127.0.0.1 to the host.
		g.on(g.net.Client, "ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 10.77.1.1")
		g.must(g.net.Client.Sysctl("ipv4/conf/all/route_localnet", "1"))
		for format, open := range map[string]string{
			"script":   "nft flush chain inet l4xds localnet",
			"iptables": "iptables -t raw -F L4XDS-LOCALNET",
		} {
			g.withKit(format, func() {
				for protocol := range askers {
					g.wantSeen(way{protocol, "10.77.1.1:8024", "127.0.0.1:9000", netns.Client})
					g.wantNothing(way{protocol: protocol, addr: "127.0.0.1:9000"})
				}
				g.on(g.net.Host, open)
				g.wantDirect("tcp", "127.0.0.1:9000")
			})
		}
	})
}

// TestTransparentSourceFarServer: a server whose way to the clients does not lead through Envoy's host is given one for its
// answers by the kit of its side.
func TestTransparentSourceFarServer(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.on(g.net.Server, "ip route del default; ip -6 route del default")
		g.start(`
listeners:
  far4: {tcp: 8004, udp: 8004, to: "10.77.2.2:9000", source: client}
  far6: {tcp: "[fd77:1::1]:8006", udp: "[fd77:1::1]:8006", to: "[fd77:2::2]:9000", source: client}
`)
		ways := []way{
			{"tcp", "10.77.1.1:8004", "10.77.2.2:9000", netns.Client},
			{"udp", "10.77.1.1:8004", "10.77.2.2:9000", netns.Client},
			{"tcp", "[fd77:1::1]:8006", "[fd77:2::2]:9000", netns.Client6},
			{"udp", "[fd77:1::1]:8006", "[fd77:2::2]:9000", netns.Client6},
		}
		g.withKit("script", func() {
			g.wantNothing(ways...)
			g.withKitOn(g.net.Server, func() { g.wantSeen(ways...) },
				"--format", "script", "--side", "server", "--envoy", netns.Far, "--envoy", netns.Far6)
		})
	})
}

// TestTransparentSourceInjection: a datagram to the port of a session at which nobody asked for it does not reach the client,
// neither at the client's address nor at one of the host.
func TestTransparentSourceInjection(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.start(`
listeners:
  far4: {udp: 8004, to: "10.77.2.2:9000", source: client}
  far6: {udp: "[fd77:1::1]:8006", to: "[fd77:2::2]:9000", source: client}
`)
		for format, unguard := range map[string]string{
			"script":   "nft flush chain inet l4xds guard",
			"iptables": "iptables -F L4XDS-GUARD; ip6tables -F L4XDS-GUARD",
		} {
			g.withKit(format, func() { g.wantNoInjection(unguard) })
		}
	})
}

// wantNoInjection wants nobody to be able to speak in the place of a server, as long as the guard is there.
func (g *gateway) wantNoInjection(unguard string) {
	g.t.Helper()
	four, six := g.openAt("10.77.1.1:8004"), g.openAt("[fd77:1::1]:8006")
	addrs4, addrs6 := []string{netns.Client, netns.Near, netns.Far}, []string{netns.Client6, netns.Near6, netns.Far6}
	for _, s := range []struct {
		*session
		where *netns.Namespace
		from  string
		to    []string
	}{
		{four, g.net.Server, "10.77.2.2", addrs4}, // the server, from another port
		{four, g.net.Server, "10.77.2.4", addrs4},
		{four, g.net.Client, "10.77.1.3", addrs4},
		{six, g.net.Server, "fd77:2::2", addrs6},
		{six, g.net.Server, "fd77:2::4", addrs6},
		{six, g.net.Client, "fd77:1::3", addrs6},
	} {
		if g.inject(s.session, s.where, s.from, s.to...) {
			g.t.Errorf("a datagram from %s to one of %s reached the client", s.from, s.to)
		}
		if _, err := s.Ask("still", patience); err != nil {
			g.t.Errorf("the session no longer works: %v", err)
		}
	}
	g.on(g.net.Host, unguard)
	if !g.inject(four, g.net.Server, "10.77.2.4", netns.Far) || !g.inject(six, g.net.Server, "fd77:2::4", netns.Far6) {
		g.t.Error("without the guard nothing reaches the client either: this shows nothing")
	}
}

// openAt opens a session from the client's network.
func (g *gateway) openAt(addr string) *session {
	g.t.Helper()
	var client *echo.Session
	g.must(g.net.Client.Do(func() (err error) {
		client, err = echo.OpenSession(g.ctx, addr)
		return err
	}))
	g.Keep(client)
	first, err := client.Ask("hello", patience)
	g.must(err)
	return &session{Session: client, first: first}
}

// inject sends datagrams from somewhere to the session's port at these addresses, and reports whether the client got one.
func (g *gateway) inject(s *session, where *netns.Namespace, from string, to ...string) bool {
	g.t.Helper()
	at, err := netip.ParseAddrPort(s.first.Source)
	g.must(err)
	const forged = "forged answer of-nobody"
	g.must(where.Do(func() error {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
		if err != nil {
			return err
		}
		for _, addr := range to {
			_, failed := conn.WriteTo([]byte(forged), &net.UDPAddr{IP: net.ParseIP(addr), Port: int(at.Port())})
			err = errors.Join(err, failed)
		}
		return errors.Join(err, conn.Close())
	}))
	answer, err := s.Receive(time.Now().Add(200 * time.Millisecond))
	return err == nil && answer.Backend == strings.Fields(forged)[0]
}

// TestTransparentSourceProxied: the address in a PROXY header becomes the one that connections come from, and the other way
// round the client's goes into a header, with that which it dialled.
func TestTransparentSourceProxied(t *testing.T) {
	eachGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000", "[fd77:2::2]:9000")
		g.must(g.net.Server.Do(func() error {
			for _, addr := range []string{"10.77.2.2:9100", "[fd77:2::2]:9100"} {
				told, err := echo.ListenProxied("told", addr, 2, nil)
				if err != nil {
					return err
				}
				g.Keep(told)
			}
			return nil
		}))
		g.start(`
listeners:
  in4: {tcp: 8004, to: "10.77.2.2:9000", proxy_protocol: require, source: client}
  in6: {tcp: "[fd77:1::1]:8006", to: "[fd77:2::2]:9000", proxy_protocol: require, source: client}
  out4: {tcp: 8014, to: {endpoints: "10.77.2.2:9100", proxy_protocol: v2}}
  out6: {tcp: "[fd77:1::1]:8016", to: {endpoints: "[fd77:2::2]:9100", proxy_protocol: v2}}
  captured:
    tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 7777}}
    to: {endpoints: "10.77.2.2:9100", proxy_protocol: v2}
  redirected:
    tcp: {address: "[::]:15002", transparent: {mode: redirect, ports: 7778}}
    to: {endpoints: "10.77.2.2:9100", proxy_protocol: v2}
`)
		g.withKit("script", func() {
			four, six := way{"tcp", "10.77.1.1:8004", "10.77.2.2:9000", "203.0.113.7"}, way{"tcp", "[fd77:1::1]:8006", "[fd77:2::2]:9000", "2001:db8::9"}
			for _, header := range []func(from, to string) string{
				echo.HeaderV1, func(from, to string) string { return echo.HeaderV2(from, to) },
			} {
				g.wantSeenFrom(g.net.Client, echo.Dialer{Header: header("203.0.113.7:1234", "198.51.100.9:443")}, four)
				g.wantSeenFrom(g.net.Client, echo.Dialer{Header: header("[2001:db8::9]:1234", "[2001:db8::a]:443")}, six)
			}
			four.source = netns.Client // a header of nobody
			g.wantSeenFrom(g.net.Client, echo.Dialer{Header: echo.HeaderOfNobody}, four)
			for _, addr := range []string{
				"10.77.1.1:8014", "[fd77:1::1]:8016", nowhere + ":7777", "[" + nowhere6 + "]:7777", nowhere + ":7778", "[" + nowhere6 + "]:7778",
			} {
				g.wantToldAt(addr)
			}
		})
	})
}

// wantToldAt wants the server to be told the very address and port of the client, and those that it dialled.
func (g *gateway) wantToldAt(addr string) {
	g.t.Helper()
	conn := g.dialAt(addr)
	g.must(conn.Ask("hello"))
	g.t.Logf("tcp from %s to %s: the server was told %s", conn.LocalAddr(), addr, conn.Source)
	if want := conn.LocalAddr().String() + ">" + addr; conn.Source != want {
		g.t.Errorf("want %s", want)
	}
}

// TestTransparentSourceExample: the shortest file that gives servers the client's address, with its kit as printed.
func TestTransparentSourceExample(t *testing.T) {
	eachGateway(t, []string{"net_raw", "net_bind_service"}, func(g *gateway) {
		text, err := os.ReadFile("../../examples/transparent-source.yaml")
		g.must(err)
		g.servers(g.net.Server, "10.77.2.2:53", "10.77.2.3:53")
		g.start(strings.NewReplacer("10.0.0.53", "10.77.2.2", "10.0.0.54", "10.77.2.3").Replace(string(text)))
		g.withKit("script", func() {
			for protocol := range askers {
				told, err := g.ask(g.net.Client, protocol, echo.Dialer{}, "10.77.1.1:53")
				g.must(err)
				g.must(told.is(told.Server.String(), netns.Client))
			}
		})
	})
}
