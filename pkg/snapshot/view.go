package snapshot

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// audience is whom some listeners are for, and what these need of them.
type audience struct {
	selector config.Selector
	needs    translate.Needs
	// key is a text that only like audiences share.
	key string
}

// addAudience is the index of a, whose key is not set yet, in g.audiences; indices are those known so far, by key.
func (g *Generation) addAudience(a audience, indices map[string]int) int {
	a.key = selectorKey(a.selector)
	if a.needs != 0 {
		a.key += "/needs" + strconv.Itoa(int(a.needs))
	}
	i, ok := indices[a.key]
	if !ok {
		i = len(g.audiences)
		indices[a.key] = i
		g.audiences = append(g.audiences, a)
	}
	return i
}

// selectorKey is a text that only selectors written alike share.
func selectorKey(s config.Selector) string {
	if len(s.Terms) == 0 {
		return "" // the common case: every node
	}
	d := newDigest()
	for _, t := range s.Terms {
		d.add("term", t.ID, t.Cluster, t.Zone)
		for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
			d.add("metadata", key, t.Metadata[key])
		}
	}
	return d.version()
}

// View is what n is given, which lacks some of what listeners may need. Nodes that belong to the same audiences share one
// view; views of different generations share the sets that did not change. The first call for a kind of node makes the
// view, every further one finds it.
func (g *Generation) View(n config.Node, lacks translate.Needs) *View {
	member := g.memberships(n, lacks)
	g.viewsMu.Lock()
	view, ok := g.views[member]
	if !ok {
		view = sync.OnceValue(func() *View { return g.newView(member) })
		g.views[member] = view
	}
	g.viewsMu.Unlock()
	return view() // outside the lock: nodes of other kinds do not wait for this one
}

// notMember is the mark of an audience to which a node does not belong. The mark of any other says what the node lacks of
// what the audience needs: nothing, if it is a member.
const (
	notMember = 0xFF
	member    = 0
)

// memberships says for each audience, by one byte, whether n belongs to it. What nobody needs makes no difference.
func (g *Generation) memberships(n config.Node, lacks translate.Needs) string {
	marks := make([]byte, len(g.audiences))
	for i, a := range g.audiences {
		marks[i] = notMember
		if a.selector.Match(n) {
			marks[i] = byte(a.needs & lacks)
		}
	}
	return string(marks)
}

// newView gathers what nodes with these memberships are given: their listeners, and all that these refer to.
func (g *Generation) newView(memberships string) *View {
	given := make([]bool, len(g.items))
	v := &View{Key: g.viewKey(memberships)}
	for i, it := range g.items {
		if it.audience < 0 {
			continue
		}
		switch mark := memberships[it.audience]; mark {
		case notMember:
		case member:
			g.follow(i, given)
		default:
			v.withheld = append(v.withheld, withheld{item: it, lacks: translate.Needs(mark)})
		}
	}
	for i, it := range g.items {
		if given[i] {
			v.items = append(v.items, it)
		}
	}
	for t, entries := range entriesOf(v.items) {
		v.Sets[t] = g.sets.intern(NewSet(Type(t), entries))
	}
	return v
}

// follow marks the item i and everything that it refers to.
func (g *Generation) follow(i int, given []bool) {
	if given[i] {
		return
	}
	given[i] = true
	for _, ref := range g.items[i].refs {
		g.follow(ref, given)
	}
}

// entriesOf is the entries of a view's items. Clusters come before the assignments that they wait for, so that the
// versions of the former can go into those of the latter.
func entriesOf(items []*item) [NumTypes][]*Entry {
	var entries [NumTypes][]*Entry
	clusters := make(map[string][]string) // versions, by the assignment that is named
	for _, it := range items {
		e := it.entry
		switch it.typ {
		case CDS:
			clusters[e.Service] = append(clusters[e.Service], e.Version)
		case EDS:
			e = assignment(e, clusters[e.Name])
		default:
		}
		entries[it.typ] = append(entries[it.typ], e)
	}
	return entries
}

// assignment is the endpoint assignment e with a version that also covers the clusters that name it. After a change of
// such a cluster the assignment then goes out again, as an ordinary change: Envoy does not ask for it, and without it
// the cluster warms for 15 s.
func assignment(e *Entry, clusterVersions []string) *Entry {
	d := newDigest()
	d.add(e.Version)
	d.add(clusterVersions...)
	return &Entry{Name: e.Name, Version: d.version(), Wire: e.Wire}
}

// viewKey is the same for the same selectors, in whatever order the generation has them.
func (g *Generation) viewKey(memberships string) string {
	var keys []string
	for i, a := range g.audiences {
		if memberships[i] == member {
			keys = append(keys, a.key)
		}
	}
	slices.Sort(keys)
	d := newDigest()
	d.add(keys...)
	return d.version()
}
