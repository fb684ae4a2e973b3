package config

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPiecesReadAlike holds the reading by pieces to that of the whole: wherever the former does not give up, the two
// see the same values at the same places, and there is nothing to say.
func TestPiecesReadAlike(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, path := range badFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, folder := range examples(t) {
		for path, text := range folder {
			texts = append(texts, text, strings.ReplaceAll(text, "\n", "\r\n"))
			for i, m := range mutants(path, text) {
				if !raced || i%5 == 0 {
					texts = append(texts, m.text)
				}
			}
		}
	}
	texts = append(texts, unusual...)
	texts = append(texts, aliasBomb(), mergeBomb(), "listeners:\n  a: "+strings.Repeat("[", maxDepth-3)+strings.Repeat("]", maxDepth-3),
		"listeners:\n  a: "+strings.Repeat("[", maxDepth-1)+strings.Repeat("]", maxDepth-1))
	divided := 0
	for _, text := range texts {
		if alike(t, text) {
			divided++
		}
	}
	if divided < len(texts)/2 {
		t.Errorf("only %d of %d texts are read by pieces", divided, len(texts))
	}
}

// unusual are texts at the border of what is divided.
var unusual = []string{
	"listeners: |\n x-a:   \n  ",
	"listeners:\n  a: {tcp: 1,\n  b: 2}\n",
	"listeners:\n  a: \"x\n  b: y\"\n",
	"listeners:\n  a: 'x\n\n  b: y'\n  c: 1\n",
	"listeners:\n  a: |\n    b: 1\n  # no text\n  c: 1\n",
	"listeners:\n  a: |1\n   b: 1\n  c: 1\n",
	"listeners:\n  a: >-\n\n\n  b: 1\n",
	"listeners:\n  a: b\n    c\n  d: 1\n",
	"listeners:\n  a: b\n  c\n",
	"listeners:\n  a:\n  - 1\n  - 2\n  b:\n  - c: 1\n    d: 2\n",
	"listeners:\n  - a: 1\n  - b: 2\n",
	"listeners:\n- a: 1\n",
	"listeners:\n    a: 1\n  b: 1\n",
	"listeners:\n  a: 1\n    b: 1\n",
	"listeners:\n  a: &x 1\n  b: *x\n",
	"listeners:\n  a: &x {b: &y 1, c: *y}\n  d: {c: &y 2, e: *y}\n",
	"listeners:\n  a: {b: *a}\n",
	"listeners: &all\n  a: 1\nbackends: *all\n",
	"listeners: !!map\n  a: 1\n",
	"listeners:\n  a: !!str 1\n",
	"listeners:\n  <<: {a: 1}\n  b: 1\n",
	"listeners:\n  a:\n    <<: {b: 1}\n    c: 1\n",
	"listeners:\n  ? a\n  : 1\n  b: 1\n",
	"listeners:\n  a: 1\n  ? b\n  : 1\n",
	"listeners:\n  a: 1\n  a: 2\n",
	"listeners:\n  a: 1\nlisteners:\n  b: 2\n",
	"listeners:\n  \"a\": 1\n  b: 2\n",
	"listeners:\n  a: 1\n  \"b\": 2\n",
	"listeners:\n  12:30: 1\n  a: 1\n",
	"listeners:\n  a: 1\n  12:30: 1\n",
	"listeners:\n  a:1\n  b: 1\n",
	"listeners:\n  a :\n    b: 1\n",
	"listeners:\n  a:\t1\n  b: 1 \t\n",
	"listeners:\n\ta: 1\n",
	"listeners:\n  a: 1\n\t\n  b: 1\n",
	"listeners:\n  a: 1\n---\nlisteners:\n  b: 1\n",
	"listeners:\n  a: 1\n...\n",
	"listeners:\n  a: |\n    x\n---\n",
	"---\nlisteners:\n  a: 1\n",
	"%YAML 1.1\n---\nlisteners:\n  a: 1\n",
	"listeners:\n",
	"listeners: # none\n  # none\n",
	"listeners: {}\nbackends:\n  a: 1\n",
	"  listeners:\n    a: 1\n",
	" # x\nlisteners:\n  a: 1\n",
	"listeners:\n  a: 1 # x\n# y\n  # z\n  b: 1#2\n",
	"listeners:\n  a: # x\n    b: 1\n  c:\n\n    d: 1\n\n",
	"listeners:\n  a: [1,\n2]\n  b: 1\n",
	"listeners:\n  a: [1,\n2]\nb: 1\n",
	"listeners:\n  a: \"x\ny: z\"\nb: 1\n",
	"listeners:\n  a: |+\n    b: 1\n\n\n  c: 1\n",
	"listeners:\n  a: >2+\n      b: 1\n\n  # x\n  c: 1\n",
	"listeners:\n  a: |\n    b: 1\n\n    # x\n\n  # x\n  c: 1\n",
	"listeners:\n  a: |-\n    # x\n  c: 1\n",
	"listeners:\n  a: |\n\n\n  c: 1\n",
	"x-a: |\n  b: 1\nlisteners:\n  a: 1\n",
	"x-a: &x 1\nlisteners:\n  a: *x\n",
	"listeners:\n  a: 1\nfoo\n",
	"listeners:\n  a: 1\n?\n",
	"",
	"#\n",
	"a",
	"listeners:\n  a: 1",
}

