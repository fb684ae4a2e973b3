//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// inspectTime is how long Envoy waits for a header, and slack how much later it may be.
const (
	inspectTime = 5 * time.Second
	slack       = 3 * time.Second
)

// wantTells waits until a client that dials so reaches the backend, and wants that to be told this.
func (f *fleet) wantTells(dialer echo.Dialer, listener, backend, told string) {
	f.t.Helper()
	f.wantDialed(dialer, listener, backend)
	conn, err := dialer.Dial(f.ctx, f.addr(listener))
	f.must(err)
	f.Keep(conn)
	f.must(conn.Ask("hello"))
	if conn.Source != told {
		f.t.Errorf("%s: %s is told %s, want %s", listener, backend, conn.Source, told)
	}
}

// TestClientProxy: what a header says is what the backend is told, in both versions and families, and what stands in it besides
// stays on this side.
func TestClientProxy(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 1)
		f.proxied("two", 2)
		f.start(`
listeners:
  v1: {tcp: $v1, proxy_protocol: require, to: {endpoints: $one, proxy_protocol: v1}}
  v2: {tcp: $v2, proxy_protocol: require, to: {endpoints: $two, proxy_protocol: v2}}
`)
		const from4, to4, from6, to6 = "192.0.2.7:1234", "198.51.100.1:443", "[2001:db8::7]:1234", "[2001:db8::1]:443"
		for _, test := range []struct{ header, told string }{
			{echo.HeaderV1(from4, to4), from4 + ">" + to4},
			{echo.HeaderV1(from6, to6), from6 + ">" + to6},
			{echo.HeaderV2(from4, to4), from4 + ">" + to4},
			{echo.HeaderV2(from6, to6, echo.Extra{Type: 0xE0, Value: "kept"}), from6 + ">" + to6},
		} {
			f.wantTells(echo.Dialer{Header: test.header}, "v1", "one", test.told)
			f.wantTells(echo.Dialer{Header: test.header}, "v2", "two", test.told)
		}
		for _, nobody := range []string{echo.HeaderOfNobody, "PROXY UNKNOWN\r\n"} {
			for listener, backend := range map[string]string{"v1": "one", "v2": "two"} {
				dialer := echo.Dialer{Header: nobody}
				f.wantDialed(dialer, listener, backend)
				conn, err := dialer.Dial(f.ctx, f.addr(listener))
				f.must(err)
				f.must(conn.Ask("hello"))
				f.must(same(conn.Source, conn.LocalAddr().String()+">"+f.addr(listener)))
				f.must(conn.Close())
			}
		}
	})
}

// TestClientProxyModes: without a header a client is closed, or passes where it is optional, unless it says nothing at all, or
// only what could become one; and so it is with a version that is not taken.
func TestClientProxyModes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("plain")
		f.proxied("told", 2)
		f.start(`
listeners:
  require: {tcp: $require, proxy_protocol: require, to: $plain}
  optional: {tcp: $optional, proxy_protocol: optional, to: $plain}
  only: {tcp: $only, proxy_protocol: {mode: require, versions: v2}, to: {endpoints: $told, proxy_protocol: v2}}
  either: {tcp: $either, proxy_protocol: {mode: optional, versions: [v1]}, to: $plain}
`)
		v1, v2 := echo.HeaderV1("192.0.2.7:1", "192.0.2.8:2"), echo.HeaderV2("192.0.2.7:1", "192.0.2.8:2")
		f.wantDialed(echo.Dialer{Header: v1}, "require", "plain")
		f.wantDialed(echo.Dialer{Header: v2}, "require", "plain")
		f.wantClosed(echo.Dialer{First: "GET / HTTP/1.1\r\n\r\n a line that is long enough"}, "require")
		f.wantClosed(echo.Dialer{Header: "PROXY TCP4 192.0.2.7 192.0.2.8 nonsense 1\r\n"}, "require")

		f.wantDialed(echo.Dialer{First: "hello"}, "optional", "plain")
		f.wantDialed(echo.Dialer{First: "PROLOGUE"}, "optional", "plain") // begins as a header does
		f.wantDialed(echo.Dialer{First: "\rx"}, "optional", "plain")
		f.wantDialed(echo.Dialer{Header: v1}, "optional", "plain")

		f.wantTells(echo.Dialer{Header: v2}, "only", "told", "192.0.2.7:1>192.0.2.8:2")
		f.wantClosed(echo.Dialer{Header: v1}, "only")
		f.wantDialed(echo.Dialer{Header: v1}, "either", "plain")
		conn, err := net.Dial("tcp", f.addr("either")) // a header of the version that is not taken is what the client says
		f.must(err)
		f.Keep(conn)
		_, err = io.WriteString(conn, v2+"hello\n")
		f.must(err)
		f.must(conn.SetReadDeadline(time.Now().Add(inspectTime)))
		got := make([]byte, len("plain 127.0.0.1:12345 ")+len(v2+"hello\n"))
		n, err := io.ReadAtLeast(conn, got, len(v2)+len("plain "))
		f.must(err)
		for !strings.HasSuffix(string(got[:n]), "hello\n") && err == nil {
			var more int
			more, err = conn.Read(got[n:])
			n += more
		}
		f.must(err)
		if !strings.Contains(string(got[:n]), v2+"hello\n") {
			f.t.Errorf("the backend was sent %q", got[:n])
		}
	})
}

