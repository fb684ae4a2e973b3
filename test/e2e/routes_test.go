//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// otherAddress is an IPv4 address of this machine that is no loopback: a client that has it is external to a listener on
// loopback. The bytes stay on the machine.
func (f *fleet) otherAddress() string {
	f.t.Helper()
	all, err := net.InterfaceAddrs()
	f.must(err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	f.t.Fatal("this machine has no IPv4 address besides loopback")
	return ""
}

// at names an address by a word of its own, for a listener that has several.
func (f *fleet) at(host string, port int) (word string) {
	word = fmt.Sprintf("%s:%d", host, port)
	f.words[word] = word
	return word
}

// TestRoutes: the first route takes a connection whose conditions all hold, each by one of its values.
func TestRoutes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("office", "games", "ninth", "low", "both", "here", "rest")
		any4, games, low := f.ports(1), f.ports(4), f.ports(40)
		f.start(strings.NewReplacer(
			"ANY", strconv.Itoa(any4), "FIRST", strconv.Itoa(games), "SECOND", strconv.Itoa(games+1), "LAST", strconv.Itoa(games+3),
			"LOW", fmt.Sprintf("%d-%d", low, low+39),
		).Replace(`
listeners:
  edge:
    tcp: ["0.0.0.0:ANY", "127.0.0.1:FIRST-LAST"]
    routes:
      - {name: office, from: [127.0.0.2, 127.1.0.0/16], to: $office}
      - {name: games, port: [SECOND-LAST], to: $games}
      - {name: ninth, address: 127.0.0.9, to: $ninth}
      - {name: low, from_port: LOW, to: $low}
      - {name: both, from: 127.0.0.3, port: [FIRST], to: $both}
      - {name: here, from: local, to: $here}
    to: $rest
`))
		for _, test := range []struct {
			dialer echo.Dialer
			addr   string
			want   string
		}{
			{echo.Dialer{From: "127.0.0.2"}, f.at("127.0.0.1", any4), "office"},
			{echo.Dialer{From: "127.1.255.255"}, f.at("127.0.0.1", games+1), "office"},
			{echo.Dialer{From: "127.2.0.1"}, f.at("127.0.0.1", any4), "here"},
			{echo.Dialer{}, f.at("127.0.0.1", games+1), "games"},
			{echo.Dialer{}, f.at("127.0.0.1", games+3), "games"},
			{echo.Dialer{}, f.at("127.0.0.1", games), "here"},
			{echo.Dialer{}, f.at("127.0.0.9", any4), "ninth"},
			{echo.Dialer{From: "127.7.0.1", FromPort: low}, f.at("127.0.0.1", any4), "low"},
			{echo.Dialer{From: "127.7.0.1", FromPort: low + 39}, f.at("127.0.0.1", games), "low"},
			{echo.Dialer{From: "127.0.0.3"}, f.at("127.0.0.1", games), "both"},
			{echo.Dialer{From: "127.0.0.3"}, f.at("127.0.0.1", any4), "here"},
			{echo.Dialer{From: f.otherAddress()}, f.at("127.0.0.1", any4), "rest"},
		} {
			conn, err := test.dialer.Dial(f.ctx, test.addr)
			if err != nil {
				f.t.Errorf("from %s:%d to %s: %v, want %s", test.dialer.From, test.dialer.FromPort, test.addr, err, test.want)
				continue
			}
			f.Keep(conn)
			if err := same(conn.Backend, test.want); err != nil {
				f.t.Errorf("from %s:%d to %s: %v", test.dialer.From, test.dialer.FromPort, test.addr, err)
			}
			f.must(conn.Ask("hello"))
		}
	})
}