// alike reports whether text was read by pieces.
func alike(t *testing.T, text string) bool {
	t.Helper()
	pieces := &document{path: "f", text: []byte(text)}
	if !pieces.check(&report{}) {
		return false
	}
	sections := divide(pieces.text)
	if sections == nil {
		return false
	}
	said := &report{}
	got, ok := parsePieces(pieces, sections, said)
	if !ok {
		return false
	}
	r := &report{}
	want := parse(&document{path: "f", text: pieces.text}, r)
	if got == nil {
		if diff := cmp.Diff(r.list, said.list); diff != "" || want != nil {
			t.Errorf("too much by pieces, but as a whole (-whole +pieces):\n%s", diff)
		}
		return true
	}
	if len(r.list) > 0 || want == nil {
		t.Errorf("by pieces there is nothing to say, of the whole %v\n%s", r.list, text)
		return true
	}
	if g, w := dump(got), dump(want); g != w {
		t.Errorf("by pieces\n%s\nas a whole\n%s\nof\n%s", g, w, text)
	}
	return true
}

// dump is all that can be seen of v.
func dump(v *value) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d:%d kind %d quoted %t text %q\n", v.path(), v.line, v.column, v.kind, v.quoted, v.text)
	for _, item := range v.items {
		b.WriteString(dump(item))
	}
	for _, p := range v.pairs {
		b.WriteString("key " + dump(p.key) + dump(p.value))
	}
	return b.String()
}

// TestTakeOver edits the examples at random, and holds each Load that takes over what it can to one that reads
// everything.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	edits := 300
	if raced {
		edits = 60
	}
	for key, folder := range examples(t) {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			inForce, ds := loadTexts(folder)
			if inForce == nil {
				t.Fatal(ds)
			}
			applied := 0
			for path, text := range folder {
				all := mutants(path, text)
				for range edits {
					texts := maps.Clone(folder)
					texts[path] = all[random.IntN(len(all))].text
					if next := takesOver(t, inForce, texts); next != nil && random.IntN(3) > 0 {
						inForce = next
						applied++
					}
				}
			}
			if applied < edits/60 {
				t.Errorf("only %d edits were good", applied)
			}
		})
	}
}

// takesOver loads texts after inForce, and compares what comes of it with a first Load.
func takesOver(t *testing.T, inForce *Config, texts map[string]string) *Config {
	t.Helper()
	got, said := loadAfter(inForce, texts)
	want, saidAtFirst := loadTexts(texts)
	if !slices.Equal(said, saidAtFirst) {
		t.Fatalf("says\n%v\nand at first\n%v\nof\n%v", said, saidAtFirst, texts)
	}
	if got == nil {
		return nil
	}
	plain := *got
	plain.memory, want.memory = nil, nil
	if !reflect.DeepEqual(&plain, want) {
		t.Fatalf("makes another Config than at first of\n%v", texts)
	}
	return got
}

// after loads edited once text is in force.
func after(t *testing.T, text, edited string) (before, now *Config) {
	t.Helper()
	before = mustLoad(t, text)
	now = takesOver(t, before, map[string]string{"-": edited})
	if now == nil {
		t.Fatalf("is refused: %s", edited)
	}
	return before, now
}

const takenOver = `defaults:
  listeners: {keepalive: 30s}
groups:
  edge: {id: "edge-*"}
listeners:
  a:
    tcp: 1001
    udp: 1001
    to: {one: 1, two: 1}
  b: {tcp: 1002, to: one, nodes: edge}
  c: {tcp: 1003, to: 10.0.0.9:80}
  # about d
  d: {tcp: 1004, sni: {x.example: {one: 3, two: 1}, "*": 10.0.0.8:80}}
backends:
  one: {endpoints: [10.0.0.1:80]}
  two: {endpoints: [10.0.0.2:80]}
`

