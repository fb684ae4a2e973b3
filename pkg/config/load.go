package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"reflect"
	"slices"
)

// Load reads the files at paths, each a file, a directory of *.yaml and *.yml, or "-", as one configuration. It says
// all mistakes at once; the Config is nil if there is an error among them. What did not change since prev, which is nil
// for the first, is taken over from it, so that the cost is nearly that of the change; the outcome is the same.
func Load(src *Source, prev *Config, paths ...string) (*Config, Diagnostics) {
	if prev != nil && prev.memory != nil {
		// What is taken over has no values to point at: a mistake is found, but cannot be said well.
		if c, ds := newLoader(src, prev.memory).load(src, paths); c != nil {
			return c, ds
		}
	}
	return newLoader(src, nil).load(src, paths)
}

func newLoader(src *Source, before *memory) *loader {
	return &loader{
		decoder:  decoder{report: &report{}, disk: newDisk(src)},
		before:   before,
		sections: newSections(),
		bases:    map[string]Position{},
		groups:   map[string]*group{},
		backends: map[string]*backend{},
		tunnels:  map[string]*tunnel{},
		clusters: map[string]*value{},
		binds:    map[*Bind]*value{},
		headers:  map[*ProxyProtocol]*value{},
		unclear:  map[*Listener]bool{},
		common:   sha256.New(),
		kept:     map[string]map[string]*memo{},
	}
}

func (l *loader) load(src *Source, paths []string) (*Config, Diagnostics) {
	src.begin()
	l.read(src, paths)
	if l.forgotten() {
		return nil, nil
	}
	c := l.config()
	src.forget()
	ds := l.sorted()
	if ds.HasErrors() || l.forgotten() {
		return nil, ds
	}
	c.Files = src.Files()
	c.Hash = contentHash(src)
	c.memory = l.memory()
	return c, ds
}

// contentHash identifies the content of all files, whatever their names: the order is that of the content.
func contentHash(src *Source) string {
	var sums []string
	for _, path := range src.Files() {
		sums = append(sums, string(src.looks[path].sum[:]))
	}
	slices.Sort(sums)
	h := sha256.New()
	for _, s := range sums {
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// loader is what one Load knows besides the model that it makes.
type loader struct {
	decoder
	*sections
	bases    map[string]Position
	groups   map[string]*group
	backends map[string]*backend
	tunnels  map[string]*tunnel
	// near are all tunnels that are read and have far ends, those in listeners too.
	near []*tunnel
	// clusters are the targets that have a cluster of their own, by its name.
	clusters map[string]*value
	// binds are where the addresses of the listeners stand.
	binds map[*Bind]*value
	// listenerDefaults and backendDefaults are what `defaults:` says; nil where it says nothing.
	listenerDefaults, backendDefaults *value
	// headers are where the PROXY headers are written that this file has: the value nil for one of the defaults.
	headers map[*ProxyProtocol]*value
	// unclear are the listeners whose Audience lacks a group that is not known.
	unclear map[*Listener]bool
	// skipped is whether a stanza was not read as a whole, so that it may use what nothing else does.
	skipped bool
	// guessed counts the unknown names.
	guessed int
	// targets wait for the backends that they name.
	targets []*linked

	// before is what the former Load left to be taken over; nil if everything is to be read. unsure is whether
	// something is wrong about what was taken over, so that everything has to be.
	before *memory
	unsure bool
	// common and kept are for the next Load: see memory.
	common hash.Hash
	kept   map[string]map[string]*memo
}

// group is one of `groups:` while it is read.
type group struct {
	*Group
	key  *value
	used bool
}

// config makes the model of what the files say.
func (l *loader) config() *Config {
	c := &Config{bases: l.bases}
	l.checkDefaults()
	for _, p := range l.stanzas("groups") {
		c.Groups = append(c.Groups, l.group(p))
	}
	for _, p := range l.stanzas("backends") {
		l.backends[p.key.text] = newBackend(p)
	}
	for _, p := range l.stanzas("tunnels") {
		t := l.known(l.tunnel(p, "tunnels."+p.key.text))
		l.tunnels[t.Name] = t
		c.Tunnels = append(c.Tunnels, t.Tunnel)
	}
	for _, p := range l.stanzas("listeners") {
		c.Listeners = append(c.Listeners, l.stanza(p)...)
	}
	exits := l.exits(c.Tunnels)
	for _, name := range slices.Sorted(maps.Keys(l.backends)) {
		c.Backends = append(c.Backends, l.backend(l.backends[name]))
	}
	l.checkVersions()
	for _, e := range exits {
		e.checkDatagrams()
		c.Listeners = append(c.Listeners, l.bound(e)...)
	}
	slices.SortStableFunc(c.Listeners, func(a, b *Listener) int { return cmp.Compare(a.Name, b.Name) })
	l.checkTargets()
	l.checkPorts(c.Listeners)
	l.checkAddressless(c.Listeners)
	l.checkFamilies(c.Listeners)
	l.checkTold(c.Listeners)
	l.checkUnused()
	return c
}

// checkDefaults reads `defaults:` for its own sake: what no stanza needs is not to be wrong either.
func (l *loader) checkDefaults() {
	if l.defaults == nil {
		return
	}
	l.mapping(l.defaults, &defaults{})
	if at := l.defaults.get("listeners").get("source"); at != nil && ClientSource("").side(at) != nil {
		l.errorf(idBackendKey, at, "an address is for backends; write it in defaults.backends, or client here")
	}
	l.listenerDefaults = shapeOf(reflect.TypeFor[listenerDefaults]()).known(l.defaults.get("listeners"))
	l.backendDefaults = shapeOf(reflect.TypeFor[backendDefaults]()).known(l.defaults.get("backends"))
}

// stanzas are the entries of one of the maps by name, sorted; their names are checked and their places noted.
func (l *loader) stanzas(kind string) []pair {
	pairs := l.named[kind]
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.key.text, b.key.text) })
	for _, p := range pairs {
		l.checkName(p.key)
		l.bases[kind+"."+p.key.text] = Position{File: p.key.doc.path, Line: p.key.line, Column: p.key.column}
	}
	return pairs
}

// place is where v stands, relative to its stanza.
func (l *loader) place(stanza string, v *value) Place {
	return Place{Stanza: stanza, Line: v.line - l.bases[stanza].Line, Column: v.column}
}

func (l *loader) group(p pair) *Group {
	g := &Group{Name: p.key.text, At: l.place("groups."+p.key.text, p.key)}
	l.groups[g.Name] = &group{Group: g, key: p.key}
	var t Term
	if p.value.kind == mapping {
		t.decode(&l.decoder, p.value)
	} else {
		l.errorf(idKind, p.value, "%s where a map belongs; write it as {id: \"branch-*\"}", p.value.what())
	}
	g.Selector = Selector{Terms: []Term{t}}
	return g
}

// checkUnused warns of names that nothing refers to.
func (l *loader) checkUnused() {
	if l.partial || l.skipped {
		return
	}
	for _, b := range l.backends {
		if len(b.users) == 0 {
			l.warnf(idUnused, b.key, "no listener goes to this backend")
		}
	}
	for _, g := range l.groups {
		if !g.used {
			l.warnf(idUnused, g.key, "no listener is for this group")
		}
	}
}
