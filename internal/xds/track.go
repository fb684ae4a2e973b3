package xds

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// track is one type on one stream: what the client asked for, what it has, what it refused.
//
// Of every name that it wants, the client has the version that base has, except where differ says otherwise. So a
// stream holds a pointer to what it was sent, and its memory does not grow with the configuration.
type track struct {
	asked   bool
	askedAt time.Time
	// wild is whether the client wants all names, present and future; names are those that it wants by name.
	wild  bool
	named bool // whether names were ever given: from then on an empty list means none (state of the world)
	names map[string]struct{}

	base   *snapshot.Set
	differ map[string]string // name to version; "" is none, or not known

	// claims is whether the client came with content of this type from an earlier stream; version is that of the set.
	claims  bool
	version string
	// answered is whether the client was told something, or needs to be told nothing: a new client waits for an answer
	// even if there is nothing for it.
	answered bool

	// outs are the responses without an answer, oldest first: one, and for CDS rarely more.
	outs      []response
	lastNonce string
	// refused are the resources that must not be sent again.
	refused map[resourceVersion]verdict
	// maybe are the refused resources of which it is not known which version the client has, if any.
	maybe map[string]bool

	// refusing is whether something that the client should have is held back because it refused it; waiting is whether
	// something waits for its turn. Both are as of the last step.
	refusing, waiting bool
	sent, acked       string
	nack              *Nack
}

type resourceVersion struct{ name, version string }

// verdict is what is known of a resource in a response that was refused.
type verdict int

const (
	innocent verdict = iota
	// suspect: Envoy did not say which resource of the response it meant. Each is sent once more, alone.
	suspect
	// guilty: it was named, or alone.
	guilty
)

// response is what was sent, as long as it is not answered.
type response struct {
	nonce, version string
	sentAt         time.Time
	gen            *snapshot.Generation
	view           *snapshot.View
	change         *snapshot.Change
	// before is what the client may have had before, the newest first: one set, and one more for each response before it
	// that was not answered either.
	before []*snapshot.Set
	// alone is whether this is one suspect of an earlier refusal.
	alone bool
}

// wants reports whether the client asked for name.
func (t *track) wants(name string) bool {
	if t.wild {
		return true
	}
	_, ok := t.names[name]
	return ok
}

// has reports whether the client surely has just goal.
func (t *track) has(goal *snapshot.Set) bool {
	return t.base == goal && t.answered && len(t.differ) == 0 && len(t.maybe) == 0 && !t.refusesSomeOf(goal)
}

// unknown says that the client must be told of name, whatever it has.
func (t *track) unknown(name string) {
	if t.differ == nil {
		t.differ = make(map[string]string)
	}
	t.differ[name] = ""
}

// cameWith reports whether the client has just this set from an earlier stream.
func (t *track) cameWith(set *snapshot.Set) bool {
	return t.wild && t.claims && t.version == set.Version
}

// recognize takes note of a state-of-the-world client that has set, which it names by version only.
func (t *track) recognize(set *snapshot.Set) {
	if t.base == nil && t.cameWith(set) {
		t.claim(set)
	}
}

// claim takes note that the client has set from an earlier stream.
func (t *track) claim(set *snapshot.Set) {
	t.base = set
	t.sent, t.acked = set.Version, set.Version
}

// adopt makes goal what the client has.
func (t *track) adopt(goal *snapshot.Set) {
	t.base, t.answered = goal, true
	clear(t.differ)
}

// forgive forgets the last refusal once nothing of it stands.
func (t *track) forgive() {
	if !t.refusing && !t.waiting && len(t.outs) == 0 {
		t.nack = nil
	}
}

// renew makes everything new to the client, which asks for all after it asked for some. It is also told what is gone.
func (t *track) renew() {
	t.answered, t.claims = false, false
	if t.base == nil {
		return
	}
	for _, e := range t.base.Entries {
		t.unknown(e.Name)
	}
}

