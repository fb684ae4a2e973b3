// Package finding is how the checks of what surrounds l4xds say what they found, for people and for programs.
//
//	doctor, hostcheck -> finding -> standard output
package finding

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Result is how a step went, or how a part is.
type Result string

// The results.
const (
	OK Result = "ok"
	// Unsure is what may be well, and cannot be told from here.
	Unsure Result = "unsure"
	// Skipped is what could not be tried.
	Skipped Result = "skipped"
	Failed  Result = "failed"
)

// Printer writes findings for people, one after the other, as they are made.
type Printer struct {
	out io.Writer
	// headings are those that the last finding stands under.
	headings []string
	counts   map[Result]int
	err      error
}

// NewPrinter writes to out.
func NewPrinter(out io.Writer) *Printer { return &Printer{out: out, counts: map[Result]int{}} }

// Under writes the headings that the next findings stand under, each one deeper; those that hold already are not repeated.
func (p *Printer) Under(headings ...string) {
	known := true
	for i, heading := range headings {
		known = known && i < len(p.headings) && p.headings[i] == heading
		if !known {
			p.printf("%s%s\n", indent(i), heading)
		}
	}
	p.headings = headings
}

// Say writes one finding: its message, and below it the lines that are not empty.
func (p *Printer) Say(r Result, message string, lines ...string) {
	p.printf("%s%-8s%s\n", indent(len(p.headings)), r, message)
	for _, line := range lines {
		if line != "" {
			p.printf("%s%-8s%s\n", indent(len(p.headings)), "", line)
		}
	}
	p.counts[r]++
}

// Close writes how many findings there were of each kind, and returns the first error of the writer.
func (p *Printer) Close() error {
	p.printf("%d ok, %d unsure, %d skipped, %d failed\n", p.counts[OK], p.counts[Unsure], p.counts[Skipped], p.counts[Failed])
	return p.err
}

func (p *Printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// WriteJSON writes all findings for programs. Sound is whether none of them failed.
func WriteJSON[F any](out io.Writer, sound bool, findings []F) error {
	if findings == nil {
		findings = []F{} // [] and not null
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Sound    bool `json:"sound"`
		Findings []F  `json:"findings"`
	}{sound, findings})
}
