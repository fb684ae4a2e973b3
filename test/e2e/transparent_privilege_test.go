//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/netns"
	"github.com/l4xds/l4xds/test/rig"
)

// TestTransparentPrivileges: what an Envoy can do with each capability alone, although it declares that it can do all: what it
// refuses, in its own words, and what it accepts and closes. All else serves, and what is captured for a listener that it
// refused goes nowhere.
func TestTransparentPrivileges(t *testing.T) {
	const (
		option  = "ListenSocket: Setting socket options failed"
		source  = "The platform does not support either IP_TRANSPARENT or IPV6_TRANSPARENT. Or the envoy is not running with the CAP_NET_ADMIN capability."
		lowPort = "cannot bind '0.0.0.0:81': Permission denied"
	)
	transparent := map[string]string{"tcp/0.0.0.0:15001": option, "udp/0.0.0.0:5300": option, "udp/0.0.0.0:8004": source}
	eachGateway(t, nil, func(g *gateway) {
		g.servers(g.net.Server, "10.77.2.2:8080", "10.77.2.2:5300", "10.77.2.2:9000")
		g.startDaemon(`
listeners:
  plain: {tcp: 8000, udp: 8000, to: "10.77.2.2:9000"}
  redirected: {tcp: {address: 15002, transparent: {mode: redirect, ports: 8081}}, to: "10.77.2.2:9000"}
  captured: {tcp: {address: 15001, transparent: {mode: tproxy, ports: 8080}}, to: original, targets: any}
  captured-udp: {udp: {address: 5300, transparent: tproxy}, to: "10.77.2.2:9000"}
  source: {tcp: 8004, udp: 8004, to: "10.77.2.2:9000", source: client, access_log: stdout}
  low: {tcp: 81, to: "10.77.2.2:9000"}
`)
		always := []way{
			{"tcp", "10.77.1.1:8000", "10.77.2.2:9000", netns.Far},
			{"udp", "10.77.1.1:8000", "10.77.2.2:9000", netns.Far},
			{"tcp", nowhere + ":8081", "10.77.2.2:9000", netns.Far},
		}
		needy := []way{
			{"tcp", "10.77.2.2:8080", "10.77.2.2:8080", netns.Far},
			{"udp", "10.77.2.2:5300", "10.77.2.2:9000", netns.Far},
			{"tcp", "10.77.1.1:8004", "10.77.2.2:9000", netns.Client},
			{"udp", "10.77.1.1:8004", "10.77.2.2:9000", netns.Client},
		}
		low := way{"tcp", "10.77.1.1:81", "10.77.2.2:9000", netns.Far}
		g.withKit("script", func() {
			for _, name := range []string{"net_raw", "net_admin"} {
				envoy := g.startWith(name, map[string]string{"tcp/0.0.0.0:81": lowPort})
				g.wantSeen(append(needy, always...)...)
				g.wantNothing(low)
				g.must(envoy.Close())
			}
			envoy := g.startWith("net_bind_service", transparent)
			g.wantSeen(append(always, low)...)
			g.wantNothing(needy...)
			g.wantLogged(envoy, "URX")
			g.must(envoy.Close())
			all := maps.Clone(transparent)
			all["tcp/0.0.0.0:81"] = lowPort
			g.startWith("", all)
			g.wantSeen(always...)
			g.wantNothing(append(needy, low)...)
		})
	})
}

// startWith starts an Envoy with this capability alone, or with none, which refuses these listeners and no others.
func (g *gateway) startWith(capability string, refused map[string]string) *rig.Envoy {
	g.t.Helper()
	id, wrap := "none", netns.Unprivileged()
	if capability != "" {
		id, wrap = capability, netns.Unprivileged(capability)
	}
	envoy, err := g.StartEnvoy(rig.EnvoyOptions{
		ID: id, Cluster: "edge", Variant: g.variant, Daemon: g.daemon, Wrap: wrap, Capabilities: []string{"net_raw"},
	})
	g.must(err)
	g.wait(envoy.WaitReady)
	g.waitStatus(func(s *rig.Status) error {
		for _, node := range s.Nodes {
			if node.ID == id {
				return refuses(node, refused)
			}
		}
		return fmt.Errorf("%s is not connected", id)
	})
	return envoy
}

// refuses wants the node to refuse these listeners, each in these words of its Envoy, and no others.
func refuses(node rig.Node, want map[string]string) error {
	nack := node.Types["lds"].Nacked
	if nack == nil {
		return fmt.Errorf("%s refuses nothing", node.ID)
	}
	for listener, words := range want {
		if !strings.Contains(nack.Message, listener+": "+words) {
			return fmt.Errorf("%s is not refused with %q: %s", listener, words, nack.Message)
		}
	}
	if n := strings.Count(nack.Message, "/0.0.0.0:"); n != len(want) {
		return fmt.Errorf("%d listeners are refused, want %v: %s", n, want, nack.Message)
	}
	for _, text := range nack.Advice {
		if !strings.Contains(text, node.ID) {
			return fmt.Errorf("advice that does not name %s: %s", node.ID, text)
		}
	}
	if len(nack.Advice) == 0 {
		return fmt.Errorf("no advice for %s", nack.Message)
	}
	return nil
}

// wantLogged waits until the Envoy's log has a word.
func (g *gateway) wantLogged(envoy *rig.Envoy, word string) {
	g.t.Helper()
	g.until(func(context.Context) error {
		text, err := os.ReadFile(envoy.Log)
		if err == nil && !strings.Contains(string(text), word) {
			err = fmt.Errorf("%s does not stand in %s", word, envoy.Log)
		}
		return err
	})
}
