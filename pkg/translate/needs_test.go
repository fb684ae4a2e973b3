package translate

import (
	"slices"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
)

func TestNeedsInWords(t *testing.T) {
	for _, c := range []struct {
		needs Needs
		want  []string
	}{
		{0, nil},
		{NeedsDelta, []string{"needs_delta"}},
		{NeedsNetRaw, []string{"needs_net_raw"}},
		{NeedsAll, []string{"needs_delta", "needs_net_raw"}},
	} {
		if got := c.needs.Words(); !slices.Equal(got, c.want) {
			t.Errorf("words of %b are %q, want %q", c.needs, got, c.want)
		}
	}
}

func TestLacks(t *testing.T) {
	for _, c := range []struct {
		has  []config.Capability
		want Needs
	}{
		{nil, NeedsNetRaw},
		{[]config.Capability{config.NetRaw}, 0},
		{[]config.Capability{config.NetAdmin}, 0},
		{config.Capabilities(), 0},
	} {
		if got := Lacks(config.Node{Capabilities: c.has}); got != c.want {
			t.Errorf("a node with %q lacks %b, want %b", c.has, got, c.want)
		}
	}
}
