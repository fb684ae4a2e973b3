package config

import (
	"reflect"
	"slices"
)

// memory is what the next Load can take over: the stanzas of a Config by their text.
//
// A stanza means what its text says, under what `groups:`, `defaults:` and `tunnels:` say; backends are joined to it by
// name. So the same text under the same common means the same listeners, but for the backends and tunnels, which are
// looked up again.
type memory struct {
	// common is a hash of the text of all that is not divided: it may concern every stanza.
	common string
	// stanzas are keyed by their section and their text.
	stanzas map[string]map[string]*memo
	// tunnels are keyed by name.
	tunnels map[string]*Tunnel
}

// memo is what one stanza was read to mean. It is never changed, and shared by one Config and the next.
type memo struct {
	text string
	// values is how many values the text holds.
	values int
	evidence

	// listeners are those of a stanza of `listeners:`. It names these groups, and has these clusters of its own.
	listeners        []*Listener
	groups, clusters []string

	// backend is that of a stanza of `backends:`, for these protocols; far is whether it is the far ends of a tunnel, too.
	backend *Backend
	uses    protocols
	far     bool
}

// divided reports whether the stanzas of a section are remembered one by one.
func divided(section string) bool { return section == "listeners" || section == "backends" }

// pieces reads doc piece by piece, but for what is remembered. It reports false where it has to be read as a whole; the
// value is nil where it was said why there is none.
func (l *loader) pieces(doc *document) (*value, bool) {
	sections := divide(doc.text)
	l.recall(sections)
	if sections != nil {
		if root, ok := parsePieces(doc, sections, l.report); ok {
			for _, c := range sections {
				if !divided(c.name) {
					l.common.Write(c.text) // a hash never fails
					l.common.Write([]byte{0})
				}
			}
			return root, true
		}
	}
	l.common.Write(doc.text)
	l.common.Write([]byte{0})
	return nil, false
}

// recall finds the stanzas that the former Load knew.
func (l *loader) recall(sections []*chunk) {
	if l.before == nil {
		return
	}
	for _, section := range sections {
		for _, c := range section.stanzas {
			if m := l.before.stanzas[section.name][string(c.text)]; m != nil && m.holds(l.disk.src) {
				c.known = m
			}
		}
	}
}

// memo is what v was read to mean by the former Load; nil if that is not known.
func (v *value) memo() *memo {
	if v.chunk == nil {
		return nil
	}
	return v.chunk.known
}

// begin notes that a stanza is read from here on. It returns how many messages there are so far.
func (l *loader) begin() int {
	l.disk.evidence = evidence{}
	return len(l.report.list)
}

// remember keeps what v, a stanza of section, was read to mean, for the next Load. There were before messages when its
// reading began: what is said of a stanza has to be said again.
func (l *loader) remember(section string, v *value, before int, m memo) {
	if v.chunk == nil || len(l.report.list) > before {
		return // it stands in no piece of its own, or there is something to say
	}
	m.text, m.values, m.evidence = string(v.chunk.text), v.chunk.values, l.disk.evidence
	l.keep(section, &m)
}

func (l *loader) keep(section string, m *memo) {
	if l.kept[section] == nil {
		l.kept[section] = make(map[string]*memo, len(l.named[section]))
	}
	l.kept[section][m.text] = m
}

// takeOver makes the listeners of a stanza that is known.
func (l *loader) takeOver(p pair, m *memo) []*Listener {
	for _, name := range m.groups {
		l.groups[name].used = true
	}
	for _, cluster := range m.clusters {
		l.claim(cluster, p.key)
	}
	made := slices.Clone(m.listeners)
	for i, listener := range made {
		made[i] = l.relink(p, listener)
	}
	if !slices.Equal(made, m.listeners) {
		renewed := *m
		renewed.listeners = made
		m = &renewed
	}
	l.keep("listeners", m)
	return made
}

// relink is a listener of p that is known, with the backends as they are now: itself where they are the same.
func (l *loader) relink(p pair, known *Listener) *Listener {
	made := known
	for i, route := range known.Routes {
		backends, ok := l.use(p, known, route)
		if !ok {
			l.unsure = true
			return known
		}
		now := route.link(backends)
		if route.Via != nil && !route.Via.inline() {
			now = route.carry(l.tunnels[route.Via.Name].Tunnel)
		}
		if now != route {
			if made == known {
				made = known.clone()
			}
			made.Routes[i] = now
		}
		if route.To.Split {
			l.targets = append(l.targets, &linked{&made.Routes[i].To, p.key, known.Protocol, backends})
		}
	}
	return made
}

// use notes that a route of a listener that is known goes to the backends that it names. It returns one for each part,
// nil for what stands inline, and reports whether all of them are there.
func (l *loader) use(p pair, known *Listener, route *Route) ([]*backend, bool) {
	if route.Via != nil && route.Via.inline() {
		return nil, l.same(route.Via)
	}
	if route.Via != nil {
		t := l.tunnels[route.Via.Name]
		if t != nil {
			t.use(known.Protocol, route, p.key)
		}
		return nil, t != nil
	}
	backends := make([]*backend, len(route.To.Parts))
	for i, part := range route.To.Parts {
		if part.Backend.Name == "" {
			continue
		}
		b := l.backends[part.Backend.Name]
		if b == nil {
			return nil, false
		}
		b.users = append(b.users, user{at: p.key, listener: known.Name, protocol: known.Protocol})
		backends[i] = b
	}
	return backends, true
}

// same reports whether the far ends of t stand in the stanza that t is used in, or are the backend of their name as before.
// It notes the use.
func (l *loader) same(t *Tunnel) bool {
	b := t.Proxy
	if b.Name == "" {
		return true
	}
	named := l.backends[b.Name]
	if named == nil || named.Backend != b {
		return false
	}
	named.users = append(named.users, user{tunnel: t.Name, protocol: TCP})
	return true
}

// link is r with these backends, itself if it has them already.
func (r *Route) link(backends []*backend) *Route {
	made := r
	for i, b := range backends {
		if b == nil || b.Backend == r.To.Parts[i].Backend {
			continue
		}
		if made == r {
			copied := *r
			copied.To.Parts = slices.Clone(r.To.Parts)
			made = &copied
		}
		made.To.Parts[i].Backend = b.Backend
	}
	return made
}

// carry is r through t, itself if it goes there already.
func (r *Route) carry(t *Tunnel) *Route {
	if r.Via == t {
		return r
	}
	made := *r
	made.Via, made.To = t, t.target()
	return &made
}

// known is t with the tunnel of the former Load if that is the same, so that the listeners that go through it are.
func (l *loader) known(t *tunnel) *tunnel {
	if l.before == nil {
		return t
	}
	if former := l.before.tunnels[t.Name]; former != nil && reflect.DeepEqual(former, t.Tunnel) {
		t.Tunnel = former
	}
	return t
}

// clone is l with a list of routes of its own.
func (l *Listener) clone() *Listener {
	made := *l
	made.Routes = slices.Clone(l.Routes)
	return &made
}

// forgotten reports whether the former Load is of no use: what concerns all stanzas is new, or something is wrong that
// only a reading of everything can say.
func (l *loader) forgotten() bool {
	return l.before != nil && (l.unsure || l.before.common != string(l.common.Sum(nil)))
}

// memory is what the next Load can take over.
func (l *loader) memory() *memory {
	tunnels := make(map[string]*Tunnel, len(l.tunnels))
	for name, t := range l.tunnels {
		tunnels[name] = t.Tunnel
	}
	return &memory{common: string(l.common.Sum(nil)), stanzas: l.kept, tunnels: tunnels}
}
