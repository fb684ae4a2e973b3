//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/l4xds/l4xds/test/rig"
)

// TestMetrics: Prometheus's own checker finds nothing to say about the metrics of a daemon with some history.
func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.backends("blue", "green")
	f.start(goodFile)
	f.edit(moved(goodFile))
	f.spoil("")
	ctx, cancel := rig.Patience(f.ctx)
	defer cancel()
	metrics, err := f.daemon.Metrics(ctx)
	f.must(err)
	path, err := f.WriteFile("metrics.txt", metrics)
	f.must(err)
	if said := f.run("sh", "-c", "promtool check metrics <"+path); said != "" {
		t.Errorf("promtool: %s", said)
	}
}

// TestPrometheusConfig: it accepts the configuration of the compose demo.
func TestPrometheusConfig(t *testing.T) {
	t.Parallel()
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	newFleet(t, "").run("promtool", "check", "config", "--syntax-only", filepath.Join(root, "deploy/compose/prometheus.yaml"))
}

// run runs a program, which has to succeed, and tells what it said.
func (f *fleet) run(program string, args ...string) string {
	f.t.Helper()
	process, err := f.Start(program, program, args...)
	f.must(err)
	code, err := process.ExitCode(f.ctx)
	f.must(err)
	said, err := os.ReadFile(process.Log)
	f.must(err)
	if code != 0 {
		f.t.Errorf("%s: exit code %d: %s", program, code, said)
	}
	return string(said)
}
