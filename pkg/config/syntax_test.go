package config

import (
	"strings"
	"testing"
)

// slips are texts that are not YAML, or that YAML and this language see differently, with the first message.
var slips = []struct{ text, want string }{
	{"a: b: c\n", "1:5: error: a second colon in one line; put the value in quotes, or in braces: {key: value} [L4X0001]"},
	{"a: @b\n", "1:4: error: a value cannot start with @; put it in quotes"},
	{"a: `b`\n", "1:4: error: a value cannot start with `; put it in quotes"},
	{"a: %x%\n", "1:4: error: a value cannot start with %; put it in quotes"},
	{"{a: @b}\n", "1:5: error: a value cannot start with @; put it in quotes"},
	{"a: |x\n b\n", "1:4: error: a value cannot start with |; put it in quotes"},
	{"a: ]\n", "1:4: error: a value cannot start with ]; put it in quotes"},
	{"a: *x\n", "1:4: error: no anchor &x stands above; to write a * put it in quotes [L4X0008]"},
	{"x-b: &base 1\na: [*bsae]\n", "2:5: error: no anchor &bsae stands above; to write a * put it in quotes; did you mean \"base\"? [L4X0008]"},
	{"*.x: y\n", "1:1: error: a text that starts with * needs quotes, as \"*.example.com\""},
	{"a:\n  *: y\n", "2:3: error: a text that starts with * needs quotes"},
	{"{a: *.x}\n", "1:5: error: a text that starts with * needs quotes"},
	{"a: [b\n", "1:4: error: the [ is not closed"},
	{"a: [b\nc: d\n", "1:4: error: the [ is not closed"},
	{"a: {b: c\nd: e\n", "1:4: error: the { is not closed"},
	{"a: [\n  b,\n  c\nd: e\n", "1:4: error: the [ is not closed"},
	{"a: {b: [x, y}\n", "1:8: error: the [ is not closed; line 1 has a } instead"},
	{"a: {b: x]\n", "1:4: error: the { is not closed; line 1 has a ] instead"},
	{"a: [a, b]]\n", "1:10: error: one ] too many"},
	{"a: {b: {c: d}}}\n", "1:15: error: one } too many"},
	{"a: [b] c\n", "1:8: error: text behind the closing bracket; if it belongs to the value, put all of it in quotes"},
	{"a: [\"b\" \"c\"]\n", "1:9: error: a comma is missing in front of this"},
	{"a: [{b: c} {d: e}]\n", "1:12: error: a comma is missing in front of this"},
	{"a: {b: c d: e}\n", "1:11: error: a second colon for one key; a comma is missing in front, or quotes around the value"},
	{"a: {b:{c: d}}\n", "1:6: error: a colon needs a space behind it"},
	{"a: {b: c, , d: e}\n", "1:11: error: a comma with nothing in front of it"},
	{"a: [, b]\n", "1:5: error: a comma with nothing in front of it"},
	{"a: [- b]\n", "1:5: error: a dash inside of brackets; items are set apart by commas"},
	{"a: [b, \"c]\nd: e\n", "1:8: error: the quote is not closed on this line"},
	{"a: \"b\nc: d\n", "1:4: error: the quote is not closed on this line"},
	{"a: 'it's'\n", "1:8: error: text behind the closing quote"},
	{"a: 'it''s' x\n", "1:12: error: text behind the closing quote"},
	{"a: \"b\" c\n", "1:8: error: text behind the closing quote"},
	{"\"a\" b\n  c: d\n", "1:5: error: text behind the closing quote"},
	{"a: \"b\\d\"\n", "1:6: error: \\d means nothing in double quotes; write \\\\, or use single quotes"},
	{"a: [::]:53\n", "1:4: error: an address with brackets needs quotes: write \"[::]:53\""},
	{"a: {tcp: [::1]:80, to: x}\n", "1:10: error: an address with brackets needs quotes: write \"[::1]:80\""},
	{"a:\n\tb: c\n", "2:1: error: a tab indents this line; YAML takes spaces only"},
	{"a:\n  b:\n  \tc: d\n", "3:3: error: a tab indents this line"},
	{"a: |\n x\n\ty\n", "3:1: error: a tab indents this line"},
	{"a:\n  b: c\n d: e\n", "3:2: error: indented by 1, and no line above is; the block it may belong to is indented by 2 (line 2)"},
	{"a:\n  b: c\n   d: e\n", "3:4: error: indented deeper than the line above, which has its value already"},
	{"a: b\n  c: d\n", "2:3: error: indented deeper than the line above, which has its value already"},
	{"  a: b\nc: d\n", "1:3: error: indented by 2, but there is no key above that this could belong to"},
	{"a:\n    b: c\n  d: e\n", "2:5: error: indented by 4, and line 3 of the same block by 2"},
	{"a:\n b:\n    c: d\n  e: f\n", "2:2: error: indented by 1, and line 4 of the same block by 2"},
	{"a:\n  - b: c\n    d: e\n   f: g\n", "4:4: error: indented by 3, and no line above is; the block it may belong to is indented by 4 (line 2)"},
	{"a:b\nc: d\n", "1:1: error: a colon needs a space behind it: write \"a: b\""},
	{"a:\n  b:c\n  d: e\n", "2:3: error: a colon needs a space behind it: write \"b: c\""},
	{"a:\n  b c\n  d: e\n", "2:3: error: neither KEY: VALUE nor a list item; a colon is missing"},
	{"a: b\nlisteners\nc: d\n", "2:1: error: neither KEY: VALUE nor a list item; a colon is missing"},
	{"a:\n  b\n    - c\n  d: e\n", "2:3: error: neither KEY: VALUE nor a list item; a colon is missing"},
	{"- a\nb: c\n", "2:1: error: a key among list items; it needs a dash, or another indentation"},
	{"a: b\n- c\n", "2:1: error: a list item among keys; the key of the list has its value already"},
	{"a: - b\n", "1:4: error: a list item cannot stand behind its key; start a new line, or write [a, b]"},
	{"%YAML 1.2\n---\na: b\n", "1:1: error: a line that starts with % is a directive, of which none is needed; take it out"},
	{"<<<<<<< HEAD\na: b\n=======\na: c\n>>>>>>> x\n", "1:1: error: a merge conflict that is not resolved"},
	{"a: b\n---\nc: d\n", "2:1: error: a second document starts here, and would be ignored; put it into a file of its own [L4X0005]"},
	{"a: b\n...\nc: d\n", "3:1: error: text behind the end of the document (...); take that line out"},
	{"a: !<x\n", "1:1: error: this line, or one next to it, is not YAML; look for quotes, brackets, colons and indentation"},
	{"x-a: &a [*a]\nlisteners: {}\n", "1:10: error: x-a[0]: the anchor \"a\" holds itself [L4X0008]"},
	{strings.Repeat("[", 101) + strings.Repeat("]", 101), "1:101: error: lists and maps stand more than 100 deep in each other [L4X0007]"},
	{strings.Repeat("[", 11000), "1:101: error: lists and maps stand more than 100 deep in each other [L4X0007]"},
	{strings.Repeat("- ", 11000) + "a", "1:201: error: lists and maps stand more than 100 deep in each other [L4X0007]"},
	{"a: \x00\n", "1:4: error: a NUL byte; the file was not written to its end [L4X0006]"},
	{"a: ä\xff\n", "1:5: error: a byte that is not UTF-8; save the file as UTF-8 [L4X0006]"},
	{"a: b\x1b\n", "1:5: error: a control character; take it out [L4X0006]"},
	{"a: b\rc: d\n", "1:5: error: a line end that only YAML takes for one; write a plain line feed [L4X0006]"},
	{"a: b\u2028\n", "1:5: error: a line end that only YAML takes for one"},
	{"\xff\xfea\x00", "error: the file is UTF-16; save it as UTF-8 [L4X0006]"},
	{"\xfe\xff\x00a", "error: the file is UTF-16; save it as UTF-8 [L4X0006]"},
	{"", "error: the file says nothing; to have no listeners on purpose write listeners: {} [L4X0004]"},
	{"# only a comment\n", "error: the file says nothing"},
	{"---\n", "error: the file says nothing"},
	{"null\n", "error: the file says nothing"},
	{"~", "error: the file says nothing"},
	{"{}\n", "error: no listeners; to have none on purpose write listeners: {} [L4X0004]"},
	{"version: 1\n", "error: no listeners; to have none on purpose write listeners: {} [L4X0004]"},
	{"listeners:\n", "1:1: error: listeners: has no value; write {} for none [L4X0014]"},
	{"listeners: []\n", "1:12: error: listeners: a list where a map by name belongs [L4X0009]"},
	{"[]\n", "1:1: error: a list where a map belongs; its keys: version, listeners, backends, tunnels, groups, defaults [L4X0009]"},
	{"a\n", "1:1: error: \"a\" where a map belongs"},
}

func TestSlips(t *testing.T) {
	for _, slip := range slips {
		c, ds := loadText(slip.text)
		if c != nil || len(ds) == 0 {
			t.Errorf("%q was loaded", slip.text)
			continue
		}
		if got := strings.TrimPrefix(ds[0].String(), "-:"); !strings.Contains(got, slip.want) || got[0] != slip.want[0] && got[0] != ' ' {
			t.Errorf("%q\n\tsaid %s\n\twant %s", slip.text, got, slip.want)
		}
	}
}
