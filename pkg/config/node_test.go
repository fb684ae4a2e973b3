package config

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestSelectorMatch(t *testing.T) {
	node := Node{ID: "branch-7", Cluster: "edge", Zone: "a", Metadata: map[string]string{"site.rack": "7", "empty": ""}}
	tests := []struct {
		name string
		s    Selector
		want bool
	}{
		{"none", Selector{}, true},
		{"id", Selector{[]Term{{ID: "branch-7"}}}, true},
		{"glob", Selector{[]Term{{ID: "branch-*"}}}, true},
		{"other id", Selector{[]Term{{ID: "branch-8"}}}, false},
		{"cluster", Selector{[]Term{{Cluster: "edge"}}}, true},
		{"other cluster", Selector{[]Term{{Cluster: "edg*"}}}, false},
		{"zone", Selector{[]Term{{Zone: "b"}}}, false},
		{"metadata", Selector{[]Term{{Metadata: map[string]string{"site.rack": "7"}}}}, true},
		{"empty metadata", Selector{[]Term{{Metadata: map[string]string{"none": ""}}}}, false},
		{"all of a term", Selector{[]Term{{ID: "branch-*", Zone: "b"}}}, false},
		{"any term", Selector{[]Term{{Zone: "b"}, {Cluster: "edge"}}}, true},
	}
	for _, test := range tests {
		if got := test.s.Match(node); got != test.want {
			t.Errorf("%s: Match = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSelectorMeets(t *testing.T) {
	sel := func(terms ...Term) Selector { return Selector{terms} }
	tests := []struct {
		name string
		a, b Selector
		want bool
	}{
		{"all and some", sel(), sel(Term{ID: "x"}), true},
		{"same", sel(Term{ID: "x"}), sel(Term{ID: "x"}), true},
		{"literals", sel(Term{ID: "x"}), sel(Term{ID: "y"}), false},
		{"globs that meet", sel(Term{ID: "a*"}), sel(Term{ID: "*b"}), true},
		{"globs that do not", sel(Term{ID: "a*"}), sel(Term{ID: "b*"}), false},
		{"different conditions", sel(Term{ID: "x"}), sel(Term{Cluster: "y"}), true},
		{"clusters", sel(Term{Cluster: "x"}), sel(Term{Cluster: "y"}), false},
		{"zones", sel(Term{Zone: "x", ID: "a"}), sel(Term{Zone: "y", ID: "a"}), false},
		{"metadata", sel(Term{Metadata: map[string]string{"k": "1"}}), sel(Term{Metadata: map[string]string{"k": "2"}}), false},
		{"other metadata", sel(Term{Metadata: map[string]string{"k": "1"}}), sel(Term{Metadata: map[string]string{"l": "2"}}), true},
		{"one of several", sel(Term{ID: "x"}, Term{ID: "y"}), sel(Term{ID: "z"}, Term{ID: "y"}), true},
	}
	for _, test := range tests {
		if got := test.a.Meets(test.b); got != test.want {
			t.Errorf("%s: Meets = %v, want %v", test.name, got, test.want)
		}
		if got := test.b.Meets(test.a); got != test.want {
			t.Errorf("%s, turned round: Meets = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSelectorEqual(t *testing.T) {
	a := Selector{[]Term{{ID: "x", Metadata: map[string]string{"k": "1"}}}}
	for _, other := range []Selector{
		{},
		{[]Term{{ID: "y", Metadata: map[string]string{"k": "1"}}}},
		{[]Term{{ID: "x", Metadata: map[string]string{"k": "2"}}}},
		{[]Term{{ID: "x", Metadata: map[string]string{"k": "1"}, Zone: "z"}}},
	} {
		if a.Equal(other) || other.Equal(a) {
			t.Errorf("%+v equals %+v", a, other)
		}
	}
	if !a.Equal(Selector{[]Term{{ID: "x", Metadata: map[string]string{"k": "1"}}}}) {
		t.Error("a selector does not equal itself")
	}
}

// TestGlobs holds matching and meeting to the standard library's regular expressions and to all texts of two letters.
func TestGlobs(t *testing.T) {
	var texts []string
	for _, last := 0, ""; len(texts) < 127; {
		texts = append(texts, last)
		last = next(last)
	}
	random := rand.New(rand.NewPCG(1, 2))
	pattern := func() string {
		b := make([]byte, random.IntN(6))
		for i := range b {
			b[i] = "aab**"[random.IntN(5)]
		}
		return string(b)
	}
	for range 1000 {
		p, q := pattern(), pattern()
		like := func(pattern string) *regexp.Regexp {
			return regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$")
		}
		pr, qr := like(p), like(q)
		shared := false
		for _, text := range texts {
			if got, want := globMatches(p, text), pr.MatchString(text); got != want {
				t.Fatalf("globMatches(%q, %q) = %v, want %v", p, text, got, want)
			}
			shared = shared || pr.MatchString(text) && qr.MatchString(text)
		}
		switch got := globsMeet(p, q); {
		case shared && !got:
			t.Fatalf("globsMeet(%q, %q) is false, but they share a text", p, q)
		case !shared && got && len(p)+len(q) <= 6: // a shared text is at most as long as both
			t.Fatalf("globsMeet(%q, %q) is true, but they share no text", p, q)
		case got != globsMeet(q, p):
			t.Fatalf("globsMeet(%q, %q) depends on the order", p, q)
		}
	}
}

// next counts in texts of a and b, shorter ones first.
func next(text string) string {
	b := []byte(text)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == 'a' {
			b[i] = 'b'
			return string(b)
		}
		b[i] = 'a'
	}
	return "a" + string(b)
}
