package config

import (
	"reflect"
	"strings"
)

// target is `to` as it is written: names with weights, or a backend inline.
type target struct {
	value *value
	// inline is a mapping with the keys of a backend; nil where names are written.
	inline *value
	// original is whether it is where the client was going; dialled is its long form, nil where the word stands alone.
	original bool
	dialled  *value
	// split is whether weights are written. Without them there is one share at most.
	split  bool
	shares []share
}

// share is one named backend of a target.
type share struct {
	name   *value
	weight uint32
}

func (t *target) decode(d *decoder, v *value) {
	*t = target{value: v}
	switch {
	case v.is(original):
		t.original = true
	case v.kind == mapping:
		t.decodeMap(d, v)
	case v.kind == list:
		t.decodeList(d, v)
	case looksLikeEndpoint(v.text):
		t.inline = endpointsOnly(v)
	default:
		if _, ok := d.text(v); ok {
			t.shares = []share{{v, 1}}
		}
	}
}

// looksLikeEndpoint tells endpoints, also ill-formed ones, from names.
func looksLikeEndpoint(text string) bool {
	return strings.ContainsAny(text, ":./[") || allDigits(text)
}

// decodeList reads a list of endpoints. Names cannot stand in it: with what weights would that be?
func (t *target) decodeList(d *decoder, v *value) {
	t.inline = endpointsOnly(v)
	for _, item := range v.items {
		if item.kind == scalar && !looksLikeEndpoint(item.text) && !item.null() {
			d.errorf(idEndpoint, item, "%s is not HOST:PORT; for several backends write their weights, as {a: 1, b: 1}", item.what())
			t.inline = nil
		}
	}
}

// decodeMap reads a backend inline, which has endpoints, or names with weights.
func (t *target) decodeMap(d *decoder, v *value) {
	keys := shapeOf(reflect.TypeFor[Backend]())
	switch endpoints := v.get("endpoints"); {
	case endpoints != nil && endpoints.is(original):
		t.original, t.dialled = true, v
		return
	case endpoints != nil:
		t.inline = v
		return
	case len(v.pairs) == 0:
		d.errorf(idNoTo, v, "is an empty map; write where it goes")
	}
	t.split = true
	for _, p := range v.pairs {
		switch {
		case p.key.is(original):
			d.errorf(idWord, p.key, "original has no weight; write to: original, alone")
		case p.value.null():
			d.noValue(p.key, "write its weight")
		case keys.index[p.key.text] != nil:
			d.errorf(idNoTo, p.key, "is a key of a backend, but there are no endpoints beside it; write {endpoints: …, %s: …}", p.key.text)
		case p.value.kind != scalar:
			d.unknownKey(keys.names(), p.key)
		default:
			n, ok := d.number(weights, p.value)
			if !ok {
				n = 1 // not 0, of which more would be said
			}
			t.shares = append(t.shares, share{p.key, uint32(n)})
		}
	}
}

// weights stands for the keys of a map of names with weights.
var weights = &key{bounds: bounds{"0", "1000000"}}

// endpointsOnly is a backend of which only the endpoints are written.
func endpointsOnly(v *value) *value {
	return shapeOf(reflect.TypeFor[struct {
		Endpoints []Endpoint `yaml:"endpoints,main"`
	}]()).long(v)
}
