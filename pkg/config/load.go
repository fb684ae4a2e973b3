package config

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
)

// Load reads the files at paths, each a file or a directory of *.yaml and *.yml, as one configuration. All mistakes
// are reported at once; the Config is nil if there is an error among them. prev is the Config that is in force, or
// nil; it does not change the outcome.
func Load(src *Source, prev *Config, paths ...string) (*Config, Diagnostics) {
	_ = prev // reserved: stanzas that did not change may then be taken over
	l := &loader{
		decoder:  decoder{report: &report{}},
		bases:    map[string]Position{},
		groups:   map[string]*Group{},
		backends: map[string]*named{},
	}
	root := l.read(src, paths)
	if root == nil || l.HasErrors() {
		return nil, l.sorted()
	}
	c := l.config(root)
	ds := l.sorted()
	if ds.HasErrors() {
		return nil, ds
	}
	c.Files = src.Files()
	c.Hash = src.Sum()
	return c, ds
}

// loader holds what one Load knows besides the model that it makes.
type loader struct {
	decoder
	bases    map[string]Position
	defaults struct{ listeners, backends *value }
	groups   map[string]*Group
	backends map[string]*named
}

// named is one backend of `backends:`.
type named struct {
	pair    pair
	backend *Backend
	used    bool
}

func (l *loader) HasErrors() bool { return Diagnostics(l.report.list).HasErrors() }

// read is the content of all files as one mapping; nil if there is none.
func (l *loader) read(src *Source, paths []string) *value {
	var root *value
	for _, path := range l.files(src, paths) {
		seen := src.look(path)
		doc := &document{path: path, text: seen.text}
		if seen.err != nil {
			l.unreadable(doc, seen.err)
			continue
		}
		v := parse(doc, l.report)
		if v == nil {
			continue
		}
		root = v
	}
	return root
}

func (l *loader) unreadable(doc *document, err error) {
	id := idUnreadable
	if err == errMissing {
		id = idMissing
	}
	l.fail(id, doc.whole(), "%s", err)
}

// files are the paths of the files behind paths.
func (l *loader) files(src *Source, paths []string) []string {
	var files []string
	for _, path := range paths {
		seen := src.look(path)
		if !seen.directory {
			files = append(files, path)
			continue
		}
		for _, name := range seen.names {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files
}

// config makes the model of what root says.
func (l *loader) config(root *value) *Config {
	c := &Config{bases: l.bases}
	l.defaults.listeners = root.get("defaults").get("listeners")
	l.defaults.backends = root.get("defaults").get("backends")
	for _, p := range l.stanzas(root, "backends") {
		l.backends[p.key.text] = &named{pair: p, backend: &Backend{Name: p.key.text, At: l.place("backends."+p.key.text, p.key)}}
	}
	for _, p := range l.stanzas(root, "groups") {
		c.Groups = append(c.Groups, l.group(p))
	}
	for _, p := range l.stanzas(root, "listeners") {
		c.Listeners = append(c.Listeners, l.listeners(p)...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.backends)) {
		c.Backends = append(c.Backends, l.named(l.backends[name]))
	}
	return c
}

// stanzas are the entries of one of the maps by name, sorted; their names are checked and their places noted.
func (l *loader) stanzas(root *value, kind string) []pair {
	all := root.get(kind)
	if all == nil {
		return nil
	}
	if all.kind != mapping {
		l.errorf(idKind, all, "%s is not a map by name", all.what())
		return nil
	}
	pairs := slices.SortedFunc(slices.Values(all.pairs), func(a, b pair) int { return cmp.Compare(a.key.text, b.key.text) })
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
	var t Term
	l.mapping(p.value, &t)
	g.Selector = Selector{Terms: []Term{t}}
	l.groups[g.Name] = g
	return g
}

func (l *loader) named(n *named) *Backend {
	b := n.backend
	at, name := b.At, b.Name
	l.backend(b, "backends."+name, overlay(shapeOf(backendType), l.defaults.backends, n.pair.value))
	b.At, b.Name = at, name
	return b
}

// backend fills b from v.
func (l *loader) backend(b *Backend, stanza string, v *value) {
	l.mapping(v, b)
	list := v.get("endpoints")
	if list == nil {
		return
	}
	b.EndpointsAt = l.place(stanza, list)
	for i, item := range list.elements() {
		b.Endpoints[i].At = l.place(stanza, item)
	}
}
