package config

import "bytes"

// A document is read in pieces where its form allows it: one for each stanza, one for each other key at the top. YAML
// reads such a piece alone as it does in its place, so that a piece which did not change need not be read again.
//
// The form is that of nearly every file: block style, a stanza's name alone in front of its colon, all names of a
// section indented alike. Whatever else there may be (flow style around stanzas, anchors from one stanza to another, a
// second document, a block of text that keeps the empty lines at its end, any mistake) is left to the reading of the
// whole.

// chunk is a piece of a document: the lines of one key.
type chunk struct {
	name string
	// line is the number of its first line, from 1, and column that of its name.
	line, column int
	// text ends with the last line that may mean something. A section that is divided has none of its own.
	text []byte
	// stanzas are the pieces of a section that is divided.
	stanzas []*chunk
	// known is what the former Load made of the text; nil if it had no such text, or if the text was not looked up.
	known *memo
	// decoded is what the YAML library made of the text, until it is read.
	decoded decoded
	// values is how many values the text holds, once it is read.
	values int
}

// maxSections is how many sections a text may be cut into, far more than the language has: each costs a reader of its own.
const maxSections = 64

// divide cuts text into the sections at its top, and those that are remembered by their stanzas into these. It returns
// nil where the form does not allow it.
func divide(text []byte) []*chunk {
	var d division
	for offset, number := 0, 1; offset < len(text); number++ {
		line := text[offset:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		if !d.line(text, offset, number, line) {
			return nil
		}
		offset += len(line)
	}
	return d.sections
}

// division is what divide knows of the lines above.
type division struct {
	sections []*chunk
	// open is the section whose stanzas may follow; nil where there are none to come.
	open *chunk
	// last is the chunk that the next line belongs to, unless it begins one, and from is where its text begins.
	last *chunk
	from int
}

// line takes in the next line, which is at this offset of text. It reports whether the form holds.
func (d *division) line(text []byte, offset, number int, line []byte) bool {
	content := bytes.TrimLeft(line, " ")
	at := len(line) - len(content)
	content = bytes.TrimRight(content, "\r\n")
	switch {
	case len(content) == 0 && at > 0 && line[len(line)-1] != '\n':
		return false // white space at the very end may belong to a text in front of it
	case len(content) == 0:
		return true // it means something only to a text that keeps such lines
	case content[0] == '#':
		if d.last != nil && at >= d.last.column { // it may be part of a text
			d.last.text = text[d.from : offset+len(line)]
		}
		return true
	case content[0] == '\t', at > 0 && d.last == nil, mayKeep(content):
		return false
	}
	name, rest, ok := bytes.Cut(content, []byte(":"))
	isKey := ok && plainName(name) && (len(rest) == 0 || rest[0] == ' ')
	switch {
	case at == 0 && (!isKey || len(d.sections) == maxSections):
		return false
	case at == 0:
		d.open = nil
		d.sections = append(d.sections, d.begin(offset, number, at, name))
		if rest = bytes.TrimLeft(rest, " "); (len(rest) == 0 || rest[0] == '#') && divided(d.last.name) {
			d.open = d.last
		}
	case d.open == nil:
	case len(d.open.stanzas) == 0 && !isKey:
		d.open = nil // a list, or whatever: one piece
	case isKey && (len(d.open.stanzas) == 0 || at+1 == d.open.stanzas[0].column):
		d.open.stanzas = append(d.open.stanzas, d.begin(offset, number, at, name))
	}
	d.last.text = text[d.from : offset+len(line)]
	return true
}

// begin makes the chunk that starts with this line.
func (d *division) begin(offset, number, indent int, name []byte) *chunk {
	d.from = offset
	d.last = &chunk{name: string(name), line: number, column: indent + 1}
	return d.last
}

// mayKeep reports whether line may begin a text that keeps the empty lines at its end, as |+ does.
func mayKeep(line []byte) bool {
	at := bytes.IndexAny(line, "|>")
	return at >= 0 && bytes.IndexByte(line[at:], '+') > 0
}

// plainName reports whether name is sure to be a text to YAML, from its first byte to its last: a letter or digit, then
// letters, digits, - and _.
func plainName(name []byte) bool {
	if len(name) == 0 || !alphanumeric(name[0]) {
		return false
	}
	for _, c := range name {
		if !alphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
