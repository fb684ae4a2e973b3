package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// page is what the demo prints: short lines, with colour only on a terminal.
type page struct {
	out   io.Writer
	color bool
}

func newPage(out *os.File) *page {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &page{out: out, color: terminal && os.Getenv("NO_COLOR") == ""}
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
func (p *page) scene(number int, title string) {
	fmt.Fprintf(p.out, "\n%s\n\n", p.paint(bold, fmt.Sprintf("%d. %s", number, title)))
}

// say prints a plain line.
func (p *page) say(format string, args ...any) {
	fmt.Fprintf(p.out, "   "+format+"\n", args...)
}

// done prints a line about something that has been checked.
func (p *page) done(format string, args ...any) {
	fmt.Fprintf(p.out, "   %s "+format+"\n", append([]any{p.paint(green, "✓")}, args...)...)
}

// quote prints what a file or a program says, set off from what the demo says.
func (p *page) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(p.out, "     %s\n", p.paint(dim, strings.TrimRight(line, "\n")))
	}
}

// bar prints shares of a hundred as a line of blocks.
func (p *page) bar(name string, percent int) {
	blocks := percent / 4
	p.say("  %-6s %s%s %3d of 100", name, strings.Repeat("█", blocks), strings.Repeat("·", 25-blocks), percent)
}

// end prints the last line.
func (p *page) end(format string, args ...any) {
	fmt.Fprintf(p.out, "\n%s\n", p.paint(bold, fmt.Sprintf(format, args...)))
}