// TestRoutesBothFamilies: on a socket of both families IPv4 clients have their own addresses.
func TestRoutesBothFamilies(t *testing.T) {
	needIPv6(t)
	eachVariant(t, func(f *fleet) {
		f.backends("four", "six", "external")
		port := f.ports(1)
		f.start(fmt.Sprintf(`
listeners:
  edge:
    tcp: "[::]:%[1]d"
    udp: "[::]:%[1]d"
    routes:
      - {name: four, from: 127.0.0.0/8, address: 127.0.0.0/8, to: $four}
      - {name: six, from: "::1", address: "::1", to: $six}
`, port))
		f.words["v4"], f.words["v6"] = fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("[::1]:%d", port)
		for word, want := range map[string]string{"v4": "four", "v6": "six"} {
			f.wantTCP(word, want)
			f.wantUDP(word, want)
		}
	})
}

// TestRoutesTLS: routes by what the client's hello tells. Each backend shows its own certificate, which the client checks.
func TestRoutesTLS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		for name, host := range map[string]string{
			"exact": "a.example.com", "below": "x.b.example.com", "proto": "p.example.com", "other": "elsewhere.test",
			"inside": "i.example.com",
		} {
			f.tlsBackend(ca, name, host)
		}
		f.backends("plain")
		f.start(`
listeners:
  edge:
    tcp: $edge
    routes:
      - {name: inside, from: 127.0.0.2, sni: [i.example.com, j.example.com], to: $inside}
      - {name: exact, sni: A.example.com, to: $exact}
      - {name: below, sni: "*.b.example.com", to: $below}
      - {name: proto, alpn: [postgresql, h2], to: $proto}
      - {name: other, transport: tls, to: $other}
      - {name: plain, transport: plain, to: $plain}
`)
		offering := func(host string, protocols ...string) echo.Dialer {
			c := ca.Client(host)
			c.NextProtos = protocols
			return echo.Dialer{TLS: c}
		}
		inside := offering("i.example.com")
		inside.From = "127.0.0.2"
		f.wantDialed(inside, "edge", "inside")
		f.wantDialed(offering("a.example.com", "h2"), "edge", "exact")
		f.wantDialed(offering("x.b.example.com"), "edge", "below")
		f.wantDialed(offering("p.example.com", "http/1.1", "h2"), "edge", "proto")
		f.wantDialed(offering("elsewhere.test", "h22", "http/1.1"), "edge", "other")
		f.wantDialed(echo.Dialer{TLS: ca.Anonymous()}, "edge", "other")
		f.wantDialed(echo.Dialer{First: "hello"}, "edge", "plain")
	})
}

// TestRoutesAndTLSEndsHere: the hello is looked at also where TLS ends at the listener, with the one certificate.
func TestRoutesAndTLSEndsHere(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.issue(ca, "edge", certs.Leaf{Names: []string{"*.example.com"}})
		f.backends("first", "second")
		f.start(`
listeners:
  edge:
    tcp: $edge
    tls: ../edge.crt
    routes:
      - {name: first, sni: a.example.com, to: $first}
    to: $second
`)
		f.wantDialed(echo.Dialer{TLS: ca.Client("a.example.com")}, "edge", "first")
		f.wantDialed(echo.Dialer{TLS: ca.Client("b.example.com")}, "edge", "second")
	})
}

// TestRoutesRefuse: what no route takes is closed, and stands in the log of the listener.
func TestRoutesRefuse(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		log := filepath.Join(f.Dir, "access.json")
		f.start(fmt.Sprintf(`
listeners: {edge: {tcp: $edge, access_log: %s, routes: [{name: office, from: 127.0.0.2, to: $blue}]}}
`, log))
		f.wantDialed(echo.Dialer{From: "127.0.0.2"}, "edge", "blue")
		f.wantClosed(echo.Dialer{From: "127.0.0.3"}, "edge")
		f.wantLogged(log, "refused client", "127.0.0.3", `"flags":"NR"`)
	})
}

