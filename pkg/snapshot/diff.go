package snapshot

import "strings"

// Change is what turns one set into another, for the delta variant. It is immutable, and must not be copied.
type Change struct {
	Type Type
	// Version is that of the set it leads to.
	Version string
	// Changed are the entries that are new or have another version, Removed the names that are gone; both sorted.
	Changed []*Entry
	Removed []string

	body body
}

// Empty reports whether there is nothing to change.
func (c *Change) Empty() bool {
	return len(c.Changed) == 0 && len(c.Removed) == 0
}

// Body is c as an encoded DeltaDiscoveryResponse without nonce and control plane, which the caller appends. It is
// encoded once; the bytes are shared and must not be changed.
func (c *Change) Body() []byte {
	return c.body.get(func() []byte { return EncodeDelta(c.Type, c.Version, c.Changed, c.Removed) })
}

// Diff is what turns from into to; a nil from is the empty set. Equal questions get the same answer, encoded once: it is
// remembered with to, and holds nothing of from.
func Diff(from, to *Set) *Change {
	if from == nil {
		from = &Set{Type: to.Type, Version: setVersion(nil)}
	}
	if from.Version == "" || to.Version == "" {
		return diff(from, to)
	}
	return to.diffs.get(from.Version, func() *Change { return diff(from, to) })
}

func diff(from, to *Set) *Change {
	c := &Change{Type: to.Type, Version: to.Version}
	walk(from.Entries, to.Entries, func(before, after *Entry) {
		switch {
		case after == nil:
			c.Removed = append(c.Removed, before.Name)
		case before == nil || before.Version != after.Version:
			c.Changed = append(c.Changed, after)
		}
	})
	return c
}

// Union is all entries of a and b; where both have a name, a's entry is in. A nil b is the empty set. The result is a
// itself if b adds no name.
func Union(a, b *Set) *Set {
	switch {
	case b == nil || a == b:
		return a
	case a.Version == "" || b.Version == "":
		return union(a, b)
	}
	return a.unions.get(b.Version, func() *Set { return union(a, b) })
}

func union(a, b *Set) *Set {
	entries := make([]*Entry, 0, len(a.Entries)+len(b.Entries))
	walk(a.Entries, b.Entries, func(first, second *Entry) {
		if first == nil {
			first = second
		}
		entries = append(entries, first)
	})
	if len(entries) == len(a.Entries) {
		return a
	}
	return &Set{Type: a.Type, Version: setVersion(entries), Entries: entries}
}

// walk visits the entries of two sorted lists by name. One side is nil where only the other has the name.
func walk(a, b []*Entry, visit func(a, b *Entry)) {
	for len(a) > 0 || len(b) > 0 {
		switch order := compareHeads(a, b); {
		case order < 0:
			visit(a[0], nil)
			a = a[1:]
		case order > 0:
			visit(nil, b[0])
			b = b[1:]
		default:
			visit(a[0], b[0])
			a, b = a[1:], b[1:]
		}
	}
}

// compareHeads says which of two lists, not both empty, has the smaller name first; an empty one comes last.
func compareHeads(a, b []*Entry) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return strings.Compare(a[0].Name, b[0].Name)
}
