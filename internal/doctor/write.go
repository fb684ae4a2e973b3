package doctor

import (
	"fmt"
	"io"

	"github.com/l4xds/l4xds/internal/finding"
)

// Writer writes findings for people, one after the other, as they are made.
type Writer struct{ *finding.Printer }

// NewWriter writes to out.
func NewWriter(out io.Writer) Writer { return Writer{finding.NewPrinter(out)} }

// Say writes one finding.
func (w Writer) Say(f Finding) {
	way := "far end " + f.Address + ", directly"
	if f.Way == Near {
		way = "near end, listener " + f.Listener + " at " + f.Address
	}
	w.Under(fmt.Sprintf("tunnel %s (%s:%d)", f.Tunnel, f.File, f.Line), way)
	w.Printer.Say(f.Result, f.Message, f.Advice)
}

// WriteJSON writes all findings for programs.
func WriteJSON(out io.Writer, findings []Finding) error {
	return finding.WriteJSON(out, Sound(findings), findings)
}
