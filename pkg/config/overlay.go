package config

import (
	"reflect"
	"slices"
)

// overlay lays top over base: maps merge key by key, everything else is replaced. Either may be nil.
func overlay(s *shape, base, top *value) *value {
	if base == nil || top == nil {
		return cmpOr(top, base)
	}
	if base.kind != mapping || top.kind != mapping {
		return top
	}
	merged := *top
	merged.pairs = slices.Clone(top.pairs)
	for _, p := range base.pairs {
		over := merged.pair(p.key.text)
		if over != nil {
			over.value = s.overlayKey(p, over.value)
			continue
		}
		if !s.ousted(p.key.text, top) {
			merged.pairs = append(merged.pairs, p)
		}
	}
	return &merged
}

func cmpOr(a, b *value) *value {
	if a != nil {
		return a
	}
	return b
}

// overlayKey lays top over the value of one key of s. A short form stands for its main key.
func (s *shape) overlayKey(base pair, top *value) *value {
	k, ok := s.index[base.key.text]
	switch {
	case !ok:
		return top
	case k.table != nil:
		return overlay(k.table, base.value, top)
	case k.field.Type.Kind() == reflect.Pointer:
		inner := shapeOf(k.field.Type.Elem())
		return overlay(inner, inner.long(base.value), inner.long(top))
	case k.mergeable():
		return overlay(&shape{}, base.value, top)
	}
	return top
}

// mergeable reports whether the field is a map of names and texts.
func (k *key) mergeable() bool {
	return k.field.Type == reflect.TypeFor[Fields]() || k.field.Type.Kind() == reflect.Map
}

// ousted reports whether top holds the key that stands instead of the one named.
func (s *shape) ousted(name string, top *value) bool {
	k, ok := s.index[name]
	return ok && k.instead != "" && top.get(k.instead) != nil
}

// long is v as a mapping, where it is short for one.
func (s *shape) long(v *value) *value {
	if v.kind == mapping || s.main == nil || v.is("none") || v.null() {
		return v
	}
	long := *v
	long.kind, long.items = mapping, nil
	long.pairs = []pair{{&value{doc: v.doc, line: v.line, column: v.column, text: s.main.name, parent: v.parent}, v}}
	return &long
}
