package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteText(t *testing.T) {
	_, ds := loadText("listeners:\n  db: {tcp: 70000, to: 10.0.0.1:1}\n\tx: 1\n")
	check := func(ds Diagnostics, color bool, want string) {
		t.Helper()
		var b strings.Builder
		if err := ds.WriteText(&b, color); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("want -, got +:\n%s", diff)
		}
	}
	check(ds, false, `-:3:1: error: a tab indents this line; YAML takes spaces only [L4X0001]
    3 |  x: 1
      | ^
`)
	_, ds = loadText("listeners:\n  db: {tcp: 70000, to: 10.0.0.1:1}\nbackends: {web: {endpoints: 10.0.0.1:1}}\n")
	check(ds, true, "-:2:13: \x1b[1;31merror\x1b[0m: listeners.db.tcp: port 70000 is outside 1..65535 [L4X0101]\n"+
		"    2 |   db: {tcp: 70000, to: 10.0.0.1:1}\n"+
		"      |             \x1b[1;31m^^^^^\x1b[0m\n"+
		"-:3:12: \x1b[1;33mwarning\x1b[0m: backends.web: no listener goes to this backend [L4X0205]\n"+
		"    3 | backends: {web: {endpoints: 10.0.0.1:1}}\n"+
		"      |            \x1b[1;33m^^^\x1b[0m\n")
	_, ds = loadText("")
	check(ds, false, "-: error: the file says nothing; to have no listeners on purpose write listeners: {} [L4X0004]\n")
}

// TestWriteTextLongLine holds that a long line is cut around the spot, and that nothing steers the terminal.
func TestWriteTextLongLine(t *testing.T) {
	_, ds := loadText("listeners: {x: {tcp: 1, to: 10.0.0.1:1, access_log: /" + strings.Repeat("ä", 300) + ", bogus\x7f: 1}}\n")
	if len(ds) != 1 || ds[0].ID != string(idEncoding) {
		t.Fatal(ds)
	}
	ds[0].Source = strings.Repeat("é", 300) + "\x1b[2J" + strings.Repeat("z", 300)
	ds[0].Position.Column, ds[0].Width = 301, 1
	var b strings.Builder
	if err := ds.WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	shown := []rune(strings.SplitN(lines[1], "| ", 2)[1])
	caret := strings.IndexRune(strings.SplitN(lines[2], "| ", 2)[1], '^')
	if len(shown) != 120 || shown[caret] != '\uFFFD' || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%d runes, %q under the caret, in:\n%s", len(shown), shown[caret], b.String())
	}
}

func TestWriteTextMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("listeners:\n")
	for i := range 25 {
		fmt.Fprintf(&text, "  l%d: {tcp: 0, to: 10.0.0.1:1}\n", i)
	}
	_, ds := loadText(text.String())
	var b strings.Builder
	if err := ds.WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nand 5 more\n") || strings.Count(b.String(), "error:") != 20 {
		t.Errorf("wrote:\n%s", b.String())
	}
	if err := ds.WriteText(failing{}, false); !errors.Is(err, errFull) {
		t.Errorf("the error of the writer is lost: %v", err)
	}
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestDiagnosticJSON(t *testing.T) {
	_, ds := loadText("listeners:\n  db: {tcp: 70000, to: 10.0.0.1:1}\n")
	got, err := json.Marshal(ds)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","message":"port 70000 is outside 1..65535","file":"-","line":2,"column":13,` +
		`"id":"L4X0101","path":"listeners.db.tcp"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestMessagesTable holds that each id has its line, once.
func TestMessagesTable(t *testing.T) {
	seen := map[string]bool{}
	for i, m := range Messages {
		if seen[m.ID] || m.About == "" || i > 0 && m.ID < Messages[i-1].ID {
			t.Errorf("%+v stands twice, out of order, or says nothing", m)
		}
		seen[m.ID] = true
	}
	for _, d := range everySaid(t) {
		if !seen[d.ID] {
			t.Errorf("%s has no line in Messages", d.ID)
		}
	}
}

// everySaid is what is said about all bad files.
func everySaid(t *testing.T) Diagnostics {
	t.Helper()
	var all Diagnostics
	for _, path := range badFiles(t) {
		text, _ := readWants(t, path)
		_, ds := loadText(text)
		all = append(all, ds...)
	}
	return all
}
