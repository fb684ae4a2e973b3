package snapshot_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func coasts() []*translate.Resource {
	list := append(world("a"), listener("tcp/coast", "e", "east-*"), listener("tcp/coast", "w", "west-*", "far"))
	for _, name := range []string{"e", "w"} {
		list = append(list, cluster(name, 1), assignment(name, 0))
	}
	return list
}

func TestViewsFollowReferences(t *testing.T) {
	g := build(t, nil, coasts()...)
	for _, tt := range []struct{ id, want string }{
		{"east-1", "cds[a e] eds[a e] lds[tcp/a tcp/coast] sds[] rds[]"},
		{"west-1", "cds[a w] eds[a w] lds[tcp/a tcp/coast] sds[] rds[]"},
		{"north-1", "cds[a] eds[a] lds[tcp/a] sds[] rds[]"},
	} {
		if got := holds(g.View(config.Node{ID: tt.id}, 0)); got != tt.want {
			t.Errorf("%s is given %s, want %s", tt.id, got, tt.want)
		}
	}
	empty := build(t, nil, listener("l", "a", "x"), cluster("a", 1), assignment("a", 0))
	if got := holds(empty.View(anyone, 0)); got != "cds[] eds[] lds[] sds[] rds[]" {
		t.Errorf("a node that nothing is for is given %s", got)
	}
}

func TestNodesOfOneKindShareAView(t *testing.T) {
	g := build(t, nil, coasts()...)
	if g.View(config.Node{ID: "west-1"}, 0) != g.View(config.Node{ID: "far", Zone: "z"}, 0) {
		t.Error("two nodes with the same listeners have two views")
	}
	east, west := g.View(config.Node{ID: "east-1"}, 0), g.View(config.Node{ID: "west-1"}, 0)
	if east.Key == west.Key {
		t.Error("two views have one key")
	}
	later := build(t, g, append(coasts(), world("b")...)...)
	if got := later.View(config.Node{ID: "east-9"}, 0).Key; got != east.Key {
		t.Errorf("the key of a view changed from %s to %s, though its selectors did not", east.Key, got)
	}
	if got := len(east.Resources()); got != 6 {
		t.Errorf("%d resources behind the view, want 6", got)
	}
}

// What a node cannot do keeps from it the listeners that need it, and each reason is told; what nobody needs makes no
// difference.
func TestWithheld(t *testing.T) {
	list := append(world("a"), world("raw")...)
	list = append(list, world("both")...)
	for _, r := range list {
		switch r.Name {
		case "tcp/raw":
			r.Needs = translate.NeedsNetRaw
		case "tcp/both":
			r.Needs = translate.NeedsAll
		}
	}
	g := build(t, nil, list...)
	for _, tt := range []struct {
		lacks           translate.Needs
		given, withheld string
	}{
		{0, "[tcp/a tcp/both tcp/raw]", "[]"},
		{translate.NeedsDelta, "[tcp/a tcp/raw]", "[tcp/both needs_delta]"},
		{translate.NeedsNetRaw, "[tcp/a]", "[tcp/both needs_net_raw tcp/raw needs_net_raw]"},
		{translate.NeedsAll, "[tcp/a]", "[tcp/both needs_delta tcp/both needs_net_raw tcp/raw needs_net_raw]"},
	} {
		v := g.View(anyone, tt.lacks)
		if got := holds(v); !strings.Contains(got, "lds"+tt.given) {
			t.Errorf("who lacks %q is given %s, want the listeners %s", tt.lacks.Words(), got, tt.given)
		}
		var told []string
		for _, w := range g.Withheld(v) {
			told = append(told, w.Listener+" "+w.Reason)
		}
		if got := fmt.Sprint(told); got != tt.withheld {
			t.Errorf("from who lacks %q are withheld %s, want %s", tt.lacks.Words(), got, tt.withheld)
		}
	}
	plain := build(t, nil, world("a")...)
	if plain.View(anyone, 0) != plain.View(anyone, translate.NeedsAll) {
		t.Error("nodes that differ in what no listener needs have two views")
	}
}

// Conditions with the same texts in other places are different audiences.
func TestSelectorsAreToldApart(t *testing.T) {
	terms := []config.Term{
		{ID: "a"},
		{Cluster: "a"},
		{Zone: "a"},
		{Metadata: map[string]string{"a": "b"}},
		{Metadata: map[string]string{"a": "c"}},
		{Metadata: map[string]string{"a": "b", "c": "d"}},
	}
	keys := map[string]int{}
	for i, term := range terms {
		l := listener("l", "a")
		l.Audience.Terms = []config.Term{term}
		g := build(t, nil, l, cluster("a", 1), assignment("a", 0))
		node := config.Node{ID: term.ID, Cluster: term.Cluster, Zone: term.Zone, Metadata: term.Metadata}
		key := g.View(node, 0).Key
		if other, ok := keys[key]; ok {
			t.Errorf("terms %d and %d have one key", i, other)
		}
		keys[key] = i
	}
}

func TestConcurrentViews(t *testing.T) {
	g := build(t, nil, coasts()...)
	views := make([]*snapshot.View, 16)
	var wg sync.WaitGroup
	for i := range views {
		wg.Go(func() {
			views[i] = g.View(config.Node{ID: []string{"east-1", "west-1"}[i%2]}, 0)
			for _, s := range views[i].Sets {
				s.Body()
				snapshot.Diff(nil, s).Body()
			}
		})
	}
	wg.Wait()
	for i, v := range views {
		if v != views[i%2] {
			t.Errorf("goroutine %d got a view of its own", i)
		}
	}
}
