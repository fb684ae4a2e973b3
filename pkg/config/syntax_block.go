package config

import (
	"regexp"
	"strings"
	"unicode"
)

// conflict is what git leaves in a file.
var conflict = regexp.MustCompile(`^(<{7}|={7}|>{7})( |$)`)

// block reads line n outside of brackets and quotes.
func (s *scan) block() {
	line := s.lines[s.n]
	at := indent(line)
	switch rest := string(line[at:]); {
	case blank(line):
	case s.ended && !strings.HasPrefix(rest, "---"):
		s.fail(s.n, at, len(line)-at, "text behind the end of the document (...); take that line out")
	case conflict.Match([]byte(rest)):
		s.fail(s.n, at, len(line)-at, "a merge conflict that is not resolved")
	case rest[0] == '\t':
		s.fail(s.n, at, 1, "a tab indents this line; YAML takes spaces only")
	case at == 0 && rest[0] == '%':
		s.fail(s.n, 0, len(line), "a line that starts with %% is a directive, of which none is needed; take it out")
	case at == 0 && (strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "...")):
		s.levels, s.expects, s.ended = nil, true, rest[0] == '.'
	default:
		s.node(at, true)
	}
}

// node reads what starts at a column: dashes, a key, and what stands behind them. first is whether it starts the line.
func (s *scan) node(at int, first bool) {
	line := s.lines[s.n]
	if line[at] == '-' && (at+1 == len(line) || line[at+1] == ' ') {
		if s.place(at, true, first) {
			s.item(at + 1)
		}
		return
	}
	colon := s.key(at)
	if s.found != nil {
		return
	}
	if colon < 0 {
		s.text(at, first)
		return
	}
	if s.place(at, false, first) {
		s.value(colon + 1)
	}
}

// item reads what stands behind a dash.
func (s *scan) item(at int) {
	line := s.lines[s.n]
	for at < len(line) && line[at] == ' ' {
		at++
	}
	if at == len(line) || line[at] == '#' {
		s.expects = true
		return
	}
	s.expects = true
	s.node(at, false)
}

// key is the column of the colon behind the key that starts at a column; -1 if there is none.
func (s *scan) key(at int) int {
	line := s.lines[s.n]
	i := at
	switch line[at] {
	case '"', '\'':
		if i = s.quoted(at); i < 0 {
			return -1
		}
		for i < len(line) && line[i] == ' ' {
			i++
		}
		if i < len(line) && line[i] == ':' && ends(line, i+1) {
			return i
		}
		return -1
	case '[', '{', '|', '>', '#':
		return -1
	case '*':
		s.star(at)
	}
	for ; i < len(line); i++ {
		if line[i] == ':' && ends(line, i+1) {
			return i
		}
		if line[i] == '#' && i > at && unicode.IsSpace(line[i-1]) {
			break
		}
	}
	return -1
}

// ends reports whether a colon or a dash in front of column at is one to YAML: space or nothing follows.
func ends(line []rune, at int) bool {
	return at >= len(line) || line[at] == ' ' || line[at] == '\t'
}

// place finds the block that a key or a dash at a column belongs to. It reports whether what stands behind it is to be
// read.
func (s *scan) place(at int, list, first bool) bool {
	loose := s.loose
	s.loose.line = -1
	if len(s.levels) == maxDepth {
		s.tooDeep(at)
		return false
	}
	if !first {
		s.levels = append(s.levels, level{at, list, s.n})
		return true
	}
	var left *level // the last block that ended here
	for len(s.levels) > 0 && s.top().indent > at {
		left = s.top()
		s.levels = s.levels[:len(s.levels)-1]
	}
	if len(s.levels) > 0 && s.top().indent == at {
		return s.sibling(at, list)
	}
	switch {
	case left != nil && len(s.levels) == 0:
		s.fail(left.line, left.indent, 1, "indented by %d, but there is no key above that this could belong to", left.indent)
	case left != nil:
		s.misaligned(at, left)
	case loose.line >= 0 && loose.column == at:
		s.noColon(loose.line, at)
	case !s.expects && list:
		s.loose = loose
		return false // a text that goes on
	case !s.expects:
		s.fail(s.n, at, len(s.lines[s.n])-at, "indented deeper than the line above, which has its value already")
	}
	s.levels = append(s.levels, level{at, list, s.n})
	return s.found == nil
}

// tooDeep says that blocks or brackets stand too deep in each other.
func (s *scan) tooDeep(at int) {
	s.fail(s.n, at, 1, "lists and maps stand more than %d deep in each other", maxDepth)
	s.found.id = idTooMuch
}

func (s *scan) top() *level { return &s.levels[len(s.levels)-1] }

// sibling goes on with the block at the same column.
func (s *scan) sibling(at int, list bool) bool {
	top := s.top()
	switch {
	case top.list == list:
	case list && s.expects: // a list may stand below its key
		s.levels = append(s.levels, level{at, true, s.n})
	case list:
		s.fail(s.n, at, 1, "a list item among keys; the key of the list has its value already")
	case len(s.levels) > 1 && s.levels[len(s.levels)-2].indent == at:
		s.levels = s.levels[:len(s.levels)-1]
	default:
		s.fail(s.n, at, 1, "a key among list items; it needs a dash, or another indentation")
	}
	return s.found == nil
}

