//go:build e2e && linux

package e2e

import (
	"os/exec"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
	"github.com/l4xds/l4xds/test/netns"
)

// on runs a script in a network.
func (g *gateway) on(where *netns.Namespace, script string) string {
	g.t.Helper()
	text, err := where.Run(g.ctx, script, "sh", "-eu")
	g.must(err)
	return text
}

// kit is what `l4xds kit` prints for the first Envoy.
func (g *gateway) kit(flags ...string) string {
	g.t.Helper()
	words := append([]string{"kit", g.daemon.File, "--node", "id=edge-1,cluster=edge"}, flags...)
	cmd := exec.CommandContext(g.ctx, program, words...)
	cmd.WaitDelay = time.Second
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("l4xds %s: %v: %s", strings.Join(words, " "), err, said.String())
	}
	return string(text)
}

// kitOf is the same, made here: it costs nothing.
func (g *gateway) kitOf() string {
	g.t.Helper()
	model, messages := config.Load(config.NewSource(), nil, g.daemon.File)
	if model == nil {
		g.t.Fatal(messages)
	}
	made, err := kit.For(model, config.Node{ID: "edge-1", Cluster: "edge"}, kit.Options{})
	g.must(err)
	var text strings.Builder
	g.must(made.Write(&text, kit.Script))
	return text.String()
}

// withKit does something while the kit of Envoy's host in this format is in force. Where there is an Envoy, verify must find
// that nothing is missing.
func (g *gateway) withKit(format string, do func()) {
	g.t.Helper()
	g.withKitOn(g.net.Host, func() {
		if g.envoy != nil {
			g.wantVerified()
		}
		do()
	}, "--format", format, "--envoy-user", netns.Nobody)
}

// wantVerified wants `l4xds kit verify` to find what the first Envoy needs.
func (g *gateway) wantVerified() {
	g.t.Helper()
	said, err := g.net.Host.Run(g.ctx, "", program, "kit", "verify", g.daemon.File,
		"--node", "id=edge-1,cluster=edge", "--envoy-user", netns.Nobody, "--admin", g.envoy.Admin)
	if err != nil {
		g.t.Errorf("%v\n%s", err, said)
	}
}

// withEachKit does something with the kit in each of the formats that run here. A unit of systemd has the script in it.
func (g *gateway) withEachKit(do func()) {
	g.t.Helper()
	for _, format := range []string{"script", "iptables"} {
		g.withKit(format, do)
	}
}

// withKitOn does something while a kit is in force in a network. It is applied as it is printed, twice, of which the second
// time must change nothing, and removed as it is printed, which must leave nothing behind.
func (g *gateway) withKitOn(where *netns.Namespace, do func(), flags ...string) {
	g.t.Helper()
	before := g.kernel(where)
	apply, remove := g.kit(flags...), g.kit(append(flags, "--remove")...)
	g.on(where, apply)
	once := g.kernel(where)
	g.on(where, apply)
	if diff := cmp.Diff(once, g.kernel(where)); diff != "" {
		g.t.Errorf("the kit applied twice (-once +twice):\n%s", diff)
	}
	do()
	g.on(where, remove)
	if diff := cmp.Diff(before, g.kernel(where)); diff != "" {
		g.t.Errorf("what removing the kit leaves (-before +after):\n%s", diff)
	}
	if g.t.Failed() {
		g.t.Logf("the kit:\n%s\nin force:\n%s", apply, once)
	}
}

// kernel is all that a kit may change. Tables that the iptables command makes for itself do not count, as long as they are
// empty, and neither do the routes that the kernel makes for itself, some of them after a while.
func (g *gateway) kernel(where *netns.Namespace) string {
	g.t.Helper()
	return g.on(where, `
nft -s list table inet l4xds 2>/dev/null || true
for save in iptables-save ip6tables-save; do
  $save | grep -e '^-' -e '^:L4XDS' || true
done
for family in -4 -6; do
  ip $family rule
  ip $family route show table all | grep -v 'proto kernel' || true
done
cat /proc/sys/net/ipv4/conf/*/route_localnet /proc/sys/net/ipv4/conf/*/rp_filter
`)
}