// pending is what the client lacks of goal.
func (t *track) pending(goal *snapshot.Set) *snapshot.Change {
	diff := snapshot.Diff(t.base, goal)
	if len(t.differ) == 0 && t.wantsAll(diff) {
		return diff
	}
	c := &snapshot.Change{Type: diff.Type, Version: diff.Version}
	for _, e := range diff.Changed {
		if _, known := t.differ[e.Name]; !known && t.wants(e.Name) {
			c.Changed = append(c.Changed, e)
		}
	}
	for _, name := range diff.Removed {
		if _, known := t.differ[name]; !known && t.wants(name) {
			c.Removed = append(c.Removed, name)
		}
	}
	for name, held := range t.differ {
		switch e := goal.Get(name); {
		case e == nil:
			c.Removed = append(c.Removed, name)
		case e.Version != held && len(e.Wire) > 0:
			c.Changed = append(c.Changed, e)
		}
	}
	slices.SortFunc(c.Changed, func(a, b *snapshot.Entry) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(c.Removed)
	return c
}

// wantsAll reports whether the client wants every name of c.
func (t *track) wantsAll(c *snapshot.Change) bool {
	if t.wild {
		return true
	}
	for _, e := range c.Changed {
		if !t.wants(e.Name) {
			return false
		}
	}
	for _, name := range c.Removed {
		if !t.wants(name) {
			return false
		}
	}
	return true
}

// nothingToSay reports whether the client needs no response to have goal.
func (t *track) nothingToSay(v Variant, c *snapshot.Change, goal *snapshot.Set) bool {
	if len(c.Changed) > 0 {
		return false
	}
	if t.wild && !t.answered && !t.cameWith(goal) {
		return false // a new client waits, even for an empty answer
	}
	if v == SotW && !fullState(goal.Type) {
		return true // absence is not deletion: there is no way to say that something is gone
	}
	return len(c.Removed) == 0
}

// fullState reports whether a state-of-the-world response of this type holds all resources, so that absence deletes.
func fullState(typ snapshot.Type) bool {
	return typ == snapshot.CDS || typ == snapshot.LDS
}

// body encodes a response. Bodies that are the same for all clients of a view are encoded once.
func (t *track) body(v Variant, typ snapshot.Type, goal *snapshot.Set, change *snapshot.Change) []byte {
	switch {
	case v == Delta:
		return change.Body()
	case !fullState(typ):
		return snapshot.EncodeSotW(typ, goal.Version, change.Changed)
	case t.wild:
		return goal.Body()
	}
	var wanted []*snapshot.Entry
	for _, e := range goal.Entries {
		if t.wants(e.Name) {
			wanted = append(wanted, e)
		}
	}
	return snapshot.EncodeSotW(typ, goal.Version, wanted)
}

// withoutRefused is goal with what the client has in place of what it refused; goal itself where that changes nothing.
func (t *track) withoutRefused(goal *snapshot.Set) *snapshot.Set {
	if !t.refusesSomeOf(goal) {
		return goal
	}
	entries := make([]*snapshot.Entry, 0, len(goal.Entries))
	for _, e := range goal.Entries {
		if t.verdict(e) != innocent {
			e = t.held(e.Name)
		}
		if e != nil {
			entries = append(entries, e)
		}
	}
	return snapshot.NewSet(goal.Type, entries)
}

// held is what the client has of name, nil if nothing.
func (t *track) held(name string) *snapshot.Entry {
	if t.base == nil {
		return nil
	}
	return t.base.Get(name)
}

// mustWait reports whether a full state cannot be told, because what it would have to leave out, the client may have in
// an older version: to leave it out would delete that. It ends when goal changes.
func (t *track) mustWait(goal *snapshot.Set) bool {
	amnesty := false
	for r, v := range t.refused {
		e := goal.Get(r.name)
		meant := e != nil && e.Version == r.version
		if meant && v == guilty && t.claims && t.held(r.name) == nil {
			return true
		}
		amnesty = amnesty || !meant && v == suspect
	}
	if !amnesty {
		return t.suspectIn(goal) != nil
	}
	// One of those that Envoy may have meant has changed: the others get another try together.
	maps.DeleteFunc(t.refused, func(_ resourceVersion, v verdict) bool { return v == suspect })
	for name := range t.maybe {
		t.unknown(name)
	}
	clear(t.maybe)
	return false
}

// verdict is what is known of e in just this version.
func (t *track) verdict(e *snapshot.Entry) verdict {
	return t.refused[resourceVersion{e.Name, e.Version}]
}

// refusesSomeOf reports whether goal holds something that was refused.
func (t *track) refusesSomeOf(goal *snapshot.Set) bool {
	for r := range t.refused {
		if e := goal.Get(r.name); e != nil && e.Version == r.version {
			return true
		}
	}
	return false
}

// suspectIn is the first suspect, by name, that goal holds and the client wants; nil if there is none.
func (t *track) suspectIn(goal *snapshot.Set) *snapshot.Entry {
	var first *snapshot.Entry
	for r, v := range t.refused {
		if v != suspect || !t.wants(r.name) || first != nil && r.name > first.Name {
			continue
		}
		if e := goal.Get(r.name); e != nil && e.Version == r.version {
			first = e
		}
	}
	return first
}
