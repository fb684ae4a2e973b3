package config

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// shown is how many messages are written out; the rest is counted.
const shown = 20

// WriteText writes ds for people: of each message the first line as [Diagnostic.String] has it, then the line of the
// file with a caret under the spot. After 20 messages it says how many more there are. The error is that of w.
func (ds Diagnostics) WriteText(w io.Writer, color bool) error {
	out := bufio.NewWriter(w)
	for _, d := range ds[:min(len(ds), shown)] {
		d.write(out, paint(color))
	}
	if more := len(ds) - shown; more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	return out.Flush()
}

// paint is whether terminal colours are written.
type paint bool

func (p paint) in(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (d Diagnostic) write(out *bufio.Writer, p paint) {
	code := "1;31" // bold red
	if d.Severity == Warning {
		code = "1;33"
	}
	first := d.String()
	word := fmt.Sprintf(": %s: ", d.Severity)
	first = strings.Replace(first, word, ": "+p.in(code, string(d.Severity))+": ", 1)
	fmt.Fprintln(out, first)
	if d.Source == "" || d.Position.Column == 0 {
		return
	}
	number := fmt.Sprintf("%5d", d.Position.Line)
	text, column := excerpt(d.Source, d.Position.Column)
	fmt.Fprintf(out, "%s | %s\n", number, text)
	width := max(1, min(d.Width, len([]rune(text))-column+1))
	fmt.Fprintf(out, "%*s | %*s%s\n", len(number), "", column-1, "", p.in(code, strings.Repeat("^", width)))
}

// excerpt is the part of a line that fits a terminal and holds the column, which is given anew; both count runes from 1.
// What would steer the terminal, or move the caret, is replaced by one rune each.
func excerpt(line string, column int) (string, int) {
	const widest, before = 120, 60
	runes := []rune(strings.Map(printable, strings.ReplaceAll(line, "\t", " ")))
	start := 0
	if len(runes) > widest && column > before {
		start = min(column-before, len(runes))
	}
	return string(runes[start:min(len(runes), start+widest)]), column - start
}

// MarshalJSON gives d as machines read it; line and column are 0 for a whole file.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Severity Severity `json:"severity"`
		Message  string   `json:"message"`
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Column   int      `json:"column"`
		ID       string   `json:"id"`
		Path     string   `json:"path,omitempty"`
	}{d.Severity, d.Message, d.Position.File, d.Position.Line, d.Position.Column, d.ID, d.Path})
}
