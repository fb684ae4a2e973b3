package config

import (
	"maps"
	"slices"
)

// Node is what an Envoy says of itself in its first request.
// Envoy: envoy.config.core.v3.Node.
type Node struct {
	ID, Cluster, Zone string
	// Metadata holds the scalar values of the node's metadata, nested keys joined by dots, values as text.
	Metadata map[string]string
	// Capabilities are what its process may do, by its own account, in the order of [Capabilities].
	Capabilities []Capability
}

// Selector says which Envoys are meant: those that fit any of its terms. The zero Selector means all.
type Selector struct {
	Terms []Term
}

// Term is one group's conditions, all of which must fit; an empty condition fits every node.
type Term struct {
	// ID is the id of the node; `*` stands for any text, also none.
	// Envoy: envoy.config.core.v3.Node.id, as the Envoy gives it
	ID string `yaml:"id"`
	// Cluster is the cluster of the node.
	// Envoy: envoy.config.core.v3.Node.cluster, as the Envoy gives it
	Cluster string `yaml:"cluster"`
	// Metadata are values of the node's metadata, as texts; `site.rack` is the key rack inside of site.
	// Envoy: envoy.config.core.v3.Node.metadata, as the Envoy gives it
	Metadata map[string]string `yaml:"metadata"`
	// Zone is the zone in the locality of the node.
	// Envoy: envoy.config.core.v3.Node.locality.zone, as the Envoy gives it
	Zone string `yaml:"zone"`
}

// Match reports whether s means n.
func (s Selector) Match(n Node) bool {
	for _, t := range s.Terms {
		if t.match(n) {
			return true
		}
	}
	return len(s.Terms) == 0
}

// Meets reports whether some node may fit both s and o. It is false only where that is certain: two different literals,
// or globs that share no text.
func (s Selector) Meets(o Selector) bool {
	if len(s.Terms) == 0 || len(o.Terms) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Terms, func(t Term) bool { return slices.ContainsFunc(o.Terms, t.meets) })
}

func (t Term) match(n Node) bool {
	if t.ID != "" && !globMatches(t.ID, n.ID) ||
		t.Cluster != "" && t.Cluster != n.Cluster ||
		t.Zone != "" && t.Zone != n.Zone {
		return false
	}
	for key, want := range t.Metadata {
		if got, ok := n.Metadata[key]; !ok || got != want {
			return false
		}
	}
	return true
}

func (t Term) meets(o Term) bool {
	if t.ID != "" && o.ID != "" && !globsMeet(t.ID, o.ID) ||
		t.Cluster != "" && o.Cluster != "" && t.Cluster != o.Cluster ||
		t.Zone != "" && o.Zone != "" && t.Zone != o.Zone {
		return false
	}
	for key, value := range t.Metadata {
		if other, ok := o.Metadata[key]; ok && other != value {
			return false
		}
	}
	return true
}

// Equal reports whether s and o are written alike.
func (s Selector) Equal(o Selector) bool {
	if len(s.Terms) != len(o.Terms) {
		return false
	}
	for i, t := range s.Terms {
		u := o.Terms[i]
		if t.ID != u.ID || t.Cluster != u.Cluster || t.Zone != u.Zone || !maps.Equal(t.Metadata, u.Metadata) {
			return false
		}
	}
	return true
}

// globMatches reports whether text fits pattern, in which `*` stands for any text. It goes back to the last star only,
// so that its cost is at most len(pattern)*len(text).
func globMatches(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globsMeet reports whether some text fits both patterns.
func globsMeet(a, b string) bool {
	for a != "" && b != "" && a[0] != '*' && b[0] != '*' { // most pairs differ here
		if a[0] != b[0] {
			return false
		}
		a, b = a[1:], b[1:]
	}
	// row[j]: whether a[i:] and b[j:] share a text, filled from the ends.
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		diagonal := false // row[j+1] of i+1
		for j := len(b); j >= 0; j-- {
			below := row[j]
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i] == '*':
				row[j] = below || j < len(b) && row[j+1]
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && below
			case i < len(a) && j < len(b) && a[i] == b[j]:
				row[j] = diagonal
			default:
				row[j] = false
			}
			diagonal = below
		}
	}
	return row[0]
}
