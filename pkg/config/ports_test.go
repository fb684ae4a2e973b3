package config

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestPortsProperty holds the indexed search for clashes to the comparison of all pairs.
func TestPortsProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	addresses := []string{"0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "::1"}
	ids := []string{"", "a", "b", "a*", "*b", "*"}
	for range 2000 {
		var listeners []*Listener
		for i := range 2 + random.IntN(3) {
			first := uint16(1 + random.IntN(5))
			l := &Listener{Name: fmt.Sprint("l", i), Protocol: []Protocol{TCP, UDP}[random.IntN(2)]}
			for range 1 + random.IntN(2) {
				l.Binds = append(l.Binds, Bind{
					Address: netip.MustParseAddr(addresses[random.IntN(len(addresses))]),
					Port:    first, Last: first + uint16(random.IntN(3)),
				})
				if random.IntN(5) == 0 {
					l.Binds[len(l.Binds)-1] = Bind{Path: "/" + string(rune('a'+random.IntN(2)))}
				}
			}
			for range random.IntN(3) {
				l.Audience.Terms = append(l.Audience.Terms, Term{ID: ids[random.IntN(len(ids))]})
			}
			listeners = append(listeners, l)
		}
		got := clashes(listeners)
		if want := naiveClashes(listeners); (got > 0) != want {
			t.Fatalf("%d clashes found, some are there: %v; in %+v", got, want, listeners)
		}
	}
}

// clashes is how many messages the check gives.
func clashes(listeners []*Listener) int {
	l := &loader{decoder: decoder{report: &report{}}, binds: map[*Bind]*value{}}
	doc := &document{path: "x"}
	for i, listener := range listeners {
		for j := range listener.Binds {
			l.binds[&listener.Binds[j]] = &value{doc: doc, line: i, column: j}
		}
	}
	l.checkPorts(listeners)
	return len(l.report.list)
}

func naiveClashes(listeners []*Listener) bool {
	for i, a := range listeners {
		for j, b := range listeners[i:] {
			if a.Protocol != b.Protocol || !a.Audience.Meets(b.Audience) {
				continue
			}
			for k := range a.Binds {
				for m := range b.Binds {
					if (j > 0 || k < m) && bindsMeet(a.Binds[k], b.Binds[m]) {
						return true
					}
				}
			}
		}
	}
	return false
}

func bindsMeet(a, b Bind) bool {
	if a.Path != "" || b.Path != "" {
		return a.Path == b.Path
	}
	wild := func(x, y netip.Addr) bool {
		return x == netip.IPv6Unspecified() || x == netip.IPv4Unspecified() && y.Is4()
	}
	return a.Port <= b.Last && b.Port <= a.Last &&
		(a.Address == b.Address || wild(a.Address, b.Address) || wild(b.Address, a.Address))
}

// TestPortsCost holds the check to a cost that does not grow with the pairs, where thousands share one port.
func TestPortsCost(t *testing.T) {
	const n = 10_000
	tests := map[string]func(i int) *Listener{
		"by address": func(i int) *Listener {
			a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			return &Listener{Binds: []Bind{{Address: a, Port: 443, Last: 443}}}
		},
		"by node": func(i int) *Listener {
			return &Listener{
				Binds:    []Bind{{Address: netip.IPv4Unspecified(), Port: 443, Last: 443}},
				Audience: Selector{[]Term{{ID: fmt.Sprint("node-", i)}}},
			}
		},
		"by range": func(i int) *Listener {
			return &Listener{Binds: []Bind{{Address: netip.IPv4Unspecified(), Port: uint16(6*i + 1), Last: uint16(6*i + 5)}}}
		},
		"all alike": func(int) *Listener {
			return &Listener{Binds: []Bind{{Address: netip.IPv4Unspecified(), Port: 443, Last: 443}}}
		},
	}
	for name, listener := range tests {
		t.Run(name, func(t *testing.T) {
			var listeners []*Listener
			for i := range n {
				l := listener(i)
				l.Name, l.Protocol = fmt.Sprint("l", i), TCP
				listeners = append(listeners, l)
			}
			start := time.Now()
			got := clashes(listeners)
			took := time.Since(start)
			t.Logf("%d clashes in %v", got, took)
			if took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
