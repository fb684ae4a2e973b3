//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/test/netns"
	"github.com/l4xds/l4xds/test/rig"
)

// verified is a configuration that needs all that a kit has.
const verified = `
listeners:
  four: {tcp: 8053, udp: 8053, to: ["10.77.2.2:9000", "10.77.2.3:9000"], source: client}
  six: {tcp: "[fd77:1::1]:8056", udp: "[fd77:1::1]:8056", to: "[fd77:2::2]:9000", source: client}
  here: {tcp: 8080, to: "127.0.0.1:9100", source: client}
  game: {udp: 27000-27003, transparent: tproxy, to: "10.77.2.2:9000"}
  web: {tcp: 15001, transparent: {mode: tproxy, ports: [80, 443]}, to: original, targets: any, source: client}
  nat: {tcp: 15002, transparent: {mode: redirect, ports: 8000}, to: original, targets: any}
  behind: {tcp: 8060, to: "10.77.2.2:9000", source: client, proxy_protocol: require}
  names: {tcp: 8443, sni: {a.example.com: "10.77.2.2:9000"}, source: client}
  log: {tcp: 7000, to: "10.77.2.2:9000", source: {address: 192.0.2.10, freebind: true}}
`

// verdict is what `l4xds kit verify -o json` prints.
type verdict struct {
	Sound    bool           `json:"sound"`
	Findings []verifiedPart `json:"findings"`
}

type verifiedPart struct {
	Part, Name, Result, Message, Found, Expected, Why, Mend, Advice string
}

// String is p as a message tells it.
func (p verifiedPart) String() string {
	return fmt.Sprintf("%s %s %s: %s (found %q, expected %q, mend %q)", p.Result, p.Part, p.Name, p.Message, p.Found, p.Expected, p.Mend)
}

// failed are the findings that say that something is wrong.
func (v verdict) failed() []verifiedPart {
	return slices.DeleteFunc(slices.Clone(v.Findings), func(p verifiedPart) bool { return p.Result != "failed" })
}

// onHost runs a line of sh on the host, where the command l4xds is the one under test.
func (g *gateway) onHost(line string) (string, error) {
	return g.net.Host.Run(g.ctx, "", "sh", "-c", "PATH="+filepath.Dir(program)+":$PATH; "+line)
}

// verify is what the command says of the host; its exit code must agree.
func (g *gateway) verify(flags ...string) verdict {
	g.t.Helper()
	words := append([]string{"kit", "verify", g.daemon.File, "--node", "id=edge-1", "--admin", g.envoy.Admin, "-o", "json"}, flags...)
	words = g.net.Host.Command(append([]string{program}, words...)...)
	var out, said bytes.Buffer
	cmd := exec.CommandContext(g.ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var v verdict
	if jsonErr := json.Unmarshal(out.Bytes(), &v); jsonErr != nil {
		g.t.Fatalf("%v, %v: %s%s", err, jsonErr, &out, &said)
	}
	var exit *exec.ExitError
	if v.Sound != (err == nil) || err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		g.t.Errorf("%v, and sound is %v", err, v.Sound)
	}
	return v
}

// wantSound wants everything to be well.
func (g *gateway) wantSound(flags ...string) verdict {
	g.t.Helper()
	v := g.verify(flags...)
	for _, p := range v.failed() {
		g.t.Error(p)
	}
	return v
}

// onVerified runs a test on a host that has the kit of the configuration, and an Envoy that declares what it has. What is
// looked at is the host's; of the Envoy it does not matter how it was told.
func onVerified(t *testing.T, format string, test func(g *gateway)) {
	t.Helper()
	oneGateway(t, []string{"net_raw"}, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:9000")
		g.servers(g.net.Host, "127.0.0.1:9100")
		g.start(verified)
		g.on(g.net.Host, g.kit("--format", format))
		test(g)
	})
}

// oneGateway is eachGateway for one variant.
func oneGateway(t *testing.T, capabilities []string, test func(g *gateway)) {
	t.Helper()
	netns.Need(t)
	t.Parallel()
	f := newFleet(t, "delta")
	network, err := netns.New()
	f.must(err)
	f.Keep(network)
	f.must(os.Chmod(f.Dir, 0o711)) // for nobody
	f.Network, f.wrap, f.claims = network.Host, netns.Unprivileged(capabilities...), capabilities
	test(&gateway{fleet: f, net: network})
}