// TestTakenOver says of edits which listeners and backends are those of before.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old, new string
		want     string // what is taken over
	}{
		"nothing":            {"", "", "tcp a, udp a, tcp b, tcp c, tcp d, one, two"},
		"one listener":       {"1002", "2002", "tcp a, udp a, tcp c, tcp d, one, two"},
		"a line above":       {"listeners:\n  a", "\n\nlisteners:\n  # new\n  a", "tcp a, udp a, tcp b, tcp c, tcp d, one, two"},
		"a new stanza":       {"  b:", "  e: {tcp: 5, to: one}\n  b:", "tcp a, udp a, tcp b, tcp c, tcp d, one, two"},
		"a stanza less":      {"  c: {tcp: 1003, to: 10.0.0.9:80}\n", "", "tcp a, udp a, tcp b, tcp d, one, two"},
		"a backend":          {"10.0.0.2:80", "10.0.0.3:80", "tcp b, tcp c, one"},
		"another order":      {"backends:\n", "backends:\n  three: {endpoints: [10.0.0.3:80]}\n", "tcp a, udp a, tcp b, tcp c, tcp d, one, two"},
		"the defaults":       {"30s", "31s", ""},
		"the groups":         {"edge-*", "edges-*", ""},
		"another protocol":   {"c: {tcp: 1003, to: 10.0.0.9:80}", "c: {udp: 1003, to: one}", "tcp a, udp a, tcp b, tcp d, one, two"},
		"a quote in a name":  {"c: {tcp", "\"c\": {tcp", ""},
		"a quote in a value": {"10.0.0.9:80", "\"10.0.0.9:80\"", "tcp a, udp a, tcp b, tcp d, one, two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, now := after(t, takenOver, strings.Replace(takenOver, test.old, test.new, 1))
			var got []string
			for _, l := range now.Listeners {
				if slices.Contains(before.Listeners, l) {
					got = append(got, string(l.Protocol)+" "+l.Name)
				}
			}
			for _, b := range now.Backends {
				if slices.Contains(before.Backends, b) {
					got = append(got, b.Name)
				}
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("takes over %q, not %q", text, test.want)
			}
		})
	}
}

// TestTakeOverNotices makes edits that are wrong, or odd, because of a stanza that did not change.
func TestTakeOverNotices(t *testing.T) {
	t.Parallel()
	before := mustLoad(t, takenOver)
	for name, test := range map[string]struct{ old, new, want string }{
		"port of another":         {"1002", "1003", "L4X0107"},
		"all ports of another":    {"b: {tcp: 1002", "b: {tcp: 1003-1004", "L4X0107"},
		"backend gone":            {"  two: {endpoints: [10.0.0.2:80]}\n", "", "L4X0203"},
		"no more users":           {"backends:\n", "backends:\n  three: {endpoints: [10.0.0.3:80]}\n", "L4X0205"},
		"group unused":            {", nodes: edge", "", "L4X0205"},
		"cluster of a split":      {"backends:\n", "backends:\n  a: {endpoints: [10.0.0.3:80]}\n", "L4X0206"},
		"cluster of an inline to": {"backends:\n", "backends:\n  c: {endpoints: [10.0.0.3:80]}\n", "L4X0206"},
		"no part for UDP":         {"one: {endpoints: [10.0.0.1:80]}", "one: {endpoints: [10.0.0.1:80], balance: least_connections}", "L4X0401"},
		"unequal for UDP":         {"one: {endpoints: [10.0.0.1:80]}", "one: {endpoints: [10.0.0.1:80], balance: random}", "L4X0405"},
		"shared endpoint for UDP": {"[10.0.0.2:80]", "[10.0.0.2:80, 10.0.0.1:80]", "L4X0405"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"-": strings.Replace(takenOver, test.old, test.new, 1)}
			takesOver(t, before, texts)
			_, said := loadAfter(before, texts)
			if !slices.ContainsFunc(said, func(d Diagnostic) bool { return d.ID == test.want }) {
				t.Errorf("says %v, not %s", said, test.want)
			}
		})
	}
}

// TestTakeOverTunnelInPlace edits the backend that a tunnel in a listener names.
func TestTakeOverTunnelInPlace(t *testing.T) {
	t.Parallel()
	const text = "listeners:\n  a: {tcp: 1, to: \"h:1\", via: {proxy: b, http: 2}}\nbackends:\n  b: {endpoints: [10.0.0.1:1]}\n"
	_, now := after(t, text, strings.Replace(text, "10.0.0.1", "10.0.0.2", 1))
	if got := now.Listeners[0].Routes[0].Via.Proxy; got != now.Backends[0] {
		t.Errorf("goes by %v", got)
	}
}

// TestTakeOverByUse lets a backend that did not change be used for another protocol, for which a key of it is nothing.
func TestTakeOverByUse(t *testing.T) {
	t.Parallel()
	const text = "listeners: {}\nbackends:\n  b: {endpoints: [10.0.0.1:80], balance: least_connections}\n"
	before := mustLoad(t, strings.Replace(text, "listeners: {}", "listeners:\n  a: {tcp: 1, to: b}", 1))
	texts := map[string]string{"-": strings.Replace(text, "listeners: {}", "listeners:\n  a: {udp: 1, to: b}", 1)}
	takesOver(t, before, texts)
	if c, said := loadAfter(before, texts); c != nil || len(said) != 1 || said[0].ID != string(idNoEffect) {
		t.Errorf("says %v", said)
	}
}

// FuzzTakeOver loads one text after another.
func FuzzTakeOver(f *testing.F) {
	f.Add(takenOver, strings.Replace(takenOver, "1002", "1003", 1))
	for _, text := range unusual {
		f.Add(takenOver, text)
		f.Add(text, strings.Replace(text, "1", "2", 1))
	}
	f.Fuzz(func(t *testing.T, text, edited string) {
		alike(t, text)
		if c, _ := loadTexts(map[string]string{"-": text}); c != nil {
			takesOver(t, c, map[string]string{"-": edited})
			takesOver(t, c, map[string]string{"-": text})
		}
	})
}
