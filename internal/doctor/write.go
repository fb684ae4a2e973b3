package doctor

import (
	"encoding/json"
	"fmt"
	"io"
)

// Writer writes findings for people, one after the other, as they are made.
type Writer struct {
	out io.Writer
	// tunnel, and the way to it, that the last finding was about.
	tunnel, way string
	counts      map[Result]int
	err         error
}

// NewWriter writes to out.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out, counts: map[Result]int{}} }

// Say writes one finding.
func (w *Writer) Say(f Finding) {
	if f.Tunnel != w.tunnel {
		w.printf("tunnel %s (%s:%d)\n", f.Tunnel, f.File, f.Line)
		w.tunnel, w.way = f.Tunnel, ""
	}
	way := "far end " + f.Address + ", directly"
	if f.Way == Near {
		way = "near end, listener " + f.Listener + " at " + f.Address
	}
	if way != w.way {
		w.printf("  %s\n", way)
		w.way = way
	}
	w.printf("    %-8s%s\n", f.Result, f.Message)
	if f.Advice != "" {
		w.printf("    %-8s%s\n", "", f.Advice)
	}
	w.counts[f.Result]++
}

// Close writes how many findings there were of each kind, and returns the first error of the writer.
func (w *Writer) Close() error {
	w.printf("%d ok, %d unsure, %d skipped, %d failed\n", w.counts[OK], w.counts[Unsure], w.counts[Skipped], w.counts[Failed])
	return w.err
}

func (w *Writer) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

// WriteJSON writes all findings for programs.
func WriteJSON(out io.Writer, findings []Finding) error {
	if findings == nil {
		findings = []Finding{} // [] and not null
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Sound    bool      `json:"sound"`
		Findings []Finding `json:"findings"`
	}{Sound(findings), findings})
}