// broken is one part of a host that is not as it should be.
type broken struct {
	// by is the command that breaks it.
	by string
	// name and message are what the finding says, mend the command that it names; FILE is the configuration.
	name, message, mend string
}

const mendTable = "l4xds kit FILE --node id=edge-1 --format nft | nft -f -"

// TestKitVerifyMends: each part that is missing is found, by its name, and the command that the finding names mends it.
func TestKitVerifyMends(t *testing.T) {
	onVerified(t, "script", func(g *gateway) {
		g.wantSound()
		for _, b := range []broken{
			{"nft delete table inet l4xds", "table inet l4xds", "missing", mendTable},
			{"nft flush chain inet l4xds back", "chain back of table inet l4xds", "a line is missing", mendTable},
			{"nft delete chain inet l4xds guard", "chain guard of table inet l4xds", "missing", mendTable},
			{"nft insert rule inet l4xds capture accept", "chain capture of table inet l4xds", "a line that the kit does not have", mendTable},
			{"nft add chain inet l4xds other", "chain other of table inet l4xds", "the kit has none of that name", mendTable},
			{
				"nft flush chain inet l4xds nat; nft add rule inet l4xds nat meta nfproto ipv4 tcp dport 8000 redirect to :15003",
				"chain nat of table inet l4xds", "a line is another one", mendTable,
			},
			{
				"ip -4 rule delete priority 4403", "ip -4 rule add priority 4403 fwmark 0x4c lookup 4404", "missing",
				"ip -4 rule add priority 4403 fwmark 0x4c lookup 4404",
			},
			{
				"ip -4 rule delete priority 4402", "ip -4 rule add priority 4402 fwmark 0x4c iif lo goto 4404", "missing",
				"ip -4 rule add priority 4402 fwmark 0x4c iif lo goto 4404",
			},
			{
				"ip -6 rule delete priority 4404", "ip -6 rule add priority 4404 fwmark 0x4d lookup 4404", "missing",
				"ip -6 rule add priority 4404 fwmark 0x4d lookup 4404",
			},
			{
				"ip -4 route flush table 4404", "ip -4 route replace local default dev lo table 4404", "missing",
				"ip -4 route replace local default dev lo table 4404",
			},
			{
				"ip -6 route flush table 4404", "ip -6 route replace local default dev lo table 4404", "missing",
				"ip -6 route replace local default dev lo table 4404",
			},
			{
				"ip route delete local 192.0.2.10 dev lo table local", "ip -4 route add local 192.0.2.10 dev lo table local proto 76",
				"missing", "ip -4 route add local 192.0.2.10 dev lo table local proto 76",
			},
			{
				"sysctl -qw net.ipv4.conf.all.route_localnet=0", "net.ipv4.conf.all.route_localnet", "has another value",
				"sysctl -w net.ipv4.conf.all.route_localnet=1",
			},
			{
				"sysctl -qw net.netfilter.nf_conntrack_udp_timeout=10", "net.netfilter.nf_conntrack_udp_timeout", "has another value",
				"sysctl -w net.netfilter.nf_conntrack_udp_timeout=30",
			},
			{
				`sysctl -qw net.ipv4.ip_local_port_range="20000 60999"`, "net.ipv4.ip_local_reserved_ports", "lacks captured ports",
				"sysctl -w net.ipv4.ip_local_reserved_ports=27000-27003",
			},
		} {
			g.wantMended(b)
		}
	})
}

// wantMended breaks a part, and wants it to be found and mended.
func (g *gateway) wantMended(b broken) {
	g.t.Helper()
	g.on(g.net.Host, b.by)
	found := g.verify().failed()
	if len(found) != 1 {
		g.t.Errorf("%s: found %v, want one that failed", b.by, found)
	}
	for _, p := range found {
		if want := strings.ReplaceAll(b.mend, "FILE", g.daemon.File); p.Name != b.name || p.Message != b.message || p.Mend != want {
			g.t.Errorf("%s: found %v, want %s: %s, mend %s", b.by, p, b.name, b.message, want)
		}
		if said, err := g.onHost(p.Mend); err != nil {
			g.t.Errorf("%s: %v %s", p.Mend, err, said)
		}
	}
	if rest := g.verify().failed(); len(rest) > 0 {
		g.t.Fatalf("%s: after it was mended: %v", b.by, rest)
	}
	g.t.Logf("%s: found and mended %v", b.by, found)
}

