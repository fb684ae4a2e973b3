//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/dns"
	"github.com/l4xds/l4xds/test/echo"
)

// byName is a tunnel to names, on the port of one; the verbs are a list of them and the keys of `dns`.
const byName = `
listeners:
%s
tunnels: {hub: {proxy: $hub, http: 2, retry: {attempts: 5, backoff: 50ms}, exit: {targets: "*:%s", nodes: {id: far}, dns: {servers: $dns, %s}}}}
`

// startByName starts both ends of a tunnel with a listener for each name, and its DNS server.
func (f *fleet) startByName(keys string, names ...string) *dns.Server {
	f.t.Helper()
	server, err := dns.Listen(f.addr("dns"))
	f.must(err)
	f.Keep(server)
	f.startTunnel(f.byName(keys, names...))
	return server
}

func (f *fleet) byName(keys string, names ...string) string {
	var listeners strings.Builder
	for _, name := range names {
		fmt.Fprintf(&listeners, "  %[1]s: {tcp: $%[1]s, udp: $%[1]s, to: \"%[1]s.test:%[2]s\", via: hub, nodes: {id: near}}\n", name, f.port("one"))
	}
	return fmt.Sprintf(byName, listeners.String(), f.port("one"), keys)
}

// wantName waits until new connections and sessions to the name reach the backend.
func (f *fleet) wantName(name, backend string) {
	f.t.Helper()
	f.wantTCP(name, backend)
	f.wantUDP(name, backend)
}

// families starts a backend on an address of each family, with one port.
func (f *fleet) families() {
	f.t.Helper()
	f.backends("one")
	f.words["six"] = net.JoinHostPort("::1", f.port("one"))
	f.backends("six")
}

// TestExitFamilies: of a name with addresses of both kinds those are used that were asked for.
func TestExitFamilies(t *testing.T) {
	for family, want := range map[string]struct{ both, only4, only6 string }{
		"v4":       {"one", "one", ""},
		"v6":       {"six", "", "six"},
		"v4_first": {"one", "one", "six"},
		"v6_first": {"six", "one", "six"},
	} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.families()
			server := f.startByName("family: "+family, "both", "only4", "only6")
			server.Set("both.test", 60, "127.0.0.1", "::1")
			server.Set("only4.test", 60, "127.0.0.1")
			server.Set("only6.test", 60, "::1")
			for name, backend := range map[string]string{"both": want.both, "only4": want.only4, "only6": want.only6} {
				if backend == "" {
					f.wantClosed(echo.Dialer{}, name)
				} else {
					f.wantName(name, backend)
				}
			}
		})
	}
}

// TestExitAllAddresses: an address on which nobody answers costs no connection where all are tried, and all without.
func TestExitAllAddresses(t *testing.T) {
	for family, want := range map[string]string{"all": "one", "v6_first": ""} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("one")
			server := f.startByName("family: "+family, "both")
			server.Set("both.test", 60, "::1", "127.0.0.1")
			if want == "" {
				f.wantClosed(echo.Dialer{}, "both")
			} else {
				f.wantTCP("both", want)
			}
		})
	}
}

// TestExitRefresh: a name moves when its answer has ended, unless that is to be kept longer; one that is not there yet is
// looked for again.
func TestExitRefresh(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.families()
		server := f.startByName("refresh: 1s", "moves", "late")
		server.Set("moves.test", 1, "127.0.0.1")
		f.wantName("moves", "one")
		f.wantClosed(echo.Dialer{}, "late")
		server.Set("late.test", 1, "::1")
		server.Set("moves.test", 1, "::1")
		f.wantName("moves", "six")
		f.wantName("late", "six")

		f.edit(f.byName("refresh: 1h", "moves", "late"))
		f.wantName("moves", "six")
		asked := server.Asked("moves.test")
		server.Set("moves.test", 1, "127.0.0.1")
		time.Sleep(2500 * time.Millisecond)
		f.wantName("moves", "six")
		// The cache of before goes on until its listener has drained.
		f.t.Logf("%d questions before, %d since", asked, server.Asked("moves.test")-asked)
	})
}

// TestExitDNSEdits: what is new is resolved as an edit says, also where it was so before. Envoy would refuse another cache by
// the name of one that it has had.
func TestExitDNSEdits(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.families()
		server := f.startByName("family: v4", "both")
		server.Set("both.test", 60, "127.0.0.1", "::1")
		f.wantName("both", "one")
		for i, family := range []string{"v6", "v4", "v6_first", "v4", "v6"} {
			f.edit(f.byName("family: "+family, "both"))
			want := map[bool]string{true: "six", false: "one"}[i%2 == 0]
			f.wantName("both", want)
		}
		f.waitNodes(2)
	})
}

// TestExitLiteralAddresses: addresses are no names, whatever the family that comes first.
func TestExitLiteralAddresses(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.families()
	var listeners, tunnels strings.Builder
	for _, family := range []string{"v4_first", "v6_first", "all"} {
		name := strings.ReplaceAll(family, "_", "")
		fmt.Fprintf(&listeners, "  four%[1]s: {tcp: $four%[1]s, udp: $four%[1]s, to: $one, via: %[1]s, nodes: {id: near}}\n", name)
		fmt.Fprintf(&listeners, "  six%[1]s: {tcp: $six%[1]s, udp: $six%[1]s, to: $six, via: %[1]s, nodes: {id: near}}\n", name)
		fmt.Fprintf(&tunnels, "  %[1]s: {proxy: $%[1]s, http: 2, exit: {nodes: {id: far}, dns: {family: %s}}}\n", name, family)
	}
	f.startTunnel("listeners:\n" + listeners.String() + "tunnels:\n" + tunnels.String())
	for _, name := range []string{"v4first", "v6first", "all"} {
		f.wantName("four"+name, "one")
		f.wantName("six"+name, "six")
	}
}
