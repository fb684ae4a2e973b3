package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a value is, as a person who reads the file sees it.
type kind uint8

const (
	scalar kind = iota
	list
	mapping
)

// value is one value of a file, or one key, with its place. Aliases are followed and `<<` is merged: a value may hang
// under several others. It is never changed once it was read.
type value struct {
	doc          *document
	line, column int
	kind         kind
	// quoted is whether a scalar stands in quotes or as a block of text: it is then a text, also if it is empty.
	quoted bool
	// text is a scalar as it is written, without quotes. YAML's own view of it (0777 is 511, no is false) is ignored.
	text string
	// parent is the list or mapping in which v is written; nil for the document's root.
	parent *value
	// index is which element of its parent v is, or stands behind; -1 for what is no part of it.
	index int
	// origin is what was written, where v is made of it.
	origin *value
	items  []*value // of a list
	pairs  []pair   // of a mapping, in file order, each key once
	// chunk is the piece of the document that was read, or is known, by itself to be v; nil where v is no such piece.
	chunk *chunk
}

// pair is one key of a mapping and what stands behind it.
type pair struct {
	key, value *value
}

// document is one file.
type document struct {
	path string
	text []byte
	// shown is text for messages, and starts are the offsets of its lines, both made when the first message needs one.
	shown  string
	starts []int32
}

// line is the text of line n, counted from 1, without its end; empty where there is none.
func (d *document) line(n int) string {
	if n < 1 {
		return ""
	}
	if d.starts == nil {
		d.shown = strings.ToValidUTF8(string(d.text), "\uFFFD")
		d.starts = []int32{0}
		for i := range len(d.shown) {
			if d.shown[i] == '\n' {
				d.starts = append(d.starts, int32(i+1))
			}
		}
	}
	if n > len(d.starts) {
		return ""
	}
	line, _, _ := strings.Cut(d.shown[d.starts[n-1]:], "\n")
	return strings.TrimSuffix(line, "\r")
}

// whole is d as a spot: the file, no line.
func (d *document) whole() mark { return mark{doc: d} }

// mark is where v stands.
func (v *value) mark() mark {
	width := 1
	if v.kind == scalar {
		width = utf8.RuneCountInString(v.text)
		if v.quoted {
			width += 2
		}
	}
	return mark{v.doc, v.line, v.column, width}
}

// standsAt notes which element of parent v is. What is there by an alias stands elsewhere.
func (v *value) standsAt(parent *value, index int) {
	if v.parent == parent && v.index < 0 {
		v.index = index
	}
}

// path is where v is written, as messages name it: "listeners.db.tcp[1]".
func (v *value) path() string {
	if v.origin != nil {
		v = v.origin
	}
	if v.parent == nil {
		return ""
	}
	front := v.parent.path()
	switch {
	case v.index < 0:
		return front
	case v.parent.kind == list:
		return front + "[" + strconv.Itoa(v.index) + "]"
	case front != "":
		front += "."
	}
	return front + legible(v.parent.pairs[v.index].key.text)
}

// position is where v stands, as messages name it.
func (v *value) position() string {
	return Position{v.doc.path, v.line, v.column}.String()
}

// is reports whether v is the word.
func (v *value) is(word string) bool {
	return v.kind == scalar && v.text == word
}

// null reports whether nothing stands there.
func (v *value) null() bool {
	if v.kind != scalar || v.quoted {
		return false
	}
	switch v.text {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// get is what stands behind a key of a mapping; nil where there is none.
func (v *value) get(key string) *value {
	if p := v.pair(key); p != nil {
		return p.value
	}
	return nil
}

func (v *value) pair(key string) *pair {
	if v == nil {
		return nil
	}
	for i := range v.pairs {
		if v.pairs[i].key.text == key {
			return &v.pairs[i]
		}
	}
	return nil
}

// has reports whether one of these keys stands in a mapping.
func (v *value) has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return v.get(key) != nil })
}

// only is v with these keys alone, where they are there; nil if v is nil.
func (v *value) only(keys ...string) *value {
	if v == nil {
		return nil
	}
	return v.with(slices.DeleteFunc(slices.Clone(v.pairs), func(p pair) bool { return !slices.Contains(keys, p.key.text) }))
}

// without is v but for a key; nil if v is nil.
func (v *value) without(key string) *value {
	if v == nil {
		return nil
	}
	return v.with(slices.DeleteFunc(slices.Clone(v.pairs), func(p pair) bool { return p.key.text == key }))
}

// with is v as a mapping of other pairs.
func (v *value) with(pairs []pair) *value {
	made := *v
	if made.origin == nil {
		made.origin = v
	}
	made.kind, made.items, made.pairs = mapping, nil, pairs
	return &made
}

// elements are the items of a list; a single value stands for a list of one.
func (v *value) elements() []*value {
	if v.kind == list {
		return v.items
	}
	return []*value{v}
}

// what is v for a message: "a list", "a map", "nothing", or the text as written.
func (v *value) what() string {
	switch {
	case v.kind == list:
		return "a list"
	case v.kind == mapping:
		return "a map"
	case v.null():
		return "nothing"
	default:
		return quote(v.text)
	}
}

// quote is text for a message, cut where it is long.
func quote(text string) string {
	return `"` + legible(text) + `"`
}

// legible is text for a message: cut where it is long, and without what would steer the terminal on which it is read.
func legible(text string) string {
	const longest = 60
	if utf8.RuneCountInString(text) > longest {
		text = string([]rune(text)[:longest]) + "…"
	}
	return strings.Map(printable, text)
}

func printable(r rune) rune {
	if unicode.IsGraphic(r) {
		return r
	}
	return utf8.RuneError
}