// TestKitVerifyIPTables: a kit in the form of iptables is known by its chains.
func TestKitVerifyIPTables(t *testing.T) {
	onVerified(t, "iptables", func(g *gateway) {
		g.wantSound()
		const mend = "l4xds kit FILE --node id=edge-1 --format iptables | sh"
		for _, b := range []broken{
			{"iptables -t mangle -F L4XDS-BACK", "IPv4 table mangle, chain L4XDS-BACK", "a line is missing", mend},
			{"ip6tables -t filter -D L4XDS-GUARD 2", "IPv6 table filter, chain L4XDS-GUARD", "a line is missing", mend},
			{"iptables -t nat -D PREROUTING -j L4XDS-NAT", "IPv4 table nat, jumps", "missing", mend},
		} {
			g.wantMended(b)
		}
		g.on(g.net.Host, "nft -f - <<'NFT'\n"+g.kit()+"NFT\n")
		g.wantMended(broken{
			"true", "iptables", "has the kit as well: its rules are there twice",
			"l4xds kit --remove --format iptables | sh; l4xds kit FILE --node id=edge-1 --format script | sh",
		})
	})
}

// TestKitVerifyEnvoy: what is wrong with the Envoy itself is said, and what to do.
func TestKitVerifyEnvoy(t *testing.T) {
	onVerified(t, "script", func(g *gateway) {
		// What it declares is not what it has.
		g.must(g.envoy.Close())
		g.must(g.verify().says("listener four, tcp 0.0.0.0:8053", "nothing listens on port 8053", ""))
		g.wrap = netns.Unprivileged()
		g.startEnvoyAnyhow()
		const mend = "setcap cap_net_raw+ep "
		g.until(g.saysOf("capabilities of envoy", "lacks what it needs to use addresses that are not the host's", mend))
		g.must(g.envoy.Close())

		// What it has is not declared.
		g.wrap, g.claims = netns.Unprivileged("net_raw"), nil
		g.startEnvoyAnyhow()
		g.until(g.saysOf("declared capabilities", "l4xds does not give it what needs a capability: behind, four, game, here, names, six, web",
			"l4xds bootstrap --node-id edge-1 --cluster edge --xds HOST:PORT --capability net_raw"))
		g.until(g.saysOf("listener four, tcp 0.0.0.0:8053", "nothing listens on port 8053", ""))
	})
}

// startEnvoyAnyhow starts the Envoy again with what it has and declares now, and does not wait until it has everything.
func (g *gateway) startEnvoyAnyhow() {
	g.t.Helper()
	var err error
	g.envoy, err = g.StartEnvoy(rig.EnvoyOptions{
		ID: "edge-1", Cluster: "edge", Variant: g.variant, Daemon: g.daemon, Wrap: g.wrap, Capabilities: g.claims,
	})
	g.must(err)
	g.wait(g.envoy.WaitReady)
}

// says is an error unless a part whose name begins so has failed with a message, and with a command that begins so.
func (v verdict) says(name, message, mend string) error {
	found := v.failed()
	if !slices.ContainsFunc(found, func(p verifiedPart) bool {
		return strings.HasPrefix(p.Name, name) && p.Message == message && strings.HasPrefix(p.Mend, mend)
	}) {
		return fmt.Errorf("found %v, want %s: %s, mend %s", found, name, message, mend)
	}
	return nil
}

// saysOf is says of what is found then.
func (g *gateway) saysOf(name, message, mend string) func(context.Context) error {
	return func(context.Context) error { return g.verify().says(name, message, mend) }
}

