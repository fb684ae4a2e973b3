//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// TestTLVsPassed: of what the client's header has besides addresses, the backend is told what is to be passed on, and what the file
// says in its place; nothing else.
func TestTLVsPassed(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("told", 2)
		f.start(`
listeners:
  nothing: {tcp: $nothing, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: v2}}
  all: {tcp: $all, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: {version: v2, pass: all}}}
  some: {tcp: $some, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: {version: v2, pass: [0xE1, 0x05]}}}
  fixed: {tcp: $fixed, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xE1: ours, 0xE2: "100%%"}, pass: all}}}
  alone: {tcp: $alone, to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xEA: edge}}}}
`)
		const from, to = "192.0.2.7:1", "192.0.2.8:2"
		client := echo.Dialer{Header: echo.HeaderV2(from, to, echo.Extra{Type: 0xE0, Value: "a"}, echo.Extra{Type: 0xE1, Value: "b\x00"}, echo.Extra{Type: 5, Value: "id"})}
		f.wantTells(client, "nothing", "told", from+">"+to)
		f.wantTells(client, "all", "told", from+">"+to+` 0xE0="a" 0xE1="b\x00" 0x05="id"`)
		f.wantTells(client, "some", "told", from+">"+to+` 0xE1="b\x00" 0x05="id"`)
		f.wantTells(client, "fixed", "told", from+">"+to+` 0xE1="ours" 0xE2="100%" 0xE0="a" 0x05="id"`)
		f.wantTells(echo.Dialer{Header: echo.HeaderV1("192.0.2.7:2", to)}, "all", "told", "192.0.2.7:2>"+to)
		conn := f.dialed("alone", "told")
		f.must(same(conn.Source, conn.LocalAddr().String()+">"+f.addr("alone")+` 0xEA="edge"`))
	})
}

// TestTLVsOfClients: operators speak of the client and of what it dialled, also where one listener goes to several backends, of
// which each has its own.
func TestTLVsOfClients(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.issue(ca, "edge", certs.Leaf{Names: []string{"a.example.com", "b.example.com"}})
		f.proxied("told", 2)
		f.proxied("other", 2)
		f.start(`
listeners:
  edge:
    tcp: $edge
    proxy_protocol: require
    tls: ../edge.crt
    sni: {a.example.com: named, b.example.com: {endpoints: $other, proxy_protocol: {version: v2, tlvs: {0xE0: "%DOWNSTREAM_REMOTE_PORT%"}}}}
  plain: {tcp: $plain, to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xE0: "from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%, 50%%", 0xE1: "%FILTER_CHAIN_NAME%"}}}}
  split: {tcp: $split, to: {named2: 1, named3: 1}}
backends:
  named: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0x02: "%REQUESTED_SERVER_NAME%", 0xE0: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}}}
  named2: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xE0: "2 %DOWNSTREAM_LOCAL_ADDRESS%"}}}
  named3: {endpoints: $other, proxy_protocol: {version: v2, tlvs: {0xE0: "3 %DOWNSTREAM_LOCAL_ADDRESS%"}}}
`)
		const from, to = "192.0.2.7:1", "192.0.2.8:2"
		client := func(host string) echo.Dialer {
			return echo.Dialer{Header: echo.HeaderV2(from, to), TLS: ca.Client(host)}
		}
		f.wantTells(client("a.example.com"), "edge", "told", from+">"+to+` 0x02="a.example.com" 0xE0="127.0.0.1"`)
		f.wantTells(client("b.example.com"), "edge", "other", from+">"+to+` 0xE0="1"`)
		conn := f.dialed("plain", "told")
		f.must(same(conn.Source, conn.LocalAddr().String()+">"+f.addr("plain")+` 0xE0="from 127.0.0.1, 50%" 0xE1="plain"`))
		for backend, digit := range map[string]string{"told": "2", "other": "3"} {
			conn := f.dialed("split", backend)
			f.must(same(conn.Source, fmt.Sprintf(`%s>%s 0xE0="%s %s"`, conn.LocalAddr(), f.addr("split"), digit, f.addr("split"))))
		}
	})
}

