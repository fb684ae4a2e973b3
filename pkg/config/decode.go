package config

import (
	"errors"
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

// decoder walks values and fills structs by their tags. All that is wrong is said in its report; what it then leaves in
// the structs is of no use, for there will be no Config.
type decoder struct {
	*report
	// protocol is the one whose defaults hold; empty where that makes no difference.
	protocol Protocol
	// disk reads what the values name.
	disk *disk
}

// mapping fills the struct that into points to: with its defaults, and then with v.
func (d *decoder) mapping(v *value, into any) {
	root := reflect.ValueOf(into).Elem()
	s := shapeOf(root.Type())
	root.Set(d.template(s))
	d.table(s, v, root)
	if c, ok := into.(checked); ok && v.kind == mapping {
		c.check(d, v)
	}
}

// template is a struct of s with every default set.
func (d *decoder) template(s *shape) reflect.Value {
	if made, ok := s.templates.Load(d.protocol); ok {
		return made.(reflect.Value)
	}
	made := reflect.New(s.typ).Elem()
	d.fill(s, made)
	s.templates.Store(d.protocol, made)
	return made
}

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
		d.errorf(idKind, v, "%s where a map belongs; its keys: %s", v.what(), strings.Join(s.names(), ", "))
		return
	}
	unknown := d.unknown
	for _, p := range v.pairs {
		k, ok := s.index[p.key.text]
		switch {
		case p.value.null():
			d.noValue(p.key, "write one, or take the key out")
		case !ok && !d.misplaced(root, p.key):
			d.unknownKey(s.names(), p.key)
		case !ok:
		case k.table != nil:
			d.table(k.table, p.value, root)
		default:
			d.beside(k, p, v)
			d.field(k, p.value, root.FieldByIndex(k.path))
		}
	}
	for _, k := range s.keys {
		if k.required && d.unknown == unknown && v.get(k.name) == nil {
			d.errorf(idNoValue, v, "has no %s", k.name)
		}
	}
}

// noValue says that nothing stands behind a key, and why that may be so.
func (r *report) noValue(key *value, hint string) {
	if name, rest, found := strings.Cut(key.text, ":"); found && !key.quoted {
		hint = "a colon needs a space behind it: write " + quote(name+": "+rest)
	}
	r.errorf(idNoValue, key, "has no value; %s", hint)
}

// beside says that two keys stand side by side that cannot.
func (d *decoder) beside(k *key, p pair, v *value) {
	if other := v.pair(k.instead); other != nil && k.name < k.instead {
		d.errorf(idExclusive, p.key, "cannot stand beside %s (%s)", k.instead, other.key.position())
	}
}

// twofold is a struct that has a namesake on the other side, whose keys are written here by mistake.
type twofold interface {
	// elsewhere says what is wrong with a key of the other side; empty for any other.
	elsewhere(key string) string
}

// misplaced reports whether it was said that key belongs to the other side.
func (d *decoder) misplaced(root reflect.Value, key *value) bool {
	t, ok := reflect.TypeAssert[twofold](root.Addr())
	if !ok {
		return false
	}
	why := t.elsewhere(key.text)
	if why == "" {
		return false
	}
	d.unknown++
	d.errorf(idUnknownKey, key, "%s", why)
	return true
}

// unknownKey says that key is none of the known ones, and which one may have been meant.
func (d *decoder) unknownKey(known []string, key *value) {
	d.unknown++
	if near := nearest(key.text, known); near != "" {
		d.errorf(idUnknownKey, key, "unknown key; did you mean %q?", near)
		return
	}
	d.errorf(idUnknownKey, key, "unknown key; known here: %s", strings.Join(known, ", "))
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
	case *Size:
		d.size(k, v, target)
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
		if text, ok := d.text(v); ok && d.fits(k, v) {
			into.SetString(text)
		}
	case reflect.Bool:
		d.flag(v, into)
	case reflect.Int:
		if n, ok := d.number(k, v); ok {
			into.SetInt(n)
		}
	case reflect.Uint32:
		if n, ok := d.number(k, v); ok {
			into.SetUint(uint64(n))
		}
	case reflect.Slice:
		d.slice(k, v, into)
	default:
		panic(fmt.Sprintf("config: no way to read a %s", into.Type()))
	}
}

