// Package compose tests the compose demo: its files, and, with the build tag "compose", all of it on a real engine.
package compose

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/pkg/config"
)

// TestConfig: the file that the demo starts with is good.
func TestConfig(t *testing.T) {
	if _, diagnostics := config.Load(config.NewSource(), nil, "config"); len(diagnostics) > 0 {
		t.Errorf("config: %v", diagnostics)
	}
}

// TestBootstraps: those of the Envoys are what `l4xds bootstrap` makes today.
func TestBootstraps(t *testing.T) {
	for _, group := range []string{"east", "west"} {
		var want strings.Builder
		err := bootstrap.Write(&want, bootstrap.Options{
			NodeID: "envoy-" + group, Cluster: group, XDS: "l4xds:18000", Admin: "0.0.0.0:9901",
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("envoy-" + group + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("envoy-%s.yaml is not current; run `make generate` (-want +got):\n%s", group, diff)
		}
	}
}