// TestClientProxySilent: a client that says nothing, or only the beginning of a header, is closed in time.
func TestClientProxySilent(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("plain")
		f.start(`
listeners:
  require: {tcp: $require, proxy_protocol: require, to: $plain}
  optional: {tcp: $optional, proxy_protocol: optional, to: $plain}
`)
		f.wantDialed(echo.Dialer{First: "hello"}, "optional", "plain")
		ended := make(chan error)
		tries := []struct{ listener, says string }{{"require", ""}, {"require", "PROXY TCP4 192."}, {"optional", ""}, {"optional", "PROX"}}
		for _, try := range tries {
			go func() { ended <- silent(f.addr(try.listener), try.says) }()
		}
		for range tries {
			if err := <-ended; err != nil {
				f.t.Error(err)
			}
		}
	})
}

// silent says so much at addr, and then wants to be closed when the time is over.
func silent(addr, says string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, says); err != nil {
		return err
	}
	began := time.Now()
	if err := conn.SetReadDeadline(began.Add(inspectTime + slack)); err != nil {
		return err
	}
	n, err := conn.Read(make([]byte, 1))
	if took := time.Since(began); n > 0 || err == nil || took < inspectTime-time.Second || errors.Is(err, context.DeadlineExceeded) || took >= inspectTime+slack {
		return fmt.Errorf("after %q: read %d, %w, after %s", says, n, err, took)
	}
	return nil
}

// TestClientProxyFrom: headers of some networks are believed, whatever chooses the route, and what comes from elsewhere is
// refused, with a header or without; also where one socket takes both families.
func TestClientProxyFrom(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("plain", "rest")
		f.proxied("told", 2)
		ca := f.authority()
		f.tlsBackend(ca, "shop", "shop.example.com")
		port := f.ports(1)
		f.words["dual"] = f.at("127.0.0.1", port)
		f.start(strings.ReplaceAll(`
defaults: {listeners: {proxy_protocol: {mode: require, from: [127.0.0.2, 127.1.0.0/16]}}}
listeners:
  one: {tcp: $one, to: {endpoints: $told, proxy_protocol: v2}}
  names: {tcp: $names, sni: {shop.example.com: $shop, "*": $plain}, to: $rest}
  list: {tcp: $list, routes: [{name: a, from: 192.0.2.0/24, to: $plain}], to: $rest}
  closed: {tcp: $closed, routes: [{name: a, from: 192.0.2.0/24, to: $plain}]}
  every: {tcp: $every, routes: [{name: all, to: $plain}]}
  both: {tcp: "[::]:PORT", to: $rest}
`, "PORT", fmt.Sprint(port)))
		office, other := echo.HeaderV2("192.0.2.7:1", "192.0.2.8:2"), echo.HeaderV1("198.51.100.7:1", "192.0.2.8:2")
		trusted := func(header string) echo.Dialer { return echo.Dialer{From: "127.0.0.2", Header: header} }
		f.wantTells(trusted(office), "one", "told", "192.0.2.7:1>192.0.2.8:2")
		f.wantTells(echo.Dialer{From: "127.1.2.3", Header: other}, "one", "told", "198.51.100.7:1>192.0.2.8:2")
		config := ca.Client("shop.example.com")
		f.wantDialed(echo.Dialer{From: "127.0.0.2", Header: office, TLS: config}, "names", "shop")
		f.wantDialed(echo.Dialer{From: "127.0.0.2", Header: office, First: "in clear text, and long enough"}, "names", "rest")
		f.wantDialed(trusted(office), "list", "plain")
		f.wantDialed(trusted(other), "list", "rest")
		f.wantDialed(trusted(office), "closed", "plain")
		f.wantClosed(trusted(other), "closed")
		f.wantDialed(trusted(other), "every", "plain")
		f.wantDialed(trusted(other), "dual", "rest")

		f.wantClosed(echo.Dialer{From: "127.0.0.3", Header: office, TLS: config}, "names")
		f.wantClosed(echo.Dialer{From: "127.0.0.3", Header: office, First: "in clear text, and long enough"}, "names")
		for _, listener := range []string{"one", "list", "closed", "every", "dual"} {
			for _, header := range []string{office, echo.HeaderV1("127.0.0.2:1", "127.0.0.2:2"), echo.HeaderOfNobody, ""} {
				first := map[bool]string{true: "no header, and long enough"}[header == ""]
				f.wantClosed(echo.Dialer{From: "127.0.0.3", Header: header, First: first}, listener)
			}
		}
	})
}

