package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is printed in Markdown, its columns aligned.
type table struct {
	title  string
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) error {
	fmt.Fprintf(w, "\n### %s\n\n", t.title)
	aligned := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	rule := slices.Repeat([]string{"---"}, len(t.header))
	for _, row := range append([][]string{t.header, rule}, t.rows...) {
		fmt.Fprintf(aligned, "| %s |\n", strings.Join(row, "\t| "))
	}
	return aligned.Flush()
}

// series are the durations of one kind of thing.
type series []time.Duration

// quantile is the smallest duration that at least a share q of s does not exceed; 0 for an empty series.
func (s series) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[max(0, ceil(q*float64(len(s)))-1)]
}

func ceil(f float64) int {
	n := int(f)
	if float64(n) < f {
		n++
	}
	return n
}

func (s series) median() time.Duration { return s.quantile(0.5) }

// cells are p50, p99 and the maximum.
func (s series) cells() []string {
	return []string{ms(s.median()), ms(s.quantile(0.99)), ms(s.quantile(1))}
}

// ms is d in milliseconds, with two figures behind the point where it is short.
func ms(d time.Duration) string {
	digits := 1
	if d < 10*time.Millisecond {
		digits = 2
	}
	return fmt.Sprintf("%.*f", digits, float64(d)/float64(time.Millisecond))
}

// ratio is a by b.
func ratio[N ~int64](a, b N) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

// mib is a number of bytes in MiB.
func mib(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// kib is a number of bytes in KiB.
func kib(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<10)) }