// TestTLVsInside: the target of a tunnel is told what a backend would be.
func TestTLVsInside(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("told", 2)
		f.startTunnel(`
listeners:
  pass:
    tcp: $pass
    proxy_protocol: require
    to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xE1: ours, 0xE2: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}, pass: all}}
    via: hub
    nodes: {id: near}
  alone: {tcp: $alone, to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xEA: "%DOWNSTREAM_REMOTE_ADDRESS%"}}}, via: hub, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {nodes: {id: far}}}}
`)
		const from, to = "192.0.2.7:1", "192.0.2.8:2"
		client := echo.Dialer{Header: echo.HeaderV2(from, to, echo.Extra{Type: 0xE0, Value: "a"})}
		f.wantTells(client, "pass", "told", from+">"+to+` 0xE1="ours" 0xE2="127.0.0.1" 0xE0="a"`)
		conn := f.dialed("alone", "told")
		f.must(same(conn.Source, fmt.Sprintf(`%s>%s 0xEA="%s"`, conn.LocalAddr(), f.addr("alone"), conn.LocalAddr())))
	})
}

// TestTLVsExit: an exit tells its own backend what is the same for all.
func TestTLVsExit(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("told", 2)
		f.startTunnel(`
listeners: {tcp: {tcp: $tcp, to: "anything:1", via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xEA: exit}}}, nodes: {id: far}}}}
`)
		f.wantTCP("tcp", "told")
		if conn := f.dial("tcp"); !strings.HasSuffix(conn.Source, `>`+f.addr("hub")+` 0xEA="exit"`) {
			f.t.Errorf("told is %s", conn.Source)
		}
	})
}

// untilChecked waits until checks of the listener's own cluster have passed for all of its endpoints, and wants none to have failed.
func (f *fleet) untilChecked(cluster string, endpoints int) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		healthy, err := f.envoy.Stat(ctx, "cluster."+cluster+".membership_healthy")
		passed, err2 := f.envoy.Stat(ctx, "cluster."+cluster+".health_check.success")
		if err == nil && err2 == nil && (healthy < endpoints || passed < 3*endpoints) {
			return fmt.Errorf("%d of %d are healthy, %d checks have passed", healthy, endpoints, passed)
		}
		return cmpErrors(err, err2)
	})
	f.wantStat("cluster."+cluster+".health_check.failure", 0)
}

func cmpErrors(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestProxyProtocolPerEndpoint: each endpoint gets the header that it expects, from clients and from checks; also behind a host
// name, before TLS, and in a split. An edit of one of them leaves connections to the others alone.
func TestProxyProtocolPerEndpoint(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.proxied("one", 1)
		f.proxied("two", 2)
		f.proxied("extra", 2)
		f.backends("bare")
		f.proxiedTLS(ca, "tls1", 1, "inside.example.com")
		f.tlsBackend(ca, "tls0", "inside.example.com")
		config := `
listeners:
  mixed: {tcp: $mixed, to: mixed}
  names: {tcp: $names, to: {endpoints: ["localhost:ONE", {address: "localhost:BARE", proxy_protocol: none}], proxy_protocol: v1, dns: NOTHING}}
  tls: {tcp: $tls, to: {endpoints: [{address: $tls1, proxy_protocol: v1}, $tls0], tls: {ca: ../ca.crt, sni: inside.example.com}, check: {tcp: 100ms}}}
  split: {tcp: $split, to: {a: 1, b: 1}}
backends:
  mixed:
    endpoints:
      - $two
      - {address: $one, proxy_protocol: v1}
      - {address: $bare, proxy_protocol: none}
      - {address: $extra, proxy_protocol: {version: v2, tlvs: {0xE0: own, 0xE1: "%DOWNSTREAM_LOCAL_ADDRESS%"}}}
    proxy_protocol: v2
    check: {tcp: 100ms}
  a: {endpoints: [{address: $one, proxy_protocol: v1}]}
  b: {endpoints: [$bare, {address: $two, proxy_protocol: v2}]}
`
		config = strings.NewReplacer(", dns: NOTHING", "", "ONE", f.port("one"), "BARE", f.port("bare")).Replace(config)
		f.start(config)
		f.untilChecked("mixed", 4)
		f.untilChecked("tls", 2)
		for _, backend := range []string{"one", "two"} {
			conn := f.dialed("mixed", backend)
			f.must(same(conn.Source, conn.LocalAddr().String()+">"+f.addr("mixed")))
		}
		conn := f.dialed("mixed", "extra")
		f.must(same(conn.Source, fmt.Sprintf(`%s>%s 0xE0="own" 0xE1="%s"`, conn.LocalAddr(), f.addr("mixed"), f.addr("mixed"))))
		bare := f.dialed("mixed", "bare")
		for listener, backends := range map[string][]string{"names": {"one", "bare"}, "tls": {"tls0", "tls1"}, "split": {"one", "bare", "two"}} {
			for _, backend := range backends {
				f.dialed(listener, backend)
			}
		}

		edited := strings.Replace(config, "      - {address: $bare, proxy_protocol: none}", "      - {address: $bare, proxy_protocol: v1}", 1)
		f.edit(edited)
		f.untilHeaded("mixed", "bare")
		f.must(bare.Ask("still there"))
		f.must(conn.Ask("still there"))
		f.edit(config)
		f.dialed("mixed", "one")
	})
}

