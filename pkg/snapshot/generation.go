package snapshot

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// Generation is everything that one configuration serves. It is immutable, but for the views and bytes that it makes
// when they are first asked for, and safe for concurrent use.
type Generation struct {
	// ID counts the generations of one run of the daemon, from 1.
	ID uint64
	// Hash identifies what is served and to whom: equal on every machine that was given the same files.
	Hash string
	// Config is what the generation was made from.
	Config *config.Config

	// items are sorted by type and name.
	items []*item
	// audiences are the different selectors of the listeners; item.audience is an index into them.
	audiences []audience
	// sets are shared by all generations of one chain of Build.
	sets *pool

	viewsMu sync.Mutex
	// views are keyed by the audiences that a node belongs to.
	views map[string]func() *View
}

// item is one resource of a generation.
type item struct {
	typ      Type
	resource *translate.Resource
	// entry is the encoded resource. The version of an endpoint assignment's covers its content only; views add the rest.
	entry *Entry
	// audience is the index of a listener's selector; -1 for other types.
	audience int
	// refs are the indices of the items that this one names.
	refs []int
}

// Build makes the generation that follows prev, which is nil for the first. What did not change is taken over from prev,
// so that the cost is that of the change; the result is the same as without it.
// An error means that the resources contradict each other, which no file can cause.
func Build(r *translate.Resources, prev *Generation) (*Generation, error) {
	g := &Generation{ID: 1, Config: r.Config, sets: newPool(), views: make(map[string]func() *View)}
	if prev != nil {
		g.ID, g.sets = prev.ID+1, prev.sets
	}
	if err := g.addItems(r.List, prev); err != nil {
		return nil, err
	}
	if err := g.checkNames(); err != nil {
		return nil, err
	}
	if err := g.resolveRefs(); err != nil {
		return nil, err
	}
	g.Hash = g.hash()
	return g, nil
}

// Count is how many resources of type t there are, over all views.
func (g *Generation) Count(t Type) int {
	n := 0
	for _, it := range g.items {
		if it.typ == t {
			n++
		}
	}
	return n
}

// Positions is where the resource of that type and name in v, a view of g, stands in the files, the most telling place
// first. It is empty if v has no such resource.
func (g *Generation) Positions(v *View, t Type, name string) []config.Position {
	var list []config.Position
	for _, it := range find(v.items, t, name) {
		list = append(list, g.positions(it)...)
	}
	return list
}

// Withheld are the listeners that the nodes of v, a view of g, are not given, although they are for them: one entry for
// each thing that they lack, because each has its own cure.
func (g *Generation) Withheld(v *View) []Withheld {
	var list []Withheld
	for _, w := range v.withheld {
		for _, reason := range w.lacks.Words() {
			list = append(list, Withheld{w.item.entry.Name, reason, g.positions(w.item)})
		}
	}
	return list
}

func (g *Generation) positions(it *item) []config.Position {
	var list []config.Position
	for _, place := range it.resource.Origins {
		list = append(list, g.Config.Position(place))
	}
	return list
}

func (g *Generation) addItems(list []*translate.Resource, prev *Generation) error {
	g.items = make([]*item, len(list))
	indices := make(map[string]int)
	for i, r := range list {
		t, ok := TypeOf(r.Type)
		if !ok {
			return fmt.Errorf("resource %q: type %s is not served", r.Name, r.Type)
		}
		entry, err := newEntry(t, r, prev)
		if err != nil {
			return fmt.Errorf("%s %q: %w", t, r.Name, err)
		}
		g.items[i] = &item{typ: t, resource: r, entry: entry, audience: -1}
		if t == LDS {
			g.items[i].audience = g.addAudience(audience{selector: r.Audience, needs: r.Needs}, indices)
		}
	}
	slices.SortStableFunc(g.items, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), strings.Compare(a.entry.Name, b.entry.Name))
	})
	return nil
}

// newEntry encodes r, or finds it in prev: by identity, which spares the encoding, or by content.
func newEntry(t Type, r *translate.Resource, prev *Generation) (*Entry, error) {
	var before []*item
	if prev != nil {
		before = find(prev.items, t, r.Name)
	}
	for _, it := range before {
		if it.resource.Msg == r.Msg {
			return it.entry, nil
		}
	}
	wire, err := encodeAny(t.URL(), r.Msg)
	if err != nil {
		return nil, err
	}
	for _, it := range before {
		if bytes.Equal(it.entry.Wire, wire) {
			return it.entry, nil
		}
	}
	return &Entry{Name: r.Name, Version: contentVersion(wire), Wire: wire, Frozen: frozen(t, r.Name), Service: service(r)}, nil
}

// Held is an entry of a type that a client says it has, in this version.
func Held(t Type, name, version string) *Entry {
	return &Entry{Name: name, Version: version, Frozen: frozen(t, name)}
}

// frozen reports whether the resource of that type and name must not be taken from a client.
func frozen(t Type, name string) bool { return t == CDS && translate.Frozen(name) }

// service is the name of the endpoint assignment that r refers to, empty if there is none.
func service(r *translate.Resource) string {
	for _, ref := range r.Refs {
		if ref.Type == EDS.URL() {
			return ref.Name
		}
	}
	return ""
}

// checkNames makes sure that no node can be given two resources of one type and name: Envoy would keep one of them, or
// refuse both.
func (g *Generation) checkNames() error {
	for i, a := range g.items {
		for _, b := range g.items[i+1:] {
			if b.typ != a.typ || b.entry.Name != a.entry.Name {
				break
			}
			if a.resource.Audience.Meets(b.resource.Audience) {
				return fmt.Errorf("two %s resources are named %q", a.typ, a.entry.Name)
			}
		}
	}
	return nil
}

// resolveRefs makes sure that everything that is named exists: Envoy accepts a listener without its cluster, and then
// closes every connection.
func (g *Generation) resolveRefs() error {
	for _, it := range g.items {
		for _, ref := range it.resource.Refs {
			t, _ := TypeOf(ref.Type) // a type that is not served finds nothing
			i, ok := search(g.items, t, ref.Name)
			if !ok {
				return fmt.Errorf("%s %q names %s %q, which does not exist", it.typ, it.entry.Name, ref.Type, ref.Name)
			}
			it.refs = append(it.refs, i)
		}
	}
	return nil
}

func (g *Generation) hash() string {
	d := newDigest()
	for _, it := range g.items {
		d.add(it.typ.String(), it.entry.Name, it.entry.Version)
		if it.audience >= 0 {
			d.add(g.audiences[it.audience].key)
		}
	}
	return d.version()
}

// find is all items of that type and name; several listeners may share a name if no node is given two of them.
func find(items []*item, t Type, name string) []*item {
	from, _ := search(items, t, name)
	to := from
	for to < len(items) && items[to].typ == t && items[to].entry.Name == name {
		to++
	}
	return items[from:to]
}

// search is the index of the first item of that type and name, or of where it would stand.
func search(items []*item, t Type, name string) (int, bool) {
	return slices.BinarySearchFunc(items, name, func(it *item, name string) int {
		return cmp.Or(cmp.Compare(it.typ, t), strings.Compare(it.entry.Name, name))
	})
}
