package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// quiet is how long the page may be silent before it shows that the demo goes on.
const quiet = 3 * time.Second

// page is what the demo prints: short lines, with colour only on a terminal.
type page struct {
	color bool

	mu    sync.Mutex // guards what follows
	out   io.Writer
	blank bool        // whether the last line was empty
	pulse *time.Timer // fires when nothing was printed for a while; nil once the page is closed
}

func newPage(out *os.File) *page {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	p := &page{out: out, color: terminal && os.Getenv("NO_COLOR") == ""}
	p.pulse = time.AfterFunc(quiet, func() { p.say("...") })
	return p
}

// close ends the pulse; the page can still be written to.
func (p *page) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pulse.Stop()
	p.pulse = nil
}

func (p *page) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	fmt.Fprint(p.out, text)
	p.blank = text == "\n" || strings.HasSuffix(text, "\n\n")
	if p.pulse != nil {
		p.pulse.Reset(quiet)
	}
}

const (
	bold  = "1"
	dim   = "2"
	green = "32"
)

func (p *page) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// scene starts a part of the demo.
func (p *page) scene(title string) {
	p.printf("\n%s\n\n", p.paint(bold, title))
}

// say prints a plain line.
func (p *page) say(format string, args ...any) {
	p.printf("   "+format+"\n", args...)
}

// gap prints an empty line, unless there is one already.
func (p *page) gap() {
	p.mu.Lock()
	blank := p.blank
	p.mu.Unlock()
	if !blank {
		p.printf("\n")
	}
}

// done prints a line about something that has been checked.
func (p *page) done(format string, args ...any) {
	p.printf("   %s "+format+"\n", append([]any{p.paint(green, "✓")}, args...)...)
}

// quote prints what a file or a program says, set off from what the demo says.
func (p *page) quote(text string) {
	p.gap()
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			line = "     " + p.paint(dim, line)
		}
		p.printf("%s\n", line)
	}
	p.gap()
}

// bar prints shares of a hundred as a line of blocks.
func (p *page) bar(name string, percent int) {
	blocks := percent / 4
	p.say("  %-6s %s%s %3d of 100", name, strings.Repeat("█", blocks), strings.Repeat("·", 25-blocks), percent)
}

// end prints the last line.
func (p *page) end(format string, args ...any) {
	p.printf("\n%s\n", p.paint(bold, fmt.Sprintf(format, args...)))
}
