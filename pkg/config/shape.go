package config

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// shape is what may stand in a mapping: the keys that the tags of a struct declare. One field, one key:
//
//	Idle Duration `yaml:"idle,main" default:"60s" range:"1s..32767s" step:"1s"`
//
// The tags are:
//
//	yaml      the key; "timeouts.connect" is a key inside of another. With "main" it is what a value that is no mapping
//	          stands for; "inline" takes the keys of a struct as if they stood here, but for those that do already.
//	without   on an inline struct: the keys of it, also of what is inline in it, that are left out, with commas between them.
//	default   what an absent key means, as it would be written; default_udp the same where the protocol is UDP.
//	range     the bounds of a number or a duration, step what a duration must be a multiple of.
//	pattern   a regular expression for a text, hint what it asks for in words.
//	only      the one protocol on which the key has an effect.
//	hard      "true", with only: to be without the key would be wrong on the other protocol, rather than of no effect.
//	because   why the other protocol cannot have it, for the message.
//	none      the one protocol on which a duration may be turned off, or "any".
//	instead   the key that cannot stand beside this one.
//	with      the key that this one belongs to: where a default of the former is replaced, that of this one is taken away.
//	required  "true": the key cannot be absent.
type shape struct {
	typ   reflect.Type
	keys  []*key // in the order in which they are declared
	index map[string]*key
	main  *key
	// templates are structs of the type with every default set, by protocol. Their blocks are shared, never changed.
	templates sync.Map
}

// key is one key of a shape.
type key struct {
	name string
	// owner is the type that declares it.
	owner reflect.Type
	field reflect.StructField
	// path leads to the field, from the struct of the outermost shape.
	path []int
	// table holds the keys inside of this one, where they fill the same struct. The field, if any, is then for its comment.
	table *shape

	fallback, fallbackUDP string
	bounds                bounds
	step                  Duration
	pattern               *regexp.Regexp
	hint                  string
	only, none            Protocol
	hard                  bool
	because               string
	instead, with         string
	required              bool
}

// shapes caches the shapes by type.
var shapes sync.Map

// shapeOf is the shape of a struct type. A tag that makes no sense is our own mistake, and panics.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := newShape(t)
	s.collect(t, nil, "")
	cached, _ := shapes.LoadOrStore(t, s)
	return cached.(*shape)
}

func newShape(t reflect.Type) *shape {
	return &shape{typ: t, index: map[string]*key{}}
}

// collect adds the keys of t, whose fields are reached by path, but for some.
func (s *shape) collect(t reflect.Type, path []int, without string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		at := append(slices.Clip(path), i)
		switch {
		case option == "inline":
			s.collect(f.Type, at, without+","+f.Tag.Get("without"))
		case name == "" || slices.Contains(strings.Split(without, ","), name):
		case isTable(f.Type):
			s.inner(name, t, f).collect(f.Type, at, "")
		default:
			owner, last := s, name
			if first, rest, nested := strings.Cut(name, "."); nested {
				owner, last = s.inner(first, nil, reflect.StructField{}), rest
			}
			owner.add(newKey(last, t, f, at), option == "main")
		}
	}
}

// isTable reports whether the keys of t fill the struct around it.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(formedType)
}

// inner is the shape behind a key whose own keys fill the same struct. It may be declared as a field, or only by names
// with dots.
func (s *shape) inner(name string, owner reflect.Type, f reflect.StructField) *shape {
	k, ok := s.index[name]
	if !ok {
		k = &key{name: name, owner: owner, field: f, table: newShape(s.typ)}
		s.add(k, false)
	}
	return k.table
}

// add adds k, unless its name is taken: on a listener the client's side stands first, and `keepalive` is not that of
// its backend.
func (s *shape) add(k *key, main bool) {
	if _, ok := s.index[k.name]; ok {
		return
	}
	s.keys = append(s.keys, k)
	s.index[k.name] = k
	if main {
		s.main = k
	}
}

func newKey(name string, owner reflect.Type, f reflect.StructField, path []int) *key {
	k := &key{
		name:        name,
		owner:       owner,
		field:       f,
		path:        path,
		fallback:    f.Tag.Get("default"),
		fallbackUDP: f.Tag.Get("default_udp"),
		hint:        f.Tag.Get("hint"),
		only:        Protocol(f.Tag.Get("only")),
		none:        Protocol(f.Tag.Get("none")),
		hard:        f.Tag.Get("hard") == "true",
		because:     f.Tag.Get("because"),
		instead:     f.Tag.Get("instead"),
		with:        f.Tag.Get("with"),
		required:    f.Tag.Get("required") == "true",
	}
	k.bounds.low, k.bounds.high, _ = strings.Cut(f.Tag.Get("range"), "..")
	if step := f.Tag.Get("step"); step != "" {
		k.step = must(parseDuration(step))
	}
	if pattern := f.Tag.Get("pattern"); pattern != "" {
		k.pattern = regexp.MustCompile(pattern)
	}
	return k
}

// names are the known keys, in the order in which they are declared.
func (s *shape) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// defaultFor is what an absent key means, as it would be written; empty where nothing is meant.
func (k *key) defaultFor(p Protocol) string {
	if p == UDP && k.fallbackUDP != "" {
		return k.fallbackUDP
	}
	return k.fallback
}

// bounds are the limits of a number or a duration as they are written; the zero bounds are none.
type bounds struct {
	low, high string
}

// String is b as people write it.
func (b bounds) String() string { return b.low + ".." + b.high }

// allowDuration reports whether d is within b.
func (b bounds) allowDuration(d Duration) bool {
	return b == bounds{} || must(parseDuration(b.low)) <= d && d <= must(parseDuration(b.high))
}

// allowSize reports whether s is within b.
func (b bounds) allowSize(s Size) bool {
	return b == bounds{} || must(parseSize(b.low)) <= s && s <= must(parseSize(b.high))
}

// allowNumber reports whether n is within b.
func (b bounds) allowNumber(n int64) bool {
	return b == bounds{} || must(strconv.ParseInt(b.low, 10, 64)) <= n && n <= must(strconv.ParseInt(b.high, 10, 64))
}

// must is for what stands in our own tags.
func must[T any](v T, err error) T {
	if err != nil {
		panic("config: in a tag: " + err.Error())
	}
	return v
}
