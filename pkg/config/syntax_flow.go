package config

import (
	"regexp"
	"strings"
	"unicode"
)

// bracket is one that is open.
type bracket struct {
	open      rune
	line, col int
	// last is what stood last in it: 0 for nothing, ',', ':' or 'v' for a value.
	last rune
	// colons counts those since the last comma.
	colons int
}

// flow reads lists and maps in brackets, over several lines, from the bracket at a column to the end of its line.
func (s *scan) flow(at int) {
	margin := indent(s.lines[s.n])
	var open []bracket
	for start := s.n; s.n < len(s.lines); s.n++ {
		line := s.lines[s.n]
		if s.n > start && s.keyAtMargin(line, margin) {
			s.notClosed(open[len(open)-1])
			return
		}
		for at < len(line) && s.found == nil {
			if at = s.token(at, &open); len(open) == 0 {
				s.behind(at)
				return
			}
		}
		if s.found != nil {
			return
		}
		at = 0
	}
	s.n = len(s.lines) - 1
	s.notClosed(open[0])
}

// keyAtMargin reports whether a line goes on with the block around the brackets: they were not closed.
func (s *scan) keyAtMargin(line []rune, margin int) bool {
	at := indent(line)
	if blank(line) || at > margin || strings.ContainsRune("]},", line[at]) {
		return false
	}
	for i := at; i < len(line); i++ {
		if line[i] == ':' && ends(line, i+1) {
			return true
		}
		if strings.ContainsRune("[]{},", line[i]) {
			return false
		}
	}
	return false
}

func (s *scan) notClosed(b bracket) {
	s.fail(b.line, b.col, 1, "the %c is not closed", b.open)
}

// behind checks what stands behind the last bracket.
func (s *scan) behind(at int) {
	line := s.lines[s.n]
	at += indent(line[at:])
	switch {
	case s.found != nil || blank(line[at:]):
	case line[at] == ']' || line[at] == '}':
		s.fail(s.n, at, 1, "one %c too many", line[at])
	default:
		s.fail(s.n, at, len(line)-at, "text behind the closing bracket; if it belongs to the value, put all of it in quotes")
	}
}

// token reads one token inside of brackets, and gives the column behind it.
func (s *scan) token(at int, open *[]bracket) int {
	line := s.lines[s.n]
	c := line[at]
	switch {
	case unicode.IsSpace(c):
		return at + 1
	case c == '#' && (at == 0 || unicode.IsSpace(line[at-1])):
		return len(line)
	case c == '[' || c == '{':
		return s.opening(at, open)
	case c == ']' || c == '}':
		return s.closing(at, open)
	}
	b := &(*open)[len(*open)-1]
	switch {
	case c == ',':
		if b.last == 0 || b.last == ',' {
			s.fail(s.n, at, 1, "a comma with nothing in front of it")
		}
		b.last, b.colons = ',', 0
		return at + 1
	case c == ':' && (b.last == 'v' || ends(line, at+1)):
		if b.colons++; b.colons > 1 {
			s.fail(s.n, at, 1, "a second colon for one key; a comma is missing in front, or quotes around the value")
		}
		b.last = ':'
		return at + 1
	}
	return s.scalar(at, b)
}

// bracketed is what may be an IPv6 address in its brackets, which are a list to YAML.
var bracketed = regexp.MustCompile(`^\[([0-9A-Fa-f:.]+)\](:[0-9-]*)?`)

func (s *scan) opening(at int, open *[]bracket) int {
	line := s.lines[s.n]
	if m := bracketed.FindStringSubmatch(s.ahead(at)); m != nil && strings.Count(m[1], ":") > 1 {
		s.fail(s.n, at, len(m[0]), "an address with brackets needs quotes: write \"%s\"", m[0])
		return at
	}
	if len(*open) > 0 {
		s.another(at, &(*open)[len(*open)-1])
	}
	if len(*open) == maxDepth {
		s.tooDeep(at)
	}
	*open = append(*open, bracket{open: line[at], line: s.n, col: at})
	return at + 1
}

// another notes a value in b, and says where a comma is missing in front of it.
func (s *scan) another(at int, b *bracket) {
	switch line := s.lines[s.n]; {
	case b.last == 'v' && at > 0 && line[at-1] == ':':
		s.fail(s.n, at-1, 1, "a colon needs a space behind it")
	case b.last == 'v':
		s.fail(s.n, at, 1, "a comma is missing in front of this")
	}
	b.last = 'v'
}

func (s *scan) closing(at int, open *[]bracket) int {
	c := s.lines[s.n][at]
	b := (*open)[len(*open)-1]
	if (b.open == '[') != (c == ']') {
		s.fail(b.line, b.col, 1, "the %c is not closed; line %d has a %c instead", b.open, s.n+1, c)
	}
	*open = (*open)[:len(*open)-1]
	return at + 1
}

// scalar reads a text inside of brackets.
func (s *scan) scalar(at int, b *bracket) int {
	line := s.lines[s.n]
	c := line[at]
	switch {
	case c == '&' || c == '!':
		for at < len(line) && !unicode.IsSpace(line[at]) && !strings.ContainsRune(",[]{}", line[at]) {
			at++
		}
		return at
	case c == '"' || c == '\'':
		s.another(at, b)
		end := s.quoted(at)
		if end < 0 {
			return len(line)
		}
		return end
	case c == '*':
		s.star(at)
	case strings.ContainsRune("@`%|>", c):
		s.needsQuotes(at)
	case c == '-' && ends(line, at+1):
		s.fail(s.n, at, 1, "a dash inside of brackets; items are set apart by commas")
	}
	s.another(at, b)
	for at < len(line) && !strings.ContainsRune(",[]{}", line[at]) {
		if line[at] == ':' && ends(line, at+1) || line[at] == '#' && unicode.IsSpace(line[at-1]) {
			break
		}
		at++
	}
	return at
}

// quoted is the column behind the quote that closes the one at a column; -1 if none does on this line.
func (s *scan) quoted(at int) int {
	line := s.lines[s.n]
	quote := line[at]
	for i := at + 1; i < len(line); i++ {
		switch {
		case quote == '"' && line[i] == '\\':
			if i+1 < len(line) && !strings.ContainsRune("0abtnvfre \"/\\N_LPxuU\t", line[i+1]) {
				s.fail(s.n, i, 2, "\\%c means nothing in double quotes; write \\\\, or use single quotes", line[i+1])
			}
			i++
		case quote == '\'' && line[i] == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
		case line[i] == quote:
			return i + 1
		}
	}
	s.fail(s.n, at, 1, "the quote is not closed on this line")
	return -1
}
