package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// wants are the expectations of a file, by line: `# want "text" "text"` at the end of the line that the messages are
// about. Each text is part of a message as Diagnostic.String has it.
type wants map[int][]string

var (
	wantComment = regexp.MustCompile(`[ ]?# want(( "([^"\\]|\\.)*")+)$`)
	wantText    = regexp.MustCompile(`"([^"\\]|\\.)*"`)
)

// readWants splits a file into what is loaded and what is expected.
func readWants(t *testing.T, path string) (string, wants) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	expected := wants{}
	for i, line := range lines {
		m := wantComment.FindStringSubmatch(line)
		if m == nil {
			if strings.Contains(line, "# want") {
				t.Fatalf("%s:%d: a want that cannot be read", path, i+1)
			}
			continue
		}
		lines[i] = strings.TrimSuffix(line, m[0])
		for _, quoted := range wantText.FindAllString(m[1], -1) {
			want, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s:%d: %s: %v", path, i+1, quoted, err)
			}
			expected[i+1] = append(expected[i+1], want)
		}
	}
	if len(expected) == 0 {
		t.Fatalf("%s expects nothing", path)
	}
	return strings.Join(lines, "\n"), expected
}

// take reports whether d is expected, and strikes it off.
func (w wants) take(d Diagnostic) bool {
	for i, want := range w[d.Position.Line] {
		if strings.Contains(d.String(), want) {
			w[d.Position.Line] = append(w[d.Position.Line][:i:i], w[d.Position.Line][i+1:]...)
			return true
		}
	}
	return false
}

// badFiles are the paths of the corpus.
func badFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	return paths
}

func TestBadFiles(t *testing.T) {
	for _, path := range badFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, expected := readWants(t, path)
			c, ds := loadText(text)
			if c != nil {
				t.Error("was loaded")
			}
			for _, d := range ds {
				if !expected.take(d) {
					t.Errorf("said, but not expected: %s", d)
				}
				if d.Position.Column < 1 || d.Source == "" || d.Position.Column+d.Width-1 > len([]rune(d.Source))+1 {
					t.Errorf("the caret is off: %s\n%q column %d width %d", d, d.Source, d.Position.Column, d.Width)
				}
			}
			for line, rest := range expected {
				for _, want := range rest {
					t.Errorf("%s:%d: expected, but not said: %s", path, line, want)
				}
			}
		})
	}
}

// TestLegible holds that what a file holds cannot steer the terminal on which a message is read.
func TestLegible(t *testing.T) {
	_, ds := loadText("listeners: {x: {\"\\e[2J\": 1, tcp: \"\\u202e1\", to: 10.0.0.1:1}}\n")
	if len(ds) != 2 {
		t.Fatal(ds)
	}
	for _, d := range ds {
		if strings.ContainsAny(d.String(), "\x1b\u202e") {
			t.Errorf("said %q", d)
		}
	}
}

// goTypes are words that must not reach a user.
var goTypes = regexp.MustCompile(`yaml: |unmarshal|!!|\bint\b|\buint\d*|\bstruct\b|\bslice\b|\bconfig\.|reflect|\bnil\b|mapping|scalar|%!`)
