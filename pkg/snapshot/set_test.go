package snapshot_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

func TestTypes(t *testing.T) {
	for typ, want := range []string{
		"cds type.googleapis.com/envoy.config.cluster.v3.Cluster",
		"eds type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
		"lds type.googleapis.com/envoy.config.listener.v3.Listener",
		"sds type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
		"rds type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
	} {
		typ := snapshot.Type(typ)
		if got := typ.String() + " " + typ.URL(); got != want {
			t.Errorf("type %d is %s, want %s", typ, got, want)
		}
		if back, ok := snapshot.TypeOf(typ.URL()); !ok || back != typ {
			t.Errorf("%s is type %d", typ.URL(), back)
		}
	}
	if _, ok := snapshot.TypeOf("type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"); ok {
		t.Error("scoped routes are served")
	}
}

func TestNewSet(t *testing.T) {
	s := set("b=1", "a=2", "c=3")
	if got := versions(s); got != "a=2 b=1 c=3" {
		t.Errorf("entries %s, want them sorted", got)
	}
	for _, name := range []string{"a", "b", "c"} {
		if e := s.Get(name); e == nil || e.Name != name {
			t.Errorf("Get(%q) = %v", name, e)
		}
	}
	for _, name := range []string{"", "aa", "d"} {
		if e := s.Get(name); e != nil {
			t.Errorf("Get(%q) = %v, want nil", name, e)
		}
	}
	if set("a=2", "c=3", "b=1").Version != s.Version {
		t.Error("the order of the entries is in the version")
	}
	for _, other := range []*snapshot.Set{set(), set("a=2", "b=1"), set("a=2", "b=1", "c=4"), set("a=2", "b=1", "d=3"), set("a2b=1c", "=3")} {
		if other.Version == s.Version {
			t.Errorf("%s has the version of %s", versions(other), versions(s))
		}
	}
}

// The bytes are put together by hand; the library must read them as what they should be.
func TestBodies(t *testing.T) {
	entries := build(t, nil, world("a", "b")...).View(anyone, 0).Sets[snapshot.CDS].Entries
	sotw := &discoveryv3.DiscoveryResponse{VersionInfo: "v", TypeUrl: snapshot.CDS.URL()}
	delta := &discoveryv3.DeltaDiscoveryResponse{
		SystemVersionInfo: "v", TypeUrl: snapshot.CDS.URL(), RemovedResources: []string{"x", "y"},
	}
	for _, e := range entries {
		var packed anypb.Any
		if err := proto.Unmarshal(e.Wire, &packed); err != nil {
			t.Fatal(err)
		}
		sotw.Resources = append(sotw.Resources, &packed)
		delta.Resources = append(delta.Resources, &discoveryv3.Resource{Name: e.Name, Version: e.Version, Resource: &packed})
	}
	checkEncoding(t, snapshot.EncodeSotW(snapshot.CDS, "v", entries), sotw)
	checkEncoding(t, snapshot.EncodeDelta(snapshot.CDS, "v", entries, []string{"x", "y"}), delta)
}

func checkEncoding(t *testing.T, got []byte, want proto.Message) {
	t.Helper()
	decoded := want.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(got, decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, decoded, protocmp.Transform()); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if len(got) != cap(got) {
		t.Errorf("%d bytes in a buffer of %d: the size was computed wrongly", len(got), cap(got))
	}
}

func TestBodiesAreEncodedOnce(t *testing.T) {
	a, b := set("a=1"), set("a=2")
	if one, two := a.Body(), a.Body(); &one[0] != &two[0] {
		t.Error("a set is encoded twice")
	}
	c := snapshot.Diff(a, b)
	if snapshot.Diff(set("a=1"), b) != c {
		t.Error("two answers to one question")
	}
	if one, two := c.Body(), c.Body(); &one[0] != &two[0] {
		t.Error("a change is encoded twice")
	}
	if u := snapshot.Union(a, set("b=1")); snapshot.Union(a, set("b=1")) != u {
		t.Error("two unions of the same sets")
	}
}

// randomSet has about half of ten names, each in one of three versions.
func randomSet(r *rand.Rand) (*snapshot.Set, map[string]string) {
	var entries []string
	want := map[string]string{}
	for i := range 10 {
		if r.IntN(2) == 0 {
			name, version := fmt.Sprintf("n%d", i), fmt.Sprint(r.IntN(3))
			entries = append(entries, name+"="+version)
			want[name] = version
		}
	}
	return set(entries...), want
}

func TestDiffAndUnionAgainstMaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		from, fromMap := randomSet(r)
		to, toMap := randomSet(r)
		checkDiff(t, fromMap, toMap, snapshot.Diff(from, to))
		checkDiff(t, nil, toMap, snapshot.Diff(nil, to))
		checkUnion(t, fromMap, toMap, snapshot.Union(from, to))
		if snapshot.Union(from, nil) != from || snapshot.Union(from, from) != from {
			t.Fatal("a union with nothing is another set")
		}
	}
}

func checkDiff(t *testing.T, from, to map[string]string, c *snapshot.Change) {
	t.Helper()
	var changed, removed []string
	for name, version := range to {
		if before, ok := from[name]; !ok || before != version {
			changed = append(changed, name)
		}
	}
	for name := range from {
		if _, ok := to[name]; !ok {
			removed = append(removed, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(removed)
	var got []string
	for _, e := range c.Changed {
		if e.Version != to[e.Name] {
			t.Fatalf("%s is changed to version %s, want %s", e.Name, e.Version, to[e.Name])
		}
		got = append(got, e.Name)
	}
	if !slices.Equal(got, changed) || !slices.Equal(c.Removed, removed) {
		t.Fatalf("changed %q, removed %q; want %q and %q", got, c.Removed, changed, removed)
	}
	if c.Empty() != (len(changed)+len(removed) == 0) {
		t.Fatalf("empty: %t", c.Empty())
	}
}

func checkUnion(t *testing.T, a, b map[string]string, u *snapshot.Set) {
	t.Helper()
	want := map[string]string{}
	for _, m := range []map[string]string{b, a} {
		maps.Copy(want, m)
	}
	var entries []string
	for name, version := range want {
		entries = append(entries, name+"="+version)
	}
	if s := set(entries...); versions(u) != versions(s) || u.Version != s.Version {
		t.Fatalf("union %s (%s), want %s (%s)", versions(u), u.Version, versions(s), s.Version)
	}
}

// A set that a client claims may have entries without a version of ours; without a version of its own it is not
// remembered.
func TestSetsWithoutVersion(t *testing.T) {
	to := set("a=1")
	claimed := &snapshot.Set{Type: snapshot.CDS, Entries: []*snapshot.Entry{{Name: "a", Version: "1"}, {Name: "b"}}}
	if c := snapshot.Diff(claimed, to); len(c.Changed) != 0 || !slices.Equal(c.Removed, []string{"b"}) || c == snapshot.Diff(claimed, to) {
		t.Errorf("diff %v", c)
	}
	if got := versions(snapshot.Union(to, claimed)); got != "a=1 b=" {
		t.Errorf("union %s", got)
	}
}

// What was diffed against is not kept alive by the answer, nor by the set that remembers it.
func TestDiffForgetsTheOldSet(t *testing.T) {
	to := set("a=1")
	c, gone := diffFrom(set("a=0", "b=0"), to)
	for range 10 {
		runtime.GC()
		if gone.Value() == nil {
			break
		}
	}
	if gone.Value() != nil {
		t.Error("the old set is still there")
	}
	runtime.KeepAlive(to)
	runtime.KeepAlive(c)
}

// diffFrom is the encoded change from a set, and a pointer that tells whether that is still there.
func diffFrom(from, to *snapshot.Set) (*snapshot.Change, weak.Pointer[snapshot.Set]) {
	c := snapshot.Diff(from, to)
	c.Body()
	return c, weak.Make(from)
}

// Sets that clients make up must not fill the memory of the set that they are compared with.
func TestMemoIsBounded(t *testing.T) {
	to := set("a=1")
	for i := range 200 {
		snapshot.Diff(set(fmt.Sprintf("a=x%d", i)), to)
	}
	if a, b := set("a=last"), set("a=last"); snapshot.Diff(a, to) == snapshot.Diff(b, to) {
		t.Error("the 201st answer is remembered")
	}
	if first := snapshot.Diff(set("a=x0"), to); snapshot.Diff(set("a=x0"), to) != first {
		t.Error("the first answer is forgotten")
	}
}
