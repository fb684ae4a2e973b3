//go:build e2e

package e2e

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
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
	f.promtool(strings.NewReader(metrics), "check", "metrics")
}

// TestPrometheusConfig: so it does about the configuration of the compose demo.
func TestPrometheusConfig(t *testing.T) {
	t.Parallel()
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	newFleet(t, "").promtool(nil, "check", "config", "--syntax-only", filepath.Join(root, "deploy/compose/prometheus.yaml"))
}

// promtool wants Prometheus's tool to succeed, and for metrics to have nothing to say.
func (f *fleet) promtool(input io.Reader, args ...string) {
	f.t.Helper()
	cmd := exec.CommandContext(f.ctx, "promtool", args...)
	cmd.Stdin = input
	said, err := cmd.CombinedOutput()
	if err != nil || input != nil && len(said) > 0 {
		f.t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}
