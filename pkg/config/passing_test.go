package config

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestAllowedSets holds what is said of two sets of targets to what they hold.
func TestAllowedSets(t *testing.T) {
	t.Parallel()
	var sets []Allowed
	var asks []Allowed
	for _, host := range []string{"*", "*.x", "*.b.x", "a.x", "c.b.x", "10.0.0.1", "10.0.1.1", "[2001:db8::1]"} {
		for _, ports := range []string{"1", "2", "1-3", "3-9", "1-65535"} {
			sets = append(sets, must(parseAllowed(host+":"+ports)))
		}
	}
	for _, network := range []string{"any", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "10.0.0.0/8:2-4", "10.0.0.0/24:3"} {
		sets = append(sets, must(parseAllowed(network)))
	}
	for _, host := range []string{"x", "a.x", "b.x", "c.b.x", "y", "10.0.0.1", "10.0.0.9", "10.0.1.1", "[2001:db8::1]", "[2001:db8::2]"} {
		for port := range 10 {
			asks = append(asks, must(parseAllowed(fmt.Sprintf("%s:%d", host, port+1))))
		}
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		a, b := sets[r.IntN(len(sets))], sets[r.IntN(len(sets))]
		both, some := a.and(b)
		covered := a.covered(b)
		for _, ask := range asks {
			inA, inB := ask.covered(a), ask.covered(b)
			if covered && inA && !inB {
				t.Fatalf("%s is within %s, it is said, but %s is not", a, b, ask)
			}
			if got := some && ask.covered(both); got != (inA && inB) {
				t.Fatalf("%s is in %s and in %s: %t; in both, %s: %t", ask, a, b, inA && inB, both, got)
			}
		}
	}
}

// TestLikeness holds what is said of two texts with stars to what they stand for.
func TestLikeness(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", "b", "ab", "ba", "aba", "abab", "bab", "aab", "c", "abc"}
	likes := []likeness{"*", "a", "ab", "a*", "*b", "*ab*", "ab*", "*a", "*b*", "aba*", "*bab"}
	for _, l := range likes {
		for _, by := range likes {
			covered := l.covered(by)
			for _, text := range texts {
				if covered && likeness(text).covered(l) && !likeness(text).covered(by) {
					t.Errorf("all that is like %s is like %s, it is said, but %q is not", l, by, text)
				}
			}
		}
	}
	for _, pair := range [][2]likeness{{"ab", "a*"}, {"aba*", "ab*"}, {"*bab", "*b"}, {"ab*", "*ab*"}, {"*", "*"}, {"a*", "*"}} {
		if !pair[0].covered(pair[1]) {
			t.Errorf("%s is not like %s", pair[0], pair[1])
		}
	}
}