// flag sets what is on or off.
func (d *decoder) flag(v *value, into reflect.Value) {
	if v.quoted || !v.is("true") && !v.is("false") {
		d.errorf(idWord, v, "%s is neither true nor false", v.what())
		return
	}
	into.SetBool(v.is("true"))
}

// block sets a pointer to a struct: none is nil, a value that is no mapping stands for the main key, and the default
// "on" for a mapping without keys.
func (d *decoder) block(v *value, into reflect.Value) {
	if v.is("none") {
		into.SetZero()
		return
	}
	made := reflect.New(into.Type().Elem())
	s := shapeOf(made.Elem().Type())
	if v.doc == nil && v.is("on") {
		v = &value{kind: mapping}
	}
	d.mapping(s.long(v), made.Interface())
	into.Set(made)
}

// slice sets a list; a single value is a list of one.
func (d *decoder) slice(k *key, v *value, into reflect.Value) {
	items := v.elements()
	if len(items) == 0 {
		d.errorf(idKind, v, "is empty")
	}
	made := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		if item.null() {
			d.errorf(idNoValue, item, "is empty")
			continue
		}
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
		d.errorf(idNoValue, v, "is empty")
	default:
		return v.text, true
	}
	return "", false
}

// fits reports whether v has the form that k asks for.
func (d *decoder) fits(k *key, v *value) bool {
	if k.pattern == nil || k.pattern.MatchString(v.text) {
		return true
	}
	d.errorf(idText, v, "%s is not %s", v.what(), k.hint)
	return false
}

// texts reads a map of names and texts.
func (d *decoder) texts(v *value, into *map[string]string) {
	if v.kind != mapping {
		d.errorf(idKind, v, "%s where a map of names and texts belongs", v.what())
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
	hint := "write one of " + strings.Join(words, ", ")
	if near := nearest(v.text, words); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.errorf(idWord, v, "%s is not known here; %s", v.what(), hint)
}

func (d *decoder) duration(k *key, v *value, into *Duration) {
	switch {
	case v.kind != scalar:
		d.errorf(idKind, v, "%s where a duration belongs, such as 30s", v.what())
		return
	case k.none != "" && v.is("none"):
		*into = 0
		return
	}
	span, err := parseDuration(v.text)
	switch {
	case errors.Is(err, errZero) && k.none != "":
		d.errorf(idDuration, v, "%s is no time at all; write none to turn it off", v.what())
	case errors.Is(err, errZero):
		d.errorf(idDuration, v, "%s is no time at all, and this cannot be turned off", v.what())
	case err != nil:
		d.errorf(idDuration, v, "%s", err)
	case !k.bounds.allowDuration(span):
		d.errorf(idBounds, v, "%s is outside %s", v.text, k.bounds)
	case k.step != 0 && span%k.step != 0:
		d.errorf(idBounds, v, "%s is not a multiple of %s", v.text, k.step)
	default:
		*into = span
	}
}

func (d *decoder) size(k *key, v *value, into *Size) {
	if v.kind != scalar {
		d.errorf(idKind, v, "%s where a size belongs, such as 16KiB", v.what())
		return
	}
	size, err := parseSize(v.text)
	switch {
	case err != nil:
		d.errorf(idNumber, v, "%s", err)
	case !k.bounds.allowSize(size):
		d.errorf(idBounds, v, "%s is outside %s", v.text, k.bounds)
	default:
		*into = size
	}
}

func (d *decoder) number(k *key, v *value) (int64, bool) {
	if v.kind != scalar {
		d.errorf(idKind, v, "%s where a number belongs", v.what())
		return 0, false
	}
	n, err := parseNumber(v.text)
	switch {
	case err != nil:
		d.errorf(idNumber, v, "%s", err)
	case v.quoted:
		d.errorf(idNumber, v, "%s is a text; write %d without quotes", v.what(), n)
	case !k.bounds.allowNumber(n):
		d.errorf(idBounds, v, "%d is outside %s", n, k.bounds)
	default:
		return n, true
	}
	return 0, false
}
