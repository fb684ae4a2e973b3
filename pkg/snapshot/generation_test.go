package snapshot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func TestGenerationsCount(t *testing.T) {
	first := build(t, nil, world("a")...)
	second := build(t, first, world("a", "b")...)
	if first.ID != 1 || second.ID != 2 {
		t.Errorf("generations %d, %d", first.ID, second.ID)
	}
	for typ, want := range map[snapshot.Type]int{snapshot.CDS: 2, snapshot.EDS: 2, snapshot.LDS: 2, snapshot.SDS: 0} {
		if got := second.Count(typ); got != want {
			t.Errorf("%d %s resources, want %d", got, typ, want)
		}
	}
}

// The hash says what is served and to whom, and nothing else.
func TestHash(t *testing.T) {
	base := build(t, nil, world("a")...)
	for _, tt := range []struct {
		name string
		list []*translate.Resource
		same bool
	}{
		{"the same", world("a"), true},
		{"a cluster changed", []*translate.Resource{listener("tcp/a", "a"), cluster("a", 2), assignment("a", 0)}, false},
		{"another audience", []*translate.Resource{listener("tcp/a", "a", "x"), cluster("a", 1), assignment("a", 0)}, false},
		{"one more", world("a", "b"), false},
	} {
		if got := build(t, nil, tt.list...); (got.Hash == base.Hash) != tt.same {
			t.Errorf("%s: same hash: %t", tt.name, !tt.same)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []*translate.Resource
		want string
	}{
		{"a cluster that does not exist", []*translate.Resource{listener("l", "a")}, `lds "l" names ` + snapshot.CDS.URL() + ` "a", which does not exist`},
		{"an assignment that does not exist", []*translate.Resource{cluster("a", 1)}, `cds "a" names`},
		{
			"a reference of a type that is not served", []*translate.Resource{{
				Type: snapshot.CDS.URL(), Name: "a", Msg: cluster("a", 1).Msg, Refs: []translate.Ref{{Type: "x", Name: "a"}},
			}}, `names x "a"`,
		},
		{"two clusters of one name", append(world("a"), cluster("a", 2)), `two cds resources are named "a"`},
		{
			"two listeners of one name that one node may get", append(world("a"), listener("tcp/a", "a", "x")),
			`two lds resources are named "tcp/a"`,
		},
		{"a type that is not served", []*translate.Resource{{Type: "x", Name: "a"}}, `resource "a": type x is not served`},
		{"what cannot be encoded", []*translate.Resource{cluster("\xff", 1)}, "cds \"\\xff\": encode: "},
	} {
		if _, err := tryBuild(nil, tt.list...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
	if _, err := tryBuild(nil, append(world("a"), listener("l", "a", "x"), listener("l", "a", "y"))...); err != nil {
		t.Errorf("two listeners of one name for different nodes: %v", err)
	}
}

// What is taken over from the former generation must not change what comes out.
func TestPrevChangesNothing(t *testing.T) {
	worlds := [][]*translate.Resource{
		world("a", "b"),
		world("b", "c"),
		{listener("tcp/a", "a"), cluster("a", 5), assignment("a", 1)},
		append(world("a"), listener("tcp/x", "a", "x"), listener("tcp/x", "a", "y")),
		nil,
	}
	var prev *snapshot.Generation
	for round := range 3 {
		for i, list := range worlds {
			alone, after := build(t, nil, list...), build(t, prev, list...)
			if alone.Hash != after.Hash {
				t.Errorf("round %d, world %d: hash %s alone, %s after another", round, i, alone.Hash, after.Hash)
			}
			for _, n := range []config.Node{anyone, {ID: "x"}, {ID: "y"}} {
				for typ, s := range alone.View(n, 0).Sets {
					if got := after.View(n, 0).Sets[typ]; versions(got) != versions(s) || string(got.Body()) != string(s.Body()) {
						t.Errorf("round %d, world %d, node %s: %s alone, %s after another", round, i, n.ID, versions(s), versions(got))
					}
				}
			}
			prev = after
		}
	}
}

// Unchanged resources are not encoded again, and unchanged sets are the very same.
func TestReuse(t *testing.T) {
	list := world("a", "b")
	first := build(t, nil, list...)
	changed := append([]*translate.Resource{cluster("a", 9)}, list[0], list[2], list[3], list[4], list[5])
	second := build(t, first, changed...)
	before, after := first.View(anyone, 0), second.View(anyone, 0)
	if before.Sets[snapshot.LDS] != after.Sets[snapshot.LDS] {
		t.Error("an unchanged set is another one")
	}
	if before.Sets[snapshot.CDS].Get("b") != after.Sets[snapshot.CDS].Get("b") {
		t.Error("an unchanged entry is another one")
	}
	equal := build(t, second, append(world("b"), listener("tcp/a", "a"), cluster("a", 9), assignment("a", 0))...)
	if equal.View(anyone, 0).Sets[snapshot.CDS] != after.Sets[snapshot.CDS] {
		t.Error("a set of equal content is another one")
	}
}

// After a change of a cluster Envoy waits for its endpoints, and does not ask for them.
func TestAssignmentFollowsItsClusters(t *testing.T) {
	first := build(t, nil, world("a", "b")...).View(anyone, 0).Sets[snapshot.EDS]
	list := append(world("b"), listener("tcp/a", "a"), cluster("a", 9), assignment("a", 0))
	second := build(t, nil, list...).View(anyone, 0).Sets[snapshot.EDS]
	if first.Get("a").Version == second.Get("a").Version {
		t.Error("the cluster changed, and its assignment is not sent again")
	}
	if first.Get("b").Version != second.Get("b").Version {
		t.Error("another cluster changed, and the assignment is sent again")
	}
	if string(first.Get("a").Wire) != string(second.Get("a").Wire) {
		t.Error("the assignment itself changed")
	}
}

// A second cluster that names a known assignment counts too, in the views that have it.
func TestAssignmentFollowsAllClustersOfItsView(t *testing.T) {
	shared := cluster("a/tls", 1)
	shared.Refs[0].Name = "a"
	g := build(t, nil, append(world("a"), listener("tcp/tls", "a/tls", "x"), shared)...)
	one, both := g.View(anyone, 0).Sets[snapshot.EDS], g.View(config.Node{ID: "x"}, 0).Sets[snapshot.EDS]
	if one.Get("a").Version == both.Get("a").Version {
		t.Error("one version for an assignment that one cluster names, and two")
	}
	if got := g.View(config.Node{ID: "x"}, 0).Sets[snapshot.CDS].Get("a/tls").Service; got != "a" {
		t.Errorf("the cluster waits for %q", got)
	}
}

func TestPositions(t *testing.T) {
	source := config.NewSource()
	source.Stdin(strings.NewReader(`listeners:
  east: {tcp: 1, to: a, nodes: {id: east}}
  west:
    tcp: 1
    to: a
    nodes: {id: west}
backends: {a: {endpoints: [10.0.0.1:1]}}
`))
	c, diagnostics := config.Load(source, nil, "-")
	if c == nil {
		t.Fatal(diagnostics)
	}
	r, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := snapshot.Build(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		node string
		typ  snapshot.Type
		name string
		want string
	}{
		{"east", snapshot.LDS, "tcp/0.0.0.0:1", "[-:2:15 -:2:3]"},
		{"west", snapshot.LDS, "tcp/0.0.0.0:1", "[-:4:10 -:3:3]"},
		{"west", snapshot.CDS, "a", "[-:7:12]"},
		{"west", snapshot.CDS, "b", "[]"},
		{"north", snapshot.LDS, "tcp/0.0.0.0:1", "[]"},
	} {
		v := g.View(config.Node{ID: tt.node}, 0)
		if got := fmt.Sprint(g.Positions(v, tt.typ, tt.name)); got != tt.want {
			t.Errorf("%s: %s %q stands at %s, want %s", tt.node, tt.typ, tt.name, got, tt.want)
		}
	}
}

// Versions are a promise: another one for the same content resends everything to every fleet once. After an update of
// Envoy's protos they may change, and so may this test.
func TestVersionsAreTheSameEverywhere(t *testing.T) {
	v := build(t, nil, world("a", "b")...).View(anyone, 0)
	var got []string
	for _, s := range v.Sets {
		got = append(got, s.Version, versions(s))
	}
	want := []string{
		"h-OtSw0yvaXplgji2BUeaA", "a=XHAeyEw9WUuZ5GYtxWrLSw b=pZfTSoRMum3ENxbZttb_mg",
		"Pfd4FYbdSm0HYZmHer3peA", "a=5mk3S95nOkVh3hcPA-GG-A b=vpEE1lG7r-ohXFqxZ8Z0IA",
		"Vr8-AVCNN6qxro-90iHSmQ", "tcp/a=B-L9VCdq1h-DJxWHy-nomg tcp/b=gyz4u4TTgtLdGSeQh77M3w",
		"47DEQpj8HBSa-_TImW-5JA", "",
		"47DEQpj8HBSa-_TImW-5JA", "",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("versions\n%s", strings.Join(got, "\n"))
	}
}