// TestRouteSettings: a route has its own timeout and its own log; what it does not say is the listener's.
func TestRouteSettings(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		log := filepath.Join(f.Dir, "access.log")
		f.start(fmt.Sprintf(`
listeners:
  edge:
    tcp: $edge
    access_log: {file: %s, text: "listener %%FILTER_CHAIN_NAME%%"}
    routes:
      - {name: short, from: 127.0.0.2, to: $blue, timeouts: {idle: 200ms}, access_log: {text: "own %%FILTER_CHAIN_NAME%%"}}
      - {name: long, from: 127.0.0.3, to: $green}
`, log))
		short, err := echo.Dialer{From: "127.0.0.2"}.Dial(f.ctx, f.addr("edge"))
		f.must(err)
		f.Keep(short)
		long, err := echo.Dialer{From: "127.0.0.3"}.Dial(f.ctx, f.addr("edge"))
		f.must(err)
		f.must(short.SetDeadline(time.Now().Add(10 * time.Second)))
		if _, err := short.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			f.t.Errorf("an idle connection: %v", err)
		}
		f.wantLogged(log, "short route", "own edge/short")
		f.must(long.Ask("still there"))
		f.must(long.Close())
		f.wantLogged(log, "long route", "listener edge/long")
	})
}

// TestRoutesVia: each route goes through the tunnel of the listener, through one of its own, or straight.
func TestRoutesVia(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two", "three")
		far := f.startTunnel(`
listeners:
  edge:
    tcp: $edge
    routes:
      - {name: named, from: 127.0.0.2, to: $one}
      - {name: own, from: 127.0.0.3, to: $two, via: {proxy: $hub, http: 1}}
      - {name: straight, from: 127.0.0.4, to: $three, via: none}
    to: $two
    via: hub
    nodes: {id: near}
tunnels:
  hub: {proxy: $hub, http: 2, exit: {targets: [$one, $two], nodes: {id: far}}}
`)
		for from, want := range map[string]string{"127.0.0.2": "one", "127.0.0.3": "two", "127.0.0.4": "three", "127.0.0.5": "two"} {
			f.wantDialed(echo.Dialer{From: from}, "edge", want)
		}
		for _, version := range []string{"1", "2"} {
			n, err := far.Stat(f.ctx, "http.hub.downstream_cx_http"+version+"_total")
			if err != nil || n == 0 {
				f.t.Errorf("connections of HTTP/%s: %d, %v", version, n, err)
			}
		}
	})
}

// TestRouteEdits: an edit of a route leaves the connections of the others alone; its own stay until they have drained. New
// connections go by the new routes at once.
func TestRouteEdits(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green", "red")
		const config = `
listeners:
  edge:
    tcp: $edge
    routes:
%s
    to: $red
`
		const blue, green = "      - {name: blue, from: 127.0.0.2, to: $blue}\n", "      - {name: green, from: %s, to: $green%s}\n"
		f.start(fmt.Sprintf(config, blue+fmt.Sprintf(green, "127.0.0.3", "")))
		open := func(from, want string) *echo.Conn {
			conn, err := echo.Dialer{From: from}.Dial(f.ctx, f.addr("edge"))
			f.must(err)
			f.Keep(conn)
			f.must(same(conn.Backend, want))
			return conn
		}
		conns := []*echo.Conn{open("127.0.0.2", "blue"), open("127.0.0.3", "green"), open("127.0.0.4", "red")}
		for _, edit := range []struct{ what, routes, moved, to string }{
			{"another condition", blue + fmt.Sprintf(green, "127.0.0.4", ""), "127.0.0.4", "green"},
			{"another order, and a wider condition", blue + fmt.Sprintf(green, "127.0.0.0/8", ""), "127.0.0.5", "green"},
			{"before the other", fmt.Sprintf(green, "127.0.0.4/30", "") + blue, "127.0.0.3", "red"},
			{"a route more", "      - {name: more, from: 127.0.0.2, to: $red}\n" + fmt.Sprintf(green, "127.0.0.3", "") +
				strings.Replace(blue, "127.0.0.2", "[127.0.0.2, 127.0.0.6]", 1), "127.0.0.2", "red"},
		} {
			f.edit(fmt.Sprintf(config, edit.routes))
			f.wantDialed(echo.Dialer{From: edit.moved}, "edge", edit.to)
			for i, conn := range conns {
				if err := conn.Ask(edit.what); err != nil {
					f.t.Errorf("%s: connection %d: %v", edit.what, i, err)
				}
			}
		}
		f.edit(fmt.Sprintf(config, blue+fmt.Sprintf(green, "127.0.0.3", ", timeouts: {idle: 1h}")))
		f.wantDialed(echo.Dialer{From: "127.0.0.3"}, "edge", "green")
		f.until(func(context.Context) error { // the chain is another one, and the old one drains
			if conns[1].Ask("still there") == nil {
				return errors.New("the connection of the route that was edited is still open")
			}
			return nil
		})
		f.must(conns[2].Ask("still there"))
	})
}

