package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// shape is what may stand in a mapping: the keys that the tags of a struct declare. One field, one key:
//
//	Idle Duration `yaml:"idle,main" default:"60s" range:"1s..32767s" only:"tcp" none:"tcp"`
//
// `yaml` is the key, "timeouts.connect" a key inside of another; with "main" it is what a value that is no mapping
// stands for; "inline" takes the keys of a struct as if they stood here, where they do not stand already.
// `default` is what an absent key means, as it would be written; `default_udp` the same where the protocol is UDP.
// `range` bounds numbers and durations. `only` is the protocol on which the key has an effect, `none` the one on which
// it may be turned off. `required` marks what cannot be absent.
type shape struct {
	typ   reflect.Type
	keys  []*key
	index map[string]*key
	main  *key
}

// key is one key of a shape.
type key struct {
	name  string
	field reflect.StructField
	// path leads to the field, from the struct of the outermost shape.
	path []int
	// table holds the keys inside of this one, where they fill the same struct. Then there is no field.
	table *shape

	fallback, fallbackUDP string
	bounds                bounds
	only, none            Protocol
	// instead is the key that cannot stand beside this one.
	instead  string
	required bool
}

// shapes caches them by type.
var shapes sync.Map

// shapeOf is the shape of a struct type. A tag that makes no sense is our own mistake, and panics.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := newShape(t)
	s.collect(t, nil, "")
	shapes.Store(t, s)
	return s
}

func newShape(t reflect.Type) *shape {
	return &shape{typ: t, index: map[string]*key{}}
}

// collect adds the keys of t, whose fields are reached by path.
func (s *shape) collect(t reflect.Type, path []int, without string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("yaml")
		name, option, _ := strings.Cut(tag, ",")
		if !ok || name != "" && name == without {
			continue
		}
		at := append(path[:len(path):len(path)], i)
		switch {
		case option == "inline":
			s.collect(f.Type, at, f.Tag.Get("without"))
		case isTable(f.Type):
			s.table(name).collect(f.Type, at, "")
		default:
			owner, last := s.walk(name)
			owner.add(last, f, at, option == "main")
		}
	}
}

// isTable reports whether the keys of t fill the struct around it.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(formedType)
}

// walk makes the tables in front of the last part of a name with dots.
func (s *shape) walk(name string) (owner *shape, last string) {
	for {
		first, rest, nested := strings.Cut(name, ".")
		if !nested {
			return s, name
		}
		s, name = s.table(first), rest
	}
}

// table is the shape behind a key that has no field of its own.
func (s *shape) table(name string) *shape {
	if k, ok := s.index[name]; ok {
		return k.table
	}
	k := &key{name: name, table: newShape(s.typ)}
	s.keys = append(s.keys, k)
	s.index[name] = k
	return k.table
}

func (s *shape) add(name string, f reflect.StructField, path []int, main bool) {
	if _, ok := s.index[name]; ok {
		return // the client's side stands first: `keepalive` on a listener is not that of its backend
	}
	k := &key{
		name:        name,
		field:       f,
		path:        path,
		fallback:    f.Tag.Get("default"),
		fallbackUDP: f.Tag.Get("default_udp"),
		bounds:      parseBounds(f.Tag.Get("range")),
		only:        Protocol(f.Tag.Get("only")),
		none:        Protocol(f.Tag.Get("none")),
		instead:     f.Tag.Get("instead"),
		required:    f.Tag.Get("required") == "true",
	}
	s.keys = append(s.keys, k)
	s.index[name] = k
	if main {
		s.main = k
	}
}

// names are the known keys, in the order in which they are declared.
func (s *shape) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// defaultFor is what an absent key means, as it would be written.
func (k *key) defaultFor(p Protocol) string {
	if p == UDP && k.fallbackUDP != "" {
		return k.fallbackUDP
	}
	return k.fallback
}

// bounds are the limits of a number or a duration, as written in a tag; the zero bounds are none.
type bounds struct {
	low, high string
}

func parseBounds(tag string) bounds {
	if tag == "" {
		return bounds{}
	}
	low, high, ok := strings.Cut(tag, "..")
	if !ok {
		panic(fmt.Sprintf("config: range %q has no dots", tag))
	}
	return bounds{low, high}
}

// String is b as people write it.
func (b bounds) String() string { return b.low + ".." + b.high }

// allowDuration reports whether d is within b.
func (b bounds) allowDuration(d Duration) bool {
	return b == bounds{} || d >= must(parseDuration(b.low)) && (b.high == "" || d <= must(parseDuration(b.high)))
}

// allowNumber reports whether n is within b.
func (b bounds) allowNumber(n int64) bool {
	return b == bounds{} || n >= must(strconv.ParseInt(b.low, 10, 64)) && (b.high == "" || n <= must(strconv.ParseInt(b.high, 10, 64)))
}

// must is for what our own tags say.
func must[T any](v T, err error) T {
	if err != nil {
		panic("config: in a tag: " + err.Error())
	}
	return v
}