// TestClientProxyRoutes: `from`, `address` and `port` of a route are what the header says, `peer` is who connects.
func TestClientProxyRoutes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("peer", "from", "port", "both", "rest", "unix4", "unixlocal")
		path := filepath.Join(f.Dir, "proxied.sock")
		f.words["unix"] = path
		f.start(fmt.Sprintf(`
listeners:
  edge:
    tcp: $edge
    proxy_protocol: require
    routes:
      - {name: both, peer: [127.0.0.9, 127.0.0.2], from: 192.0.2.7, to: $both}
      - {name: peer, peer: 127.0.0.2, to: $peer}
      - {name: from, from: 192.0.2.0/24, to: $from}
      - {name: port, port: 443, address: "2001:db8::/32", to: $port}
    to: $rest
  unix: {tcp: "unix:%s", proxy_protocol: require, routes: [{name: a, from: 0.0.0.0/0, to: $unix4}, {name: b, from: local, to: $unixlocal}]}
`, path))
		at := func(from, client, dialled string) echo.Dialer {
			return echo.Dialer{From: from, Header: echo.HeaderV2(client, dialled)}
		}
		f.wantDialed(at("127.0.0.2", "192.0.2.7:1", "192.0.2.1:443"), "edge", "both")
		f.wantDialed(at("127.0.0.2", "192.0.2.8:1", "192.0.2.1:443"), "edge", "peer")
		f.wantDialed(at("127.0.0.3", "192.0.2.7:1", "192.0.2.1:443"), "edge", "from")
		f.wantDialed(at("127.0.0.3", "[2001:db8::9]:1", "[2001:db8::1]:443"), "edge", "port")
		f.wantDialed(at("127.0.0.3", "[2001:db8::9]:1", "[2001:db8::1]:444"), "edge", "rest")
		f.wantDialed(at("127.0.0.3", "127.0.0.2:1", "192.0.2.1:443"), "edge", "rest")
		f.wantDialed(at("", "192.0.2.7:1", "192.0.2.1:443"), "unix", "unix4")
		f.wantDialed(echo.Dialer{Header: echo.HeaderOfNobody}, "unix", "unixlocal")
	})
}

// TestClientProxyTLS: TLS begins behind the header, where it passes through and where it ends.
func TestClientProxyTLS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.issue(ca, "edge", certs.Leaf{Names: []string{"ends.example.com"}})
		f.tlsBackend(ca, "shop", "shop.example.com")
		f.proxied("told", 1)
		f.start(`
listeners:
  pass: {tcp: $pass, proxy_protocol: require, sni: {shop.example.com: $shop}}
  ends: {tcp: $ends, proxy_protocol: require, tls: ../edge.crt, to: {endpoints: $told, proxy_protocol: v1}}
`)
		header := echo.HeaderV2("192.0.2.7:1", "192.0.2.8:2")
		f.wantDialed(echo.Dialer{Header: header, TLS: ca.Client("shop.example.com")}, "pass", "shop")
		f.wantTells(echo.Dialer{Header: header, TLS: ca.Client("ends.example.com")}, "ends", "told", "192.0.2.7:1>192.0.2.8:2")
		f.wantClosed(echo.Dialer{TLS: ca.Client("ends.example.com")}, "ends")
	})
}