// TestRoutesUDP: the first route takes a session whose conditions all hold; what none takes is dropped, and counted.
func TestRoutesUDP(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("office", "games", "ninth", "both")
		any4, games := f.ports(1), f.ports(4)
		f.start(strings.NewReplacer(
			"ANY", strconv.Itoa(any4), "FIRST", strconv.Itoa(games), "SECOND", strconv.Itoa(games+1), "LAST", strconv.Itoa(games+3),
		).Replace(`
listeners:
  edge:
    udp: ["0.0.0.0:ANY", "127.0.0.1:FIRST-LAST"]
    routes:
      - {name: office, from: [127.0.0.2, 127.1.0.0/16], to: $office}
      - {name: games, port: [SECOND-LAST], to: $games}
      - {name: ninth, address: 127.0.0.9, to: $ninth}
      - {name: both, from: 127.0.0.3, port: [FIRST], to: $both}
`))
		dropped := 0
		for _, test := range []struct{ from, addr, want string }{
			{"127.0.0.2", f.at("127.0.0.1", any4), "office"},
			{"127.1.255.255", f.at("127.0.0.1", games+1), "office"},
			{"127.2.0.1", f.at("127.0.0.1", games+1), "games"},
			{"127.2.0.1", f.at("127.0.0.1", games+3), "games"},
			{"127.2.0.1", f.at("127.0.0.1", games), ""},
			{"127.2.0.1", f.at("127.0.0.9", any4), "ninth"},
			{"127.0.0.3", f.at("127.0.0.1", games), "both"},
			{"127.0.0.3", f.at("127.0.0.1", any4), ""},
		} {
			session, err := echo.Dialer{From: test.from}.OpenSession(f.ctx, test.addr)
			f.must(err)
			f.Keep(session)
			if test.want == "" {
				f.must(session.Send("hello"))
				dropped++
				f.untilStat("udp.edge.downstream_sess_no_route", dropped)
				continue
			}
			answer, err := session.Ask("hello", 5*time.Second)
			if err != nil || answer.Backend != test.want {
				f.t.Errorf("from %s to %s: reached %q, %v, want %q", test.from, test.addr, answer.Backend, err, test.want)
			}
		}
		f.untilStat("udp.edge.downstream_sess_active", 6)
	})
}

// TestRoutesOfBoth: one list for both protocols, and one for each; the rest of both goes elsewhere.
func TestRoutesOfBoth(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("one", "two", "rest")
		f.start(`
listeners:
  shared: {tcp: $shared, udp: $shared, routes: [{name: office, from: 127.0.0.2, to: $one}], to: $rest}
  own:
    tcp: {address: $own, routes: [{name: office, from: local, to: $one}]}
    udp: {address: $own, routes: [{name: office, from: 127.0.0.0/8, to: $two}]}
`)
		f.wantDialed(echo.Dialer{From: "127.0.0.2"}, "shared", "one")
		f.wantTCP("shared", "rest")
		f.wantTCP("own", "one")
		f.wantUDP("own", "two")
		f.wantUDP("shared", "rest")
		session, err := echo.Dialer{From: "127.0.0.2"}.OpenSession(f.ctx, f.addr("shared"))
		f.must(err)
		f.Keep(session)
		answer, err := session.Ask("hello", 5*time.Second)
		f.must(err)
		f.must(same(answer.Backend, "one"))
	})
}

