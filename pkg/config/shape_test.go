package config

import (
	"reflect"
	"testing"
)

// TestTags holds the tags of all fields to what they mean: each default can be written, within its own range, and what
// is ruled out for a protocol is no default there.
func TestTags(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[file](), reflect.TypeFor[stanza](), reflect.TypeFor[protocolForm](), reflect.TypeFor[Backend](),
		reflect.TypeFor[endpointForm](), reflect.TypeFor[Term](), reflect.TypeFor[defaults](),
	} {
		checkTags(t, shapeOf(typ), seen)
	}
	if len(seen) < 10 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

func checkTags(t *testing.T, s *shape, seen map[reflect.Type]bool) {
	t.Helper()
	seen[s.typ] = true
	for _, k := range s.keys {
		if k.table != nil {
			checkTags(t, k.table, seen)
			continue
		}
		if inner := k.field.Type; inner.Kind() == reflect.Pointer && !seen[inner.Elem()] {
			checkTags(t, shapeOf(inner.Elem()), seen)
		}
		if k.instead != "" && s.index[k.instead] == nil {
			t.Errorf("%s.%s cannot stand beside %s, which is not there", s.typ, k.name, k.instead)
		}
		for _, p := range []Protocol{TCP, UDP} {
			checkDefault(t, s, k, p)
		}
	}
}

func checkDefault(t *testing.T, s *shape, k *key, p Protocol) {
	t.Helper()
	text := k.defaultFor(p)
	if text == "" || text == "on" || text == "none" && k.field.Type.Kind() == reflect.Pointer {
		return
	}
	doc := &document{path: s.typ.String() + "." + k.name}
	v := &value{doc: doc, text: text}
	d := decoder{report: &report{}, protocol: p}
	d.field(k, v, reflect.New(k.field.Type).Elem())
	if only, _ := k.demand(v); len(d.report.list) > 0 || text == "none" && only != "" && only != p {
		t.Errorf("the default %s of %s.%s on %s cannot be: %v", text, s.typ, k.name, p, d.report.list)
	}
}
