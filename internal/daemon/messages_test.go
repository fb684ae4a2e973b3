package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/pkg/config"
)

func TestReadable(t *testing.T) {
	messages := config.Diagnostics{
		{ID: config.MissingID, Position: config.Position{File: "gone.yaml"}},
		{ID: unreadableID, Position: config.Position{File: "dir/locked.yaml"}},
		{ID: "L4X0101", Position: config.Position{File: "wrong.yaml"}},
	}
	got := readable([]string{"gone.yaml", "dir/", "directory", "wrong.yaml"}, messages)
	want := map[string]bool{"gone.yaml": false, "dir/": false, "directory": true, "wrong.yaml": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