// answers starts a server that answers each connection as one of HTTP would, and gives what was said first in them.
func (f *fleet) answers(name string) <-chan string {
	f.t.Helper()
	listener, err := net.Listen("tcp", f.addr(name))
	f.must(err)
	f.Keep(listener)
	said := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 1024)
			n, _ := io.ReadAtLeast(conn, buffer, len("GET / HTTP/1.1\r\n")) // or a header
			select {
			case said <- string(buffer[:n]):
			default:
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	}()
	return said
}

// TestChecksPerEndpoint: a check says first what the endpoint expects of clients, and then asks.
func TestChecksPerEndpoint(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		one, two, bare := f.answers("one"), f.answers("two"), f.answers("bare")
		f.start(`
listeners: {web: {tcp: $web, to: web}}
backends:
  web:
    endpoints: [$two, {address: $one, proxy_protocol: v1}, {address: $bare, proxy_protocol: none}]
    proxy_protocol: {version: v2, tlvs: {0xE0: "%DOWNSTREAM_REMOTE_ADDRESS%"}}
    check: {http: 100ms}
`)
		f.untilChecked("web", 3)
		for want, said := range map[string]<-chan string{"PROXY TCP4 127.0.0.1 127.0.0.1 ": one, echo.HeaderOfNobody: two, "GET / HTTP/1.1\r\n": bare} {
			for range 3 {
				if got := <-said; !strings.HasPrefix(got, want) {
					f.t.Errorf("a check says %q, want %q", got, want)
				}
			}
		}
	})
}

// TestProxyProtocolOfEndpointsByEDS: where the sockets are there, another header of an endpoint is a change of the endpoints alone.
func TestProxyProtocolOfEndpointsByEDS(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 1)
		f.backends("bare", "third")
		const config = `
listeners: {db: {tcp: $db, to: {endpoints: [{address: $one, proxy_protocol: v1}, %s]}}}
`
		f.start(fmt.Sprintf(config, "$bare"))
		conn := f.dialed("db", "one")
		f.must(same(conn.Source, conn.LocalAddr().String()+">"+f.addr("db")))
		f.dialed("db", "bare")
		f.edit(fmt.Sprintf(config, "$third, {address: $bare, proxy_protocol: v1}"))
		f.untilHeaded("db", "bare")
		f.must(conn.Ask("still there"))
	})
}

// untilHeaded waits until a backend that expects no header is sent one, which it gives back as what the client said.
func (f *fleet) untilHeaded(listener, backend string) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		conn, err := echo.Dial(ctx, f.addr(listener))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := conn.Ask("hello"); conn.Backend != backend || err == nil || !strings.Contains(err.Error(), "PROXY TCP4 127.0.0.1") {
			return fmt.Errorf("at %s: %w, want a header", conn.Backend, err)
		}
		return nil
	})
}

// TestTLVsApart: what one client's header had besides addresses is never told of another client, although that says that it has
// the same addresses, and the first one left before anything was sent.
func TestTLVsApart(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("told", 2)
		f.start(`
listeners:
  pass: {tcp: $pass, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: {version: v2, pass: all}}}
  made: {tcp: $made, proxy_protocol: require, to: {endpoints: $told, proxy_protocol: {version: v2, tlvs: {0xE0: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}}}}
`)
		const from, to = "192.0.2.7:1", "192.0.2.8:2"
		header := func(value string) string {
			return echo.HeaderV2(from, to, echo.Extra{Type: 0xE0, Value: value})
		}
		f.wantTells(echo.Dialer{Header: header("first")}, "pass", "told", from+">"+to+` 0xE0="first"`)
		f.wantTells(echo.Dialer{Header: header("")}, "made", "told", from+">"+to+` 0xE0="127.0.0.1"`)
		for i := range 20 {
			leaves, comes := fmt.Sprintf("127.0.1.%d", i), fmt.Sprintf("127.0.2.%d", i)
			for _, listener := range []string{"pass", "made"} {
				for range 5 {
					conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(leaves)}}).DialContext(f.ctx, "tcp", f.addr(listener))
					f.must(err)
					_, err = io.WriteString(conn, header(leaves))
					f.must(err)
					f.must(conn.Close())
				}
				f.wantTells(echo.Dialer{From: comes, Header: header(comes)}, listener, "told", fmt.Sprintf("%s>%s 0xE0=%q", from, to, comes))
			}
		}
	})
}
