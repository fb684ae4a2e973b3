package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// explain says why doc is not YAML. The library stops at the first mistake, says it in the words of its grammar, and
// often on the wrong line or on none; so the text is read once more, for what people get wrong.
func (r *report) explain(doc *document, err error) {
	if second, ok := errors.AsType[*secondDocumentError](err); ok {
		r.secondDocument(doc, second.line)
		return
	}
	s := newScan(doc)
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		s.anchor(m[1])
	} else {
		s.run()
	}
	if s.found == nil {
		s.found = s.guess(err)
	}
	r.fail(s.found.id, s.found.mark, "%s", s.found.message)
}

// unknownAnchor is the one text of the library that is needed: it names the anchor.
var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

// secondDocument points at the line that starts the document; line is that of its first value.
func (r *report) secondDocument(doc *document, line int) {
	for line > 1 && !strings.HasPrefix(doc.line(line), "---") {
		line--
	}
	r.fail(idDocument, mark{doc: doc, line: line, column: 1, width: 3},
		"a second document starts here, and would be ignored; put it into a file of its own")
}

// finding is the mistake.
type finding struct {
	id      id
	mark    mark
	message string
}

// scan reads a text that is known not to be YAML, line by line, until it finds a mistake. What it does not understand it
// passes over.
type scan struct {
	doc   *document
	lines [][]rune
	found *finding
	// n is the line at hand, from 0.
	n int
	// levels are the maps and lists of blocks that the line may go on.
	levels []level
	// expects is whether the last key or dash has no value yet.
	expects bool
	// ended is whether the document was ended by a line of three dots.
	ended bool
	// loose is a line that is no key, where one may have been meant; loose.line is -1 where there is none.
	loose struct{ line, column int }
	// steps counts by how much blocks are indented.
	steps map[int]int
}

// level is one map or list written as a block.
type level struct {
	indent int
	list   bool
	line   int // its first
}

func newScan(doc *document) *scan {
	s := &scan{doc: doc, steps: map[int]int{}, expects: true}
	s.loose.line = -1
	for line := range bytes.Lines(doc.text) {
		s.lines = append(s.lines, []rune(string(bytes.TrimRight(line, "\r\n"))))
	}
	return s
}

// fail takes a mistake on line n, unless there is one already. Lines and columns count from 0.
func (s *scan) fail(n, column, width int, format string, args ...any) {
	if s.found == nil {
		s.found = &finding{idSyntax, mark{s.doc, n + 1, column + 1, width}, fmt.Sprintf(format, args...)}
	}
}

// run reads all lines, up to the first mistake.
func (s *scan) run() {
	s.measure()
	for s.n = 0; s.n < len(s.lines) && s.found == nil; s.n++ {
		s.block()
	}
}

// measure counts by how much blocks are indented, to know in a doubtful case which line stands out.
func (s *scan) measure() {
	last := 0
	for _, line := range s.lines {
		at := indent(line)
		if blank(line[at:]) {
			continue
		}
		if at > last {
			s.steps[at-last]++
		}
		last = at
	}
}

// step is the usual indentation.
func (s *scan) step() int {
	const common = 2
	best := common
	for step, n := range s.steps {
		if n > s.steps[common]+1 && (best == common || n > s.steps[best] || n == s.steps[best] && step < best) {
			best = step
		}
	}
	return best
}

// guess is the mistake as the library has it, in words that hold for all: it is near its line.
func (s *scan) guess(err error) *finding {
	line := 1
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	line = max(1, min(line, len(s.lines)))
	at := mark{s.doc, line, 1, 1}
	if line <= len(s.lines) {
		text := s.lines[line-1]
		at.column, at.width = indent(text)+1, max(1, len(text)-indent(text))
	}
	return &finding{idSyntax, at, "this line, or one next to it, is not YAML; look for quotes, brackets, colons and indentation"}
}

// anchor finds the first alias of an anchor that is not there.
func (s *scan) anchor(name string) {
	var known []string
	for _, m := range regexp.MustCompile(`&([A-Za-z0-9_-]+)`).FindAllSubmatch(s.doc.text, -1) {
		known = append(known, string(m[1]))
	}
	alias := regexp.MustCompile(`(^|[\s,\[{:])\*` + regexp.QuoteMeta(name) + `($|[\s,\]}:])`)
	for n, line := range s.lines {
		text := string(line)
		at := alias.FindStringIndex(text)
		if at == nil {
			continue
		}
		column := len([]rune(text[:at[0]+strings.Index(text[at[0]:], "*")]))
		s.fail(n, column, len(name)+1, "no anchor &%s stands above; to write a * put it in quotes%s", name, meant(name, known))
		s.found.id = idAnchor
		return
	}
}

// ahead is the text from a column on, as far as any rule looks: lines may be long.
func (s *scan) ahead(at int) string {
	const farthest = 200
	line := s.lines[s.n]
	return string(line[at:min(len(line), at+farthest)])
}

// meant is the end of a message that says what may have been meant.
func meant(text string, known []string) string {
	if near := nearest(text, known); near != "" && near != text {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// indent is how many spaces line starts with.
func indent(line []rune) int {
	n := 0
	for n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}

// blank reports whether nothing stands in line but space and a comment.
func blank(line []rune) bool {
	for _, c := range line {
		if c == '#' {
			return true
		}
		if c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}
