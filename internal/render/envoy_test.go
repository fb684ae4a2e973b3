//go:build e2e

package render

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/rig"
)

// TestEnvoyAcceptsEveryExample asks the real Envoy about the bootstrap of every example, for each kind of node in it.
func TestEnvoyAcceptsEveryExample(t *testing.T) {
	envoy, err := rig.EnvoyPath()
	if err != nil {
		t.Fatal(err)
	}
	all := examples(t)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		g, err := snapshot.Build(all[path], nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, node := range nodesOf(all[path].Config) {
			t.Run(filepath.Base(path)+" "+name, func(t *testing.T) {
				t.Parallel()
				checkAccepted(t, envoy, all[path].Config, g.View(node, 0).Resources())
			})
		}
	}
}

// onEnvoy is where the examples have files on the Envoy.
const onEnvoy = "/etc/envoy/certs"

// nodesOf is a node of each group, and one that is in none.
func nodesOf(c *config.Config) map[string]config.Node {
	nodes := map[string]config.Node{"no group": {ID: "nobody"}}
	for _, g := range c.Groups {
		term := g.Selector.Terms[0]
		nodes[g.Name] = config.Node{
			ID: strings.ReplaceAll(term.ID, "*", "1"), Cluster: term.Cluster, Zone: term.Zone, Metadata: term.Metadata,
		}
	}
	return nodes
}

func checkAccepted(t *testing.T, envoy string, c *config.Config, list []*translate.Resource) {
	t.Helper()
	var bootstrap bytes.Buffer
	if err := Bootstrap(&bootstrap, c, list); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // Envoy opens log files also when it only validates
	text := strings.NewReplacer("/var/log/envoy", dir, onEnvoy, dir).Replace(bootstrap.String())
	for _, suffix := range []string{".crt", ".key"} { // what the examples say is there
		content, err := os.ReadFile("examples/tls/edge" + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "wild"+suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "envoy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), envoy, "--mode", "validate", "-c", file, "--use-dynamic-base-id", "--log-level", "warning")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, output, text)
	}
}
