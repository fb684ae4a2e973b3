package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// formed is a value that is written in more than one way, or in one that its fields do not tell.
type formed interface {
	// decode fills the receiver from v, or says what is wrong with it.
	decode(d *decoder, v *value)
}

var formedType = reflect.TypeFor[formed]()

// worded is a text that must be one of a few words.
type worded interface {
	words() []string
}

// decoder walks values and fills structs by their tags.
type decoder struct {
	*report
	// protocol is the one whose defaults and rules hold.
	protocol Protocol
}

// mapping fills the struct that into points to: with its defaults, and then with v.
func (d *decoder) mapping(v *value, into any) {
	root := reflect.ValueOf(into).Elem()
	s := shapeOf(root.Type())
	d.fill(s, root)
	d.table(s, v, root)
}

// fill sets what is absent to its default.
func (d *decoder) fill(s *shape, root reflect.Value) {
	for _, k := range s.keys {
		if k.table != nil {
			d.fill(k.table, root)
			continue
		}
		if text := k.defaultFor(d.protocol); text != "" && text != "none" {
			d.field(k, &value{text: text}, root.FieldByIndex(k.path))
		}
	}
}

// table fills root with the keys of v.
func (d *decoder) table(s *shape, v *value, root reflect.Value) {
	if v.kind != mapping {
		d.errorf(idKind, v, "%s is not a map; known keys: %s", v.what(), strings.Join(s.names(), ", "))
		return
	}
	for _, p := range v.pairs {
		k, ok := s.index[p.key.text]
		switch {
		case !ok:
			d.unknownKey(s, p.key)
		case p.value.null():
			d.errorf(idNoValue, p.key, "has no value")
		case k.table != nil:
			d.table(k.table, p.value, root)
		default:
			d.field(k, p.value, root.FieldByIndex(k.path))
		}
	}
	for _, k := range s.keys {
		if k.required && v.get(k.name) == nil {
			d.errorf(idNoValue, v, "%s is missing", k.name)
		}
	}
}

func (d *decoder) unknownKey(s *shape, key *value) {
	if near := nearest(key.text, s.names()); near != "" {
		d.errorf(idUnknownKey, key, "unknown key; did you mean %q?", near)
		return
	}
	d.errorf(idUnknownKey, key, "unknown key; known keys: %s", strings.Join(s.names(), ", "))
}

// field sets one field from v.
func (d *decoder) field(k *key, v *value, into reflect.Value) {
	switch target := into.Addr().Interface().(type) {
	case formed:
		target.decode(d, v)
	case worded:
		d.word(target.words(), v, into)
	case *Duration:
		d.duration(k, v, target)
	case *map[string]string:
		d.texts(v, target)
	default:
		d.plain(k, v, into)
	}
}

// plain sets a field by the kind of its type.
func (d *decoder) plain(k *key, v *value, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		d.block(v, into)
	case reflect.String:
		if text, ok := d.text(v); ok {
			into.SetString(text)
		}
	case reflect.Int:
		if n, ok := d.number(k, v); ok {
			into.SetInt(n)
		}
	case reflect.Uint32:
		if n, ok := d.number(k, v); ok {
			into.SetUint(uint64(n))
		}
	case reflect.Slice:
		d.list(k, v, into)
	default:
		panic(fmt.Sprintf("config: no way to read a %s", into.Type()))
	}
}

// block sets a pointer to a struct: none is nil, a value that is no mapping stands for the main key, and the default
// "on" for all defaults.
func (d *decoder) block(v *value, into reflect.Value) {
	into.SetZero()
	if v.is("none") {
		return
	}
	made := reflect.New(into.Type().Elem())
	s := shapeOf(made.Elem().Type())
	d.fill(s, made.Elem())
	switch {
	case v.doc == nil && v.is("on"):
	case v.kind != mapping && s.main != nil:
		d.field(s.main, v, made.Elem().FieldByIndex(s.main.path))
	default:
		d.table(s, v, made.Elem())
	}
	into.Set(made)
}

// list sets a slice; a single value is a list of one.
func (d *decoder) list(k *key, v *value, into reflect.Value) {
	items := v.elements()
	made := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		d.field(k, item, made.Index(i))
	}
	into.Set(made)
}

// text is a scalar as it is written.
func (d *decoder) text(v *value) (string, bool) {
	switch {
	case v.kind != scalar:
		d.errorf(idKind, v, "%s where a text belongs", v.what())
	case v.text == "" || v.null():
		d.errorf(idText, v, "is empty")
	default:
		return v.text, true
	}
	return "", false
}

func (d *decoder) texts(v *value, into *map[string]string) {
	if v.kind != mapping {
		d.errorf(idKind, v, "%s is not a map of names and texts", v.what())
		return
	}
	*into = make(map[string]string, len(v.pairs))
	for _, p := range v.pairs {
		if text, ok := d.text(p.value); ok {
			(*into)[p.key.text] = text
		}
	}
}

func (d *decoder) word(words []string, v *value, into reflect.Value) {
	if v.kind == scalar && slices.Contains(words, v.text) {
		into.SetString(v.text)
		return
	}
	hint := "one of " + strings.Join(words, ", ")
	if near := nearest(v.text, words); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.errorf(idWord, v, "%s is not known here; %s", v.what(), hint)
}

func (d *decoder) duration(k *key, v *value, into *Duration) {
	if v.kind != scalar {
		d.errorf(idKind, v, "%s where a duration belongs, such as 30s", v.what())
		return
	}
	if k.none != "" && v.is("none") {
		if k.none != d.protocol {
			d.errorf(idDuration, v, "cannot be turned off for %s; write a duration", d.protocol)
			return
		}
		*into = 0
		return
	}
	span, err := parseDuration(v.text)
	if err != nil {
		d.errorf(idDuration, v, "%s", err)
		return
	}
	if !k.bounds.allowDuration(span) {
		d.errorf(idBounds, v, "%s is outside %s", v.text, k.bounds)
		return
	}
	*into = span
}

func (d *decoder) number(k *key, v *value) (int64, bool) {
	if v.kind != scalar {
		d.errorf(idKind, v, "%s where a number belongs", v.what())
		return 0, false
	}
	n, err := parseNumber(v.text)
	if err != nil {
		d.errorf(idNumber, v, "%s", err)
		return 0, false
	}
	if !k.bounds.allowNumber(n) {
		d.errorf(idBounds, v, "%d is outside %s", n, k.bounds)
		return 0, false
	}
	return n, true
}
