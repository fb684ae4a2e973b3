//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/rig"
)

// TestWithheldCapability: an Envoy that does not declare the capability is not given a listener that needs it, and
// everybody can see it; the rest it has. It is given it once it declares it, or the listener does without.
func TestWithheldCapability(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		const config = "listeners:\n  plain: {tcp: $plain, to: $blue}\n  seen: {tcp: $seen, to: $blue, source: client}\n"
		f.startDaemon(config)
		able := f.startCapable("edge-1", "net_raw")
		unable := f.startEnvoy("edge-2", "edge")
		both := []string{"tcp/" + f.addr("plain"), "tcp/" + f.addr("seen")}
		f.wantListeners(able, both...)
		f.wantListeners(unable, both[0])
		f.wantTCP("plain", "blue")
		f.wantWithheld(map[string][]string{"edge-1": nil, "edge-2": {both[1] + " needs_net_raw at 3"}})

		f.edit(strings.ReplaceAll(config, "$blue", "$green")) // both listeners change
		f.wantTCP("plain", "green")
		f.wantWithheld(map[string][]string{"edge-1": nil, "edge-2": {both[1] + " needs_net_raw at 3"}})

		f.must(unable.Close())
		unable = f.startCapable("edge-2", "CAP_NET_ADMIN", "net_raw")
		f.wantListeners(unable, both...)
		f.wantWithheld(map[string][]string{"edge-1": nil, "edge-2": nil})

		f.must(unable.Close())
		unable = f.startEnvoy("edge-2", "edge")
		f.wantListeners(unable, both[0])
		f.edit(strings.Replace(config, ", source: client", "", 1))
		f.wantListeners(unable, both...)
		f.wantWithheld(map[string][]string{"edge-1": nil, "edge-2": nil})
	})
}

// startCapable starts an Envoy that declares capabilities, and waits until it has what is in force.
func (f *fleet) startCapable(id string, capabilities ...string) *rig.Envoy {
	f.t.Helper()
	envoy, err := f.StartEnvoy(rig.EnvoyOptions{
		ID: id, Cluster: "edge", Variant: f.variant, Daemon: f.daemon, Capabilities: capabilities,
	})
	f.must(err)
	f.wait(envoy.WaitReady)
	f.wait(func(ctx context.Context) error { return f.daemon.WaitStatus(ctx, (*rig.Status).Synced) })
	return envoy
}

// wantWithheld waits until the Envoys are synced and status tells of each node what is withheld from it, "LISTENER REASON at
// LINE"; the metric counts the same.
func (f *fleet) wantWithheld(want map[string][]string) {
	f.t.Helper()
	n := 0
	f.waitStatus(func(s *rig.Status) error {
		n = 0
		for _, node := range s.Nodes {
			var told []string
			for _, w := range node.Withheld {
				told = append(told, fmt.Sprintf("%s %s at %d", w.Listener, w.Reason, w.Places[len(w.Places)-1].Line))
			}
			if !slices.Equal(told, want[node.ID]) {
				return fmt.Errorf("withheld from %s are %q, want %q", node.ID, told, want[node.ID])
			}
			n += len(told)
		}
		if len(s.Nodes) != len(want) {
			return fmt.Errorf("%d nodes, want %d", len(s.Nodes), len(want))
		}
		return s.Synced()
	})
	metrics, err := f.daemon.Metrics(f.ctx)
	f.must(err)
	for _, line := range []string{fmt.Sprintf(`l4xds_withheld{reason="needs_net_raw"} %d`, n), `l4xds_withheld{reason="needs_delta"} 0`} {
		if !strings.Contains(metrics, line+"\n") {
			f.t.Errorf("the metrics lack %q", line)
		}
	}
}