// misaligned blames a line that stands between two columns, or the block in front of it, whichever is unusual.
func (s *scan) misaligned(at int, left *level) {
	odd := left
	margin := s.top().indent
	if n := len(s.levels); n > 1 && s.levels[n-2].indent+s.step() == at {
		odd, margin = s.top(), s.levels[n-2].indent
	}
	if at == margin+s.step() {
		s.fail(odd.line, odd.indent, 1, "indented by %d, and line %d of the same block by %d", odd.indent, s.n+1, at)
		return
	}
	s.fail(s.n, at, 1, "indented by %d, and no line above is; the block it may belong to is indented by %d (line %d)",
		at, left.indent, left.line+1)
}

// text reads a line that has no key and no dash.
func (s *scan) text(at int, first bool) {
	line := s.lines[s.n]
	if !s.expects && first && len(s.levels) > 0 {
		if s.top().indent >= at {
			s.noColon(s.n, at)
		}
		return // a text that goes on
	}
	s.loose.line, s.loose.column = s.n, at
	if strings.ContainsRune("[{\"'&*!|>@`%", line[at]) {
		s.loose.line = -1
	}
	s.value(at)
}

// noColon says that a line has no key.
func (s *scan) noColon(n, at int) {
	line := string(s.lines[n][at:])
	width := len(s.lines[n]) - at
	if name, rest, ok := strings.Cut(line, ":"); ok {
		s.fail(n, at, width, "a colon needs a space behind it: write %s", quote(name+": "+rest))
		return
	}
	s.fail(n, at, width, "neither KEY: VALUE nor a list item; a colon is missing")
}

// value reads what stands behind a key or a dash.
func (s *scan) value(at int) {
	line := s.lines[s.n]
	for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
		at++
	}
	s.expects = at == len(line) || line[at] == '#'
	if s.expects {
		return
	}
	switch c := line[at]; {
	case c == '&' || c == '!':
		for at < len(line) && !unicode.IsSpace(line[at]) {
			at++
		}
		s.value(at)
	case c == '*':
		s.star(at)
	case c == '|' || c == '>':
		s.literal(at)
	case c == '[' || c == '{':
		s.flow(at)
	case c == '"' || c == '\'':
		if end := s.quoted(at); end >= 0 && !blank(line[end:]) {
			end += indent(line[end:])
			s.fail(s.n, end, len(line)-end, "text behind the closing quote")
		}
	case c == '-' && ends(line, at+1):
		s.fail(s.n, at, 1, "a list item cannot stand behind its key; start a new line, or write [a, b]")
	case strings.ContainsRune("@`%,]}", c):
		s.needsQuotes(at)
	default:
		s.plain(at)
	}
}

// needsQuotes says that a value starts with a character that YAML keeps for itself.
func (s *scan) needsQuotes(at int) {
	line := s.lines[s.n]
	s.fail(s.n, at, 1, "a value cannot start with %c; put it in quotes", line[at])
}

// plain reads a text without quotes: a colon with a space behind it would be a second key.
func (s *scan) plain(at int) {
	line := s.lines[s.n]
	for i := at; i < len(line); i++ {
		switch {
		case line[i] == '#' && unicode.IsSpace(line[i-1]):
			return
		case line[i] == ':' && ends(line, i+1):
			s.fail(s.n, i, 1, "a second colon in one line; put the value in quotes, or in braces: {key: value}")
			return
		}
	}
}

// aliasName is what may stand behind a *.
var aliasName = regexp.MustCompile(`^\*[A-Za-z0-9_-]+([\s,\]}:]|$)`)

// star reads an alias; other texts that start with a * need quotes.
func (s *scan) star(at int) {
	if !aliasName.MatchString(s.ahead(at)) {
		s.fail(s.n, at, 1, "a text that starts with * needs quotes, as \"*.example.com\"")
	}
}

// literalHead is the first line of a block of text.
var literalHead = regexp.MustCompile(`^[|>][-+0-9]*\s*(\s#.*)?$`)

// literal passes over a block of text: all lines that are indented deeper than its key.
func (s *scan) literal(at int) {
	line := s.lines[s.n]
	if !literalHead.MatchString(string(line[at:])) {
		s.fail(s.n, at, len(line)-at, "a value cannot start with %c; put it in quotes", line[at])
		return
	}
	outer := -1
	if len(s.levels) > 0 {
		outer = s.top().indent
	}
	for s.n+1 < len(s.lines) {
		next := s.lines[s.n+1]
		if deep := indent(next); deep < len(next) && next[deep] == '\t' && deep <= outer {
			s.fail(s.n+1, deep, 1, "a tab indents this line; YAML takes spaces only")
			return
		} else if deep < len(next) && deep <= outer {
			return
		}
		s.n++
	}
}