// TestClientProxyEdit: an edit of one row or route of a listener that reads headers keeps the connections of the others, also
// where only some networks are believed.
func TestClientProxyEdit(t *testing.T) {
	for name, proxy := range map[string]string{"all": "require", "from": "{mode: require, from: 127.0.0.0/8}"} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(f *fleet) {
				f.backends("blue", "green", "rest")
				config := strings.ReplaceAll(`
listeners:
  edge:
    tcp: $edge
    proxy_protocol: PROXY
    routes: [{name: a, from: %s, to: $blue%s}, {name: b, from: 198.51.100.0/24, to: $green}]
    to: $rest
`, "PROXY", proxy)
				f.start(fmt.Sprintf(config, "192.0.2.0/24", ""))
				a, b := echo.Dialer{Header: echo.HeaderV1("192.0.2.7:1", "192.0.2.8:2")}, echo.Dialer{Header: echo.HeaderV2("198.51.100.7:1", "192.0.2.8:2")}
				rest := echo.Dialer{Header: echo.HeaderV2("203.0.113.7:1", "192.0.2.8:2")}
				f.wantDialed(a, "edge", "blue")
				var conns []*echo.Conn
				for _, dialer := range []echo.Dialer{a, b, rest} {
					conn, err := dialer.Dial(f.ctx, f.addr("edge"))
					f.must(err)
					f.Keep(conn)
					conns = append(conns, conn)
				}
				f.edit(fmt.Sprintf(config, "192.0.3.0/24", ""))
				f.wantDialed(a, "edge", "rest")
				for _, conn := range conns {
					f.must(conn.Ask("the conditions changed"))
				}
				f.edit(fmt.Sprintf(config, "192.0.2.0/24", ", timeouts: {idle: 1h}"))
				f.wantDialed(a, "edge", "blue")
				f.until(func(context.Context) error { // the chain is another one, and the old one drains
					if conns[0].Ask("still there") == nil {
						return errors.New("the connection of the route that was edited is still open")
					}
					return nil
				})
				f.must(conns[1].Ask("still there"))
				f.must(conns[2].Ask("still there"))
			})
		})
	}
}

// TestClientProxyEditRow: so it is with the rows of a table of host names.
func TestClientProxyEditRow(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.tlsBackend(ca, "blue", "a.example.com")
		f.tlsBackend(ca, "green", "b.example.com")
		f.tlsBackend(ca, "other", "a.example.com")
		const config = `
listeners: {edge: {tcp: $edge, proxy_protocol: {mode: require, from: 127.0.0.0/8}, sni: {a.example.com: %s, b.example.com: $green}, to: $green}}
`
		f.start(fmt.Sprintf(config, "$blue"))
		a := echo.Dialer{Header: echo.HeaderV2("192.0.2.7:1", "192.0.2.8:2"), TLS: ca.Client("a.example.com")}
		b := echo.Dialer{Header: echo.HeaderV2("192.0.2.7:2", "192.0.2.8:2"), TLS: ca.Client("b.example.com")}
		f.wantDialed(a, "edge", "blue")
		conn, err := b.Dial(f.ctx, f.addr("edge"))
		f.must(err)
		f.Keep(conn)
		f.edit(fmt.Sprintf(config, "{endpoints: $other, timeouts: {connect: 1s}}") + "# another cluster\n")
		f.wantDialed(a, "edge", "other")
		f.edit(strings.Replace(fmt.Sprintf(config, "$other"), "a.example.com", "c.example.com", 1))
		f.until(func(ctx context.Context) error { // the name now goes to green, whose certificate is for another
			conn, err := a.Dial(ctx, f.addr("edge"))
			if err == nil {
				return cmpErrors(conn.Close(), errors.New("the row is still there"))
			}
			return nil
		})
		f.must(conn.Ask("still there"))
	})
}