// TestRouteEditsUDP: an edit of a UDP route moves the sessions that it concerns, and loses no datagram of the others, which
// begin anew.
func TestRouteEditsUDP(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green", "rest")
		const config = `
listeners: {edge: {udp: $edge, routes: [{name: a, from: %s, to: $blue}, {name: b, from: 127.0.0.3, to: $green}], to: $rest}}
`
		f.start(fmt.Sprintf(config, "127.0.0.2"))
		var sessions []*echo.Session
		wants := []string{"blue", "green", "rest"}
		for i, want := range wants {
			session, err := echo.Dialer{From: fmt.Sprintf("127.0.0.%d", 2+i)}.OpenSession(f.ctx, f.addr("edge"))
			f.must(err)
			f.Keep(session)
			sessions = append(sessions, session)
			answer, err := session.Ask("first", 5*time.Second)
			f.must(err)
			f.must(same(answer.Backend, want))
		}
		f.edit(fmt.Sprintf(config, "127.0.0.4"))
		for i, want := range []string{"rest", "green", "blue"} {
			answer, err := sessions[i].Ask("second", 5*time.Second)
			f.must(err)
			f.must(same(answer.Backend, want))
		}
	})
}

// TestRoutesUnix: a client of a unix socket is local, and dialled no address; a route alone takes everything.
func TestRoutesUnix(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("address", "external", "local", "all2")
		path := filepath.Join(f.Dir, "near.sock")
		f.start(fmt.Sprintf(`
listeners:
  edge:
    tcp: ["unix:%s", $edge]
    routes:
      - {name: address, address: 127.0.0.0/8, port: 1-65535, from: 127.0.0.2, to: $address}
      - {name: external, from: external, to: $external}
      - {name: local, from: local, to: $local}
  all: {tcp: $all, routes: [{name: all, to: $all2}]}
`, path))
		f.words["unix"] = path
		f.wantTCP("unix", "local")
		f.wantTCP("edge", "local")
		f.wantDialed(echo.Dialer{From: "127.0.0.2"}, "edge", "address")
		f.wantTCP("all", "all2")
	})
}

// TestFirstRoute: the first route of a listener makes its way for everything another one, which drains once.
func TestFirstRoute(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {edge: {tcp: $edge, to: $blue}}`)
		conn := f.dialed("edge", "blue")
		f.edit(`listeners: {edge: {tcp: $edge, to: $blue, routes: [{name: a, from: 127.0.0.2, to: $green}]}}`)
		f.wantDialed(echo.Dialer{From: "127.0.0.2"}, "edge", "green")
		f.wantTCP("edge", "blue")
		f.until(func(context.Context) error {
			if conn.Ask("still there") == nil {
				return errors.New("the connection of before is still open")
			}
			return nil
		})
	})
}

// TestRoutesInside: of one listener, the target of one route is told who the client is, and that of another is not.
func TestRoutesInside(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 2)
		f.backends("two")
		f.startTunnel(`
listeners:
  edge:
    tcp: $edge
    routes:
      - {name: bare, from: 127.0.0.2, to: $two}
      - {name: told, from: local, to: {endpoints: $one, proxy_protocol: v2}}
    to: $two
    via: hub
    nodes: {id: near}
tunnels: {hub: {proxy: $hub, http: 2, exit: {nodes: {id: far}}}}
`)
		f.wantTold("edge", "one")
		f.wantDialed(echo.Dialer{From: "127.0.0.2"}, "edge", "two")
		f.wantDialed(echo.Dialer{From: f.otherAddress()}, "edge", "two")
	})
}
