//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
)

// proxied starts a stand-in that wants a PROXY header of the version.
func (f *fleet) proxied(name string, version int) {
	f.t.Helper()
	f.keep(echo.ListenProxied(name, f.addr(name), version, nil))
}

// proxiedTLS starts one that then speaks TLS with a certificate for the host.
func (f *fleet) proxiedTLS(ca *certs.Authority, name string, version int, host string) {
	f.t.Helper()
	config, err := ca.Server(host)
	f.must(err)
	f.keep(echo.ListenProxied(name, f.addr(name), version, config))
}

// wantTold waits until the listener leads to the backend, and wants that to be told the client's address, and the one that the
// client dialled.
func (f *fleet) wantTold(listener, backend string) {
	f.t.Helper()
	f.wantDialed(echo.Dialer{}, listener, backend)
	conn := f.dial(listener)
	f.must(conn.Ask("hello"))
	if want := conn.LocalAddr().String() + ">" + f.addr(listener); conn.Source != want {
		f.t.Errorf("%s is told %s, want %s", backend, conn.Source, want)
	}
}

// six gives words an IPv6 address.
func (f *fleet) six(words ...string) {
	f.t.Helper()
	needIPv6(f.t)
	for _, word := range words {
		f.words[word] = fmt.Sprintf("[::1]:%d", f.ports(1))
	}
}

// TestProxyProtocol: the backend is told who the client is, in both versions and families, in clear text and before TLS.
func TestProxyProtocol(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.six("six1", "six2")
		f.proxied("one", 1)
		f.proxied("two", 2)
		f.proxiedTLS(ca, "inner1", 1, "inside.example.com")
		f.proxiedTLS(ca, "inner2", 2, "inside.example.com")
		port := f.ports(1)
		f.words["dual4"], f.words["dual6"] = fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("[::1]:%d", port)
		f.start(strings.ReplaceAll(`
listeners:
  v1: {tcp: [$v1, $six1, "[::]:PORT"], to: {endpoints: $one, proxy_protocol: v1}}
  v2: {tcp: [$v2, $six2], to: named}
  tls1: {tcp: $tls1, to: {endpoints: $inner1, proxy_protocol: v1, tls: {ca: ../ca.crt, sni: inside.example.com}}}
  tls2: {tcp: $tls2, to: {endpoints: $inner2, proxy_protocol: v2, tls: {ca: ../ca.crt, sni: inside.example.com}}}
backends: {named: {endpoints: [$two], proxy_protocol: {version: v2}}}
`, "PORT", strconv.Itoa(port)))
		f.wantTold("v1", "one")
		f.wantTold("v2", "two")
		f.wantTold("six1", "one")
		f.wantTold("six2", "two")
		f.wantTold("dual4", "one")
		f.wantTold("dual6", "one")
		f.wantTold("tls1", "inner1")
		f.wantTold("tls2", "inner2")
	})
}

// TestProxyProtocolChecked: checks of every kind have the header too, so that they pass, and tell of no client.
func TestProxyProtocolChecked(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 1)
		f.proxied("two", 2)
		f.start(`
listeners:
  v1: {tcp: $v1, to: {endpoints: $one, proxy_protocol: v1}, check: {tcp: 100ms}}
  v2: {tcp: $v2, to: {endpoints: $two, proxy_protocol: v2}, check: {tcp: 100ms}}
`)
		for _, listener := range []string{"v1", "v2"} {
			f.until(func(ctx context.Context) error {
				passed, err := f.envoy.Stat(ctx, "cluster."+listener+".health_check.success")
				if err == nil && passed < 3 {
					err = fmt.Errorf("%d checks have passed", passed)
				}
				return err
			})
			f.wantStat("cluster."+listener+".health_check.failure", 0)
		}
		f.wantTold("v1", "one")
		f.wantTold("v2", "two")
	})
}

// TestProxyProtocolSplit: backends of which one is told differ, so that each gets its share by a cluster of its own.
func TestProxyProtocolSplit(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("plain")
		f.proxied("told", 2)
		f.start(`
listeners: {both: {tcp: $both, to: {plain: 1, told: 1}}}
backends: {plain: {endpoints: $plain}, told: {endpoints: $told, proxy_protocol: v2}}
`)
		f.wantTCP("both", "plain")
		f.wantTCP("both", "told")
	})
}

// TestExitTells: an exit tells its own backend of the near end, which is all that it knows.
func TestExitTells(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.proxied("one", 2)
		f.startTunnel(`
listeners: {tcp: {tcp: $tcp, to: "anything:1", via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {to: {endpoints: $one, proxy_protocol: v2}, nodes: {id: far}}}}
`)
		f.wantTCP("tcp", "one")
		conn := f.dial("tcp")
		if from, at, _ := strings.Cut(conn.Source, ">"); at != f.addr("hub") || from == conn.LocalAddr().String() {
			f.t.Errorf("told is %s, want a client of %s that is not %s", conn.Source, f.addr("hub"), conn.LocalAddr())
		}
	})
}
