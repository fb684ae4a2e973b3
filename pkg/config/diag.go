package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a message stops the configuration from being used.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one message about the files.
type Diagnostic struct {
	Severity Severity
	// ID is stable over versions: "L4X0107".
	ID string
	// Position is where the mistake stands; its File is always set, Line and Column may be 0 for a whole file.
	Position Position
	// Path is the key's path, "listeners.db.tcp"; empty for syntax errors.
	Path string
	// Message says in one line what is wrong, with the value as written and, after a semicolon, what would be right.
	Message string
	// Source is the line of the file, without its line end; Width is how many runes the caret underlines, at least 1.
	Source string
	Width  int
}

// String is the first line of d, as editors and CI read it: "edge.yaml:14:10: error: listeners.db.tcp: ... [L4X0107]".
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.Position.String())
	fmt.Fprintf(&b, ": %s: ", d.Severity)
	if d.Path != "" {
		b.WriteString(d.Path)
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s [%s]", d.Message, d.ID)
	return b.String()
}

// String is p as editors read it: "edge.yaml:14:10", without what is unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Diagnostics are all messages of one look at the files, sorted by place.
type Diagnostics []Diagnostic

// HasErrors reports whether some message stops the configuration from being used.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// IsMissing reports whether d says that a path does not exist.
func IsMissing(d Diagnostic) bool { return d.ID == MissingID }

// IsHalfDone reports whether d says that a certificate, its key, or a file of authorities is missing or wrong by itself or
// beside the other: so it is between two files that are replaced one after the other.
func IsHalfDone(d Diagnostic) bool {
	switch id(d.ID) {
	case idFile, idPEM, idKeyMismatch:
		return true
	}
	return false
}

// report collects the messages of one Load. The same words about the same spot are kept once: a value of `defaults:`,
// or one that stands behind an anchor, is read several times.
type report struct {
	list Diagnostics
	seen map[said]bool
	// unknown counts the keys that are not known: what is missing may be one of them, misspelt.
	unknown int
}

// said is what makes two messages the same.
type said struct {
	position Position
	id       id
	message  string
}

// mark is a spot in a document that a message can underline. The zero line means the whole file.
type mark struct {
	doc                 *document
	line, column, width int
}

func (r *report) add(severity Severity, id id, at mark, path, message string) {
	p := Position{File: at.doc.path, Line: at.line, Column: at.column}
	key := said{p, id, message}
	if r.seen[key] {
		return
	}
	if r.seen == nil {
		r.seen = map[said]bool{}
	}
	r.seen[key] = true
	r.list = append(r.list, Diagnostic{
		Severity: severity,
		ID:       string(id),
		Position: p,
		Path:     path,
		Message:  message,
		Source:   at.doc.line(at.line),
		Width:    max(at.width, 1),
	})
}

// errorf says what is wrong with v.
func (r *report) errorf(id id, v *value, format string, args ...any) {
	r.add(Error, id, v.mark(), v.path(), fmt.Sprintf(format, args...))
}

// warnf says what is odd about v, but can be used.
func (r *report) warnf(id id, v *value, format string, args ...any) {
	r.add(Warning, id, v.mark(), v.path(), fmt.Sprintf(format, args...))
}

// fail says what is wrong with a file that has no values to point at.
func (r *report) fail(id id, at mark, format string, args ...any) {
	r.add(Error, id, at, "", fmt.Sprintf(format, args...))
}

// sorted is all that was said, by file, line and column.
func (r *report) sorted() Diagnostics {
	slices.SortStableFunc(r.list, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Position.File, b.Position.File),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
			cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return r.list
}
