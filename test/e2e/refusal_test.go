//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// withoutPrivileges are the words in front of a command that take all capabilities from it. What root owns it can still
// read.
func withoutPrivileges() []string {
	if os.Geteuid() != 0 {
		return nil // it has none
	}
	return []string{"setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"}
}

// refusing starts an Envoy without privileges and waits until it has refused what it can only refuse.
func (f *fleet) refusing(id string, capabilities ...string) *rig.Envoy {
	f.t.Helper()
	envoy, err := f.StartEnvoy(rig.EnvoyOptions{
		ID: id, Cluster: "edge", Variant: f.variant, Daemon: f.daemon, Wrap: withoutPrivileges(), Capabilities: capabilities,
	})
	f.must(err)
	f.wait(envoy.WaitReady)
	return envoy
}

// TestRefusalAdvice: what an Envoy refuses for want of a privilege, or because of its host, is told in its own words and
// with what to do; once that is done, a restarted Envoy takes it.
func TestRefusalAdvice(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		held, err := net.Listen("tcp", f.addr("taken"))
		f.must(err)
		defer func() { _ = held.Close() }()
		caught, seen := f.ports(1), f.ports(1)
		config := fmt.Sprintf(`listeners:
  good: {tcp: $good, to: $blue}
  away: {udp: "192.0.2.50:5353", to: $blue}
  taken: {tcp: $taken, to: $blue}
  file: {tcp: "unix:/proc/l4xds.sock", to: $blue}
  caught: {tcp: "127.0.0.1:%d", to: $blue, transparent: tproxy}
  seen: {udp: "127.0.0.1:%d", to: $blue, source: client}
`, caught, seen)
		want := []refusalWords{
			{
				"udp/192.0.2.50:5353: cannot bind '192.0.2.50:5353': Cannot assign requested address",
				"the host of edge-2 does not have the address 192.0.2.50. Add it there",
			},
			{
				"cannot bind '" + f.addr("taken") + "': Address already in use",
				"another process on the host of edge-2 listens on " + f.addr("taken"),
			},
			{
				"cannot bind '/proc/l4xds.sock': No such file or directory",
				"the Envoy on edge-2 cannot make the socket /proc/l4xds.sock",
			},
			{
				fmt.Sprintf("tcp/127.0.0.1:%d: ListenSocket: Setting socket options failed", caught),
				"the Envoy on edge-2 has neither CAP_NET_RAW nor CAP_NET_ADMIN, which transparent: tproxy needs, although its bootstrap " +
					"declares net_raw. Start it with one of them",
			},
			{
				fmt.Sprintf("udp/127.0.0.1:%d: The platform does not support either IP_TRANSPARENT or IPV6_TRANSPARENT.", seen),
				"the Envoy on edge-2 has neither CAP_NET_RAW nor CAP_NET_ADMIN, which source: client of a UDP listener needs",
			},
		}
		if low := lowPort(t); low > 0 {
			config += fmt.Sprintf("  low: {tcp: \"127.0.0.1:%d\", to: $blue}\n", low)
			want = append(want, refusalWords{
				fmt.Sprintf("tcp/127.0.0.1:%d: cannot bind '127.0.0.1:%[1]d': Permission denied", low),
				fmt.Sprintf("the Envoy on edge-2 may not listen on port %d. Start it with CAP_NET_BIND_SERVICE", low),
			})
		}
		f.startDaemon(config)
		envoy := f.refusing("edge-2", "net_raw")
		f.wantTCP("good", "blue")
		f.wantAdvice("edge-2", want)
		f.must(held.Close())
		f.must(envoy.Close())
		f.must(envoy.Start())
		f.wantTCP("taken", "blue")
	})
}

// TestAcceptedWithoutPrivilege: a TCP listener whose servers see the client's address is accepted by an Envoy that may not
// do that, which then closes each connection. The manual tells of these words.
func TestAcceptedWithoutPrivilege(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		log := filepath.Join(f.Dir, "access.json")
		f.startDaemon(fmt.Sprintf("listeners: {seen: {tcp: $seen, to: {endpoints: [$blue]}, source: client, access_log: %s}}", log))
		envoy := f.refusing("edge-2", "net_raw")
		f.waitNodes(1) // and it is synced
		f.wantClosed(echo.Dialer{}, "seen")
		f.until(func(ctx context.Context) error {
			n, err := envoy.Stat(ctx, "cluster.seen.upstream_cx_connect_fail")
			if err == nil && n == 0 {
				err = errors.New("no connect is counted as failed")
			}
			return err
		})
		f.wantLogged(log, "closed connection", `"flags":"URX"`)
		f.wantLogged(envoy.Log, "missing privilege", "Setting IPPROTO_IP/IP_TRANSPARENT option on socket failed: Operation not permitted")
	})
}

// refusalWords are what an Envoy says of a listener, and how the advice about it begins.
type refusalWords struct{ message, advice string }

// in is nil if the message holds the words, and some advice begins with theirs.
func (w refusalWords) in(message string, advice []string) error {
	if !strings.Contains(message, w.message) {
		return fmt.Errorf("%q is missing in %s", w.message, message)
	}
	if !slices.ContainsFunc(advice, func(a string) bool { return strings.HasPrefix(a, w.advice) }) {
		return fmt.Errorf("no advice begins with %q: %q", w.advice, advice)
	}
	return nil
}

// wantAdvice waits until status tells of a refusal by the node with all of these words, and wants its advice in the log,
// too.
func (f *fleet) wantAdvice(id string, want []refusalWords) {
	f.t.Helper()
	f.waitStatus(func(s *rig.Status) error {
		i := slices.IndexFunc(s.Nodes, func(n rig.Node) bool { return n.ID == id && n.State == "rejected" })
		if i < 0 || s.Nodes[i].Types["lds"].Nacked == nil {
			return fmt.Errorf("%s has refused nothing: %+v", id, s.Nodes)
		}
		nack := s.Nodes[i].Types["lds"].Nacked
		for _, w := range want {
			if err := w.in(nack.Message, nack.Advice); err != nil {
				return err
			}
		}
		if len(nack.Advice) != len(want) {
			return fmt.Errorf("advice %q, want %d texts", nack.Advice, len(want))
		}
		return nil
	})
	for _, w := range want {
		f.wantLogged(f.daemon.Log, "refusal", "envoy refused a response", w.advice)
	}
}

// lowPort is the highest port that needs a privilege here; 0 where none does, as in some containers.
func lowPort(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return max(first-1, 0)
}
