package config

import (
	"bytes"
	"unicode/utf8"
)

// check says what keeps the bytes of d from being YAML, before they are read as such; it reports whether nothing does.
// It takes a byte order mark off.
func (d *document) check(r *report) bool {
	d.text = bytes.TrimPrefix(d.text, []byte("\uFEFF"))
	switch {
	case bytes.HasPrefix(d.text, []byte("\xFF\xFE")), bytes.HasPrefix(d.text, []byte("\xFE\xFF")):
		r.fail(idEncoding, d.whole(), "the file is UTF-16; save it as UTF-8")
		return false
	case tooMany(d.text):
		r.fail(idTooMuch, d.whole(), "the file holds more than %d values", maxValues)
		return false
	}
	for i := 0; i < len(d.text); {
		c := d.text[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		char, size := utf8.DecodeRune(d.text[i:])
		if what := unwelcome(d.text[i:], char, size); what != "" {
			r.fail(idEncoding, d.spot(i), "%s", what)
			return false
		}
		i += size
	}
	return true
}

// tooMany reports whether text holds more values than a file may, by the least that they take: a comma, a colon, or a
// line with a dash. It bounds the memory of what reads it for good.
func tooMany(text []byte) bool {
	return bytes.Count(text, []byte(","))+bytes.Count(text, []byte(":"))+bytes.Count(text, []byte("\n-"))+
		bytes.Count(text, []byte(" - ")) > 2*maxValues
}

// unwelcome says what is wrong with the character at the start of text; empty if nothing is.
func unwelcome(text []byte, char rune, size int) string {
	switch {
	case char == utf8.RuneError && size == 1:
		return "a byte that is not UTF-8; save the file as UTF-8"
	case char == 0:
		return "a NUL byte; the file was not written to its end"
	case char == '\r' && len(text) > 1 && text[1] == '\n':
		return ""
	case char == '\r', char == '\u0085', char == '\u2028', char == '\u2029':
		return "a line end that only YAML takes for one; write a plain line feed"
	case char < ' ', char >= 0x7f && char < 0xa0, char == 0xFEFF:
		return "a control character; take it out"
	}
	return ""
}

// spot is the place of the byte at offset.
func (d *document) spot(offset int) mark {
	before := d.text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return mark{
		doc:    d,
		line:   bytes.Count(before, []byte("\n")) + 1,
		column: utf8.RuneCount(before[start:]) + 1,
		width:  1,
	}
}