// TestKitVerifySidecar: an Envoy that captures what the host sends has to run as the user whose traffic is let through.
func TestKitVerifySidecar(t *testing.T) {
	oneGateway(t, nil, func(g *gateway) {
		g.start(`
listeners:
  out: {tcp: "127.0.0.1:15001", transparent: {mode: redirect, ports: 9000, from: host}, to: original, targets: any}
`)
		for _, user := range []string{netns.Nobody, "4711"} {
			g.on(g.net.Host, g.kit("--envoy-user", user, "--format", "script"))
			found := g.verify("--envoy-user", user, "--send", "--timeout", "1s").failed()
			switch {
			case user == netns.Nobody && len(found) > 0:
				g.t.Errorf("found %v", found)
			case user != netns.Nobody && (len(found) == 0 || found[0].Message != "its own connections are captured, and it calls itself"):
				g.t.Errorf("found %v, want the user", found)
			}
		}
	})
}

// TestKitVerifySends: --send tells what servers see, and whether answers come back; nothing of it is left.
func TestKitVerifySends(t *testing.T) {
	onVerified(t, "script", func(g *gateway) {
		said := map[string]string{}
		for _, p := range g.wantSound("--send").Findings {
			if p.Part == "traffic" {
				said[p.Name] = p.Result + ": " + strings.TrimLeft(p.Message, "0123456789")
			}
		}
		const seen = ", the client, and its answer came back"
		want := map[string]string{
			"listener four, tcp to 169.254.76.1:8053":   "ok: the server saw 169.254.76.2" + seen,
			"listener four, udp to 169.254.76.1:8053":   "ok: the server saw 169.254.76.2" + seen,
			"listener six, tcp to [fd77:1::1]:8056":     "ok: the server saw fd4c:4404:0:1::2" + seen,
			"listener six, udp to [fd77:1::1]:8056":     "ok: the server saw fd4c:4404:0:1::2" + seen,
			"listener here, tcp to 169.254.76.1:8080":   "ok: the Envoy has a connection to its server from 169.254.76.2, the client",
			"listener behind, tcp to 169.254.76.1:8060": "ok: the server saw 169.254.76.2" + seen,
			"listener names, tcp to 169.254.76.1:8443":  "ok: the server saw 169.254.76.2" + seen,
			"listener web, tcp to 192.0.2.1:80":         "ok: the server saw 169.254.76.2" + seen,
			"listener nat, tcp to 192.0.2.1:8000":       "ok: the server saw 169.254.76.5, and its answer came back",
			"listener game, udp to 192.0.2.1:27000":     "ok:  bytes came back",
		}
		if diff := cmp.Diff(want, said); diff != "" {
			g.t.Error(diff)
		}

		g.on(g.net.Host, "nft flush chain inet l4xds back")
		before := g.surroundings()
		sent := g.verify("--send", "--timeout", "1s")
		g.must(sent.says("listener four, udp to 169.254.76.1:8053", "the server saw 169.254.76.2, and its answer did not come back", ""))
		g.must(sent.says("listener four, tcp to 169.254.76.1:8053", "the connection is taken, and nothing reaches the server", ""))
		if after := g.surroundings(); after != before {
			g.t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// surroundings are what --send adds to: the interfaces of the host, its rules and routes.
func (g *gateway) surroundings() string {
	g.t.Helper()
	return g.on(g.net.Host, "ls /sys/class/net") + g.kernel(g.net.Host)
}

// TestKitVerifyInterrupted: an interrupt takes away what --send has made.
func TestKitVerifyInterrupted(t *testing.T) {
	onVerified(t, "script", func(g *gateway) {
		g.on(g.net.Host, "nft flush chain inet l4xds back") // so that answers are waited for
		before := g.surroundings()
		words := g.net.Host.Command(program, "kit", "verify", g.daemon.File, "--node", "id=edge-1", "--send", "--timeout", "20s")
		cmd := exec.CommandContext(g.ctx, words[0], words[1:]...)
		g.must(cmd.Start())
		g.until(func(context.Context) error {
			if !strings.Contains(g.surroundings(), "lookup 4405") {
				return errors.New("it does not send yet")
			}
			return nil
		})
		g.must(cmd.Process.Signal(os.Interrupt))
		began := time.Now()
		if err := cmd.Wait(); err == nil || time.Since(began) > 10*time.Second {
			g.t.Errorf("it ended with %v after %v", err, time.Since(began))
		}
		if after := g.surroundings(); after != before {
			g.t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}
