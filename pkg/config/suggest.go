package config

import (
	"fmt"
	"strings"
)

// nearest is the one of the known words that text was probably meant to be; empty where none is near.
func nearest(text string, known []string) string {
	best, least := "", 3
	switch {
	case len(text) <= 1: // every other letter would be near
		return ""
	case len(text) <= 3:
		least = 2
	}
	for _, k := range known {
		if d := distance(text, k, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters must be left out, added, changed or swapped with their neighbour to make b of a
// (optimal string alignment), or limit if it is that or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

// guesses is how many unknown names are compared with the known ones: in a large file that costs, and nobody reads more.
const guesses = 100

// unknownName says that v names no stanza, and which one may have been meant. Where some file could not be read it may
// stand there.
func (l *loader) unknownName(id id, kind string, v *value) {
	if l.partial {
		return
	}
	l.guessed++
	hint := ""
	if l.guessed <= guesses {
		hint = "; " + l.meantName(kind, v.text)
	}
	l.errorf(id, v, "no %s is named %s%s", strings.TrimSuffix(kind, "s"), quote(v.text), hint)
}

// meantName says which stanza of a kind may have been meant.
func (l *loader) meantName(kind, text string) string {
	known := make([]string, len(l.named[kind]))
	for i, p := range l.named[kind] {
		known[i] = p.key.text
	}
	if near := nearest(text, known); near != "" {
		return fmt.Sprintf("did you mean %q (%s)?", near, l.names[kind+"."+near].position())
	}
	if listener := l.names["listeners."+text]; listener != nil {
		return fmt.Sprintf("it is the name of a listener (%s)", listener.position())
	}
	const enough = 10
	switch {
	case len(known) == 0:
		return "there are none"
	case len(known) > enough:
		return "known: " + strings.Join(known[:enough], ", ") + ", …"
	}
	return "known: " + strings.Join(known, ", ")
}
