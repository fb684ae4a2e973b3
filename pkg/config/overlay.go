package config

import (
	"fmt"
	"reflect"
	"slices"
)

// overlay lays top over base: maps merge key by key, everything else is replaced. Either may be nil.
func (s *shape) overlay(base, top *value) *value {
	switch {
	case top == nil:
		return base
	case base == nil || base.kind != mapping || top.kind != mapping:
		return top
	}
	merged := top.with(slices.Clone(top.pairs))
	for _, p := range base.pairs {
		k := s.index[p.key.text]
		if over := merged.pair(p.key.text); over != nil {
			over.value = k.overlay(p.value, over.value)
		} else if k == nil || top.get(k.instead) == nil && top.get(k.with) == nil {
			merged.pairs = append(merged.pairs, p)
		}
	}
	return merged
}

// overlay lays top over the base of one key; k is nil for one that is not known. A short form stands for its main key.
func (k *key) overlay(base, top *value) *value {
	switch {
	case k == nil:
		return top
	case k.table != nil:
		return k.table.overlay(base, top)
	case k.field.Type.Kind() == reflect.Pointer:
		s := shapeOf(k.field.Type.Elem())
		return s.overlay(s.long(base), s.long(top))
	case k.field.Type == reflect.TypeFor[Headers]():
		return overlayHeaders(base, top)
	case k.field.Type == reflect.TypeFor[Fields](), k.field.Type == reflect.TypeFor[TLVs](), k.field.Type.Kind() == reflect.Map:
		return (&shape{}).overlay(base, top)
	}
	return top
}

// adds reports whether something of base is left when top is laid over it.
func (k *key) adds(base, top *value) bool {
	merged := k.overlay(base, top)
	if k.table == nil && k.field.Type.Kind() == reflect.Pointer {
		top = shapeOf(k.field.Type.Elem()).long(top)
	}
	return len(merged.pairs) > len(top.pairs)
}

// long is v as a mapping, where it is short for one.
func (s *shape) long(v *value) *value {
	if v.kind == mapping || s.main == nil || v.is("none") || v.null() {
		return v
	}
	key := &value{doc: v.doc, line: v.line, column: v.column, parent: v.parent, index: v.index, text: s.main.name}
	return v.with([]pair{{key, v}})
}

// protocols is a set of them.
type protocols uint8

const (
	onTCP protocols = 1 << iota
	onUDP
)

func on(p Protocol) protocols {
	if p == UDP {
		return onUDP
	}
	return onTCP
}

// demand is the one protocol on which k has an effect, empty for both. It is hard where the value cannot be had on the
// other one, rather than being idle there.
func (k *key) demand(v *value) (only Protocol, hard bool) {
	if v.is("none") && k.none != "" && k.none != "any" {
		return k.none, true
	}
	if w, ok := reflect.TypeAssert[interface{ wordOnly(string) Protocol }](reflect.Zero(k.field.Type)); ok {
		return w.wordOnly(v.text), true
	}
	return k.only, k.hard && !v.is("none")
}

// fit says whether a key may stand in some place, by its demand.
type fit func(only Protocol, hard bool) bool

// onEach is for what must hold for all of p: the keys of a listener.
func onEach(p protocols) fit {
	return func(only Protocol, _ bool) bool { return p&^on(only) == 0 }
}

// onSome is for what must hold for one of p at least, and be possible on all: the keys of a backend.
func onSome(p protocols) fit {
	return func(only Protocol, hard bool) bool {
		return p&^on(only) == 0 || !hard && p&on(only) != 0
	}
}

// prune is v without the keys that do not fit. Each of them is given to dropped.
func (s *shape) prune(v *value, fits fit, dropped func(*key, pair)) *value {
	if v == nil || v.kind != mapping {
		return v
	}
	kept := make([]pair, 0, len(v.pairs))
	for _, at := range v.pairs {
		k := s.index[at.key.text]
		if k == nil {
			kept = append(kept, at)
			continue
		}
		if k.table != nil {
			kept = append(kept, pair{at.key, k.table.prune(at.value, fits, dropped)})
			continue
		}
		if only, hard := k.demand(at.value); only == "" || fits(only, hard) {
			kept = append(kept, at)
		} else {
			dropped(k, at)
		}
	}
	return v.with(kept)
}

// ignore is for what need not be said.
func ignore(*key, pair) {}

// unfit says that a key does not fit where it stands, and why; where nothing more is to be said, what to do.
func (r *report) unfit(k *key, at pair, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	_, hard := k.demand(at.value)
	switch {
	case why == "" && hard && !k.hard:
		why = "; write another value"
	case why == "":
		why = "; leave it out"
	}
	if hard && k.hard {
		if k.because != "" {
			why = " (" + k.because + ")" + why
		}
		r.errorf(idNoEffect, at.key, "does not work for UDP%s", why)
		return
	}
	if hard {
		r.errorf(idNoEffect, at.value, "%s does not work for UDP%s", at.value.what(), why)
		return
	}
	other := "UDP"
	if k.only == UDP {
		other = "TCP"
	}
	r.errorf(idNoEffect, at.key, "has no effect on %s%s", other, why)
}

// known is v with the keys alone that s has; nil where it is no mapping.
func (s *shape) known(v *value) *value {
	if v == nil || v.kind != mapping {
		return nil
	}
	return v.with(slices.DeleteFunc(slices.Clone(v.pairs), func(p pair) bool { return s.index[p.key.text] == nil }))
}

// twoSided is a value that may be meant for a namesake on the other side.
type twoSided interface {
	// side is the type that has the namesake; nil where v is meant for this one.
	side(v *value) reflect.Type
}

// side is the type of the other side that v, behind k, is meant for; nil for none.
func (k *key) side(v *value) reflect.Type {
	if t, ok := reflect.TypeAssert[twoSided](reflect.Zero(k.field.Type)); ok {
		return t.side(v)
	}
	return nil
}

// pick is v with the keys alone that owner declares, or that are meant for it; nil if there are none.
func (s *shape) pick(v *value, owner reflect.Type) *value {
	if v == nil || v.kind != mapping {
		return nil
	}
	var picked []pair
	for _, at := range v.pairs {
		k := s.index[at.key.text]
		switch {
		case k == nil:
		case k.table != nil:
			if inner := k.table.pick(at.value, owner); inner != nil {
				picked = append(picked, pair{at.key, inner})
			}
		case k.owner == owner, k.side(at.value) == owner:
			picked = append(picked, at)
		}
	}
	if len(picked) == 0 {
		return nil
	}
	return v.with(picked)
}
