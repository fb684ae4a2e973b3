package config

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
)

// sections are what all files together say, before any of it is understood.
type sections struct {
	// named are the stanzas by the map that they stand in: listeners, backends, groups.
	named map[string][]pair
	// defaults is nil where there are none.
	defaults *value
	// partial is whether some file could not be read, so that nothing can be said of what is not there.
	partial bool

	names   map[string]*value // "listeners.db": the key
	singles map[string]*value // the keys that may stand in one file only
}

func newSections() *sections {
	return &sections{named: map[string][]pair{}, names: map[string]*value{}, singles: map[string]*value{}}
}

// read gathers the sections of all files.
func (l *loader) read(src *Source, paths []string) {
	files := l.files(src, paths)
	for _, path := range files {
		if root := l.parse(src, path); root != nil {
			l.merge(root)
		} else {
			l.partial = true
		}
	}
	switch ok := l.singles["listeners"] != nil || l.singles["tunnels"] != nil; {
	case len(paths) == 0:
		l.failFile(idMissing, ".", "nothing to read; no path was given")
	case !ok && !l.partial && l.unknown == 0 && len(files) > 0:
		l.failFile(idEmpty, files[0], "no listeners; to have none on purpose write listeners: {}")
	}
}

// files are the paths of the files behind paths, each once.
func (l *loader) files(src *Source, paths []string) []string {
	var files []string
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			files = append(files, path)
		}
		seen[path] = true
	}
	for _, path := range paths {
		look := src.look(path)
		switch {
		case !look.directory:
			add(path)
		case look.err != nil:
			l.unreadable(path, look.err)
		case len(look.names) == 0:
			l.failFile(idEmpty, path, "the directory holds no *.yaml or *.yml file")
		}
		for _, name := range look.names {
			add(filepath.Join(path, name))
		}
	}
	return files
}

// parse is the content of one file; nil after it was said why there is none.
func (l *loader) parse(src *Source, path string) *value {
	look := src.look(path)
	switch {
	case look.err != nil:
		l.unreadable(path, look.err)
		return nil
	case look.directory:
		l.unreadable(path, errInDirectory)
		return nil
	}
	doc := &document{path: path, text: look.text}
	if warning := src.mountWarning(path); warning != "" {
		l.add(Warning, idMounted, doc.whole(), "", warning)
	}
	if !doc.check(l.report) {
		return nil
	}
	if root, ok := l.pieces(doc); ok {
		return root
	}
	return parse(doc, l.report)
}

func (l *loader) unreadable(path string, err error) {
	id := idUnreadable
	switch {
	case errors.Is(err, errMissing), errors.Is(err, errDangling):
		id = idMissing
	case errors.Is(err, errChanging):
		id = idChanging
	}
	l.partial = true
	l.failFile(id, path, "%s", err)
}

// failFile says what is wrong with a file as a whole.
func (r *report) failFile(id id, path, format string, args ...any) {
	r.fail(id, (&document{path: path}).whole(), format, args...)
}

// merge adds what one file says.
func (l *loader) merge(root *value) {
	s := shapeOf(reflect.TypeFor[file]())
	if root.kind != mapping {
		l.errorf(idKind, root, "%s where a map belongs; its keys: %s", root.what(), strings.Join(s.names(), ", "))
		l.partial = true
		return
	}
	for _, p := range root.pairs {
		name := p.key.text
		k := s.index[name]
		switch {
		case strings.HasPrefix(name, "x-"):
		case k == nil:
			l.unknownKey(s.names(), p.key)
		case p.value.null():
			l.singles[name] = p.key
			l.noValue(p.key, "write {} for none")
		case k.table == nil && k.field.Type.Kind() == reflect.Map:
			l.singles[name] = p.key
			l.mergeStanzas(name, p.value)
		default:
			l.single(k, p)
		}
	}
}

// mergeStanzas adds the stanzas of one file. Names are global: one that stands in another file already is an error.
func (l *loader) mergeStanzas(kind string, v *value) {
	if v.kind != mapping {
		l.errorf(idKind, v, "%s where a map by name belongs", v.what())
		return
	}
	for _, p := range v.pairs {
		path := kind + "." + p.key.text
		first, taken := l.names[path]
		switch {
		case taken:
			l.errorf(idNameTwice, p.key, "the name stands twice; the first is at %s", first.position())
		case p.value.null():
			l.noValue(p.key, "write what it holds, or take it out")
			l.names[path] = p.key
		default:
			l.names[path] = p.key
			l.named[kind] = append(l.named[kind], p)
		}
	}
}

// single takes a key that may stand in one file only.
func (l *loader) single(k *key, p pair) {
	if first, taken := l.singles[k.name]; taken {
		l.errorf(idNameTwice, p.key, "may stand in one file only; the first is at %s", first.position())
		return
	}
	l.singles[k.name] = p.key
	if k.name == "defaults" {
		l.defaults = p.value
		return
	}
	if n, err := parseNumber(p.value.text); p.value.kind != scalar || err != nil || n != 1 {
		l.errorf(idVersion, p.value, "%s is not a known version; write 1", p.value.what())
	}
}
