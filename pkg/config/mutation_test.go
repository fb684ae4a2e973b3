package config

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/certs"
)

// mutant is an example with one mistake in one line.
type mutant struct {
	path  string
	line  int // from 1
	what  string
	text  string // of the whole file
	after string // the line, or what became of it
}

// mutants are the mistakes that a person makes in one line: it is lost, it stands twice, a letter is missing, wrong or
// too many.
func mutants(path, text string) []mutant {
	var all []mutant
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	add := func(i int, what string, now ...string) {
		changed := append(append(append([]string{}, lines[:i]...), now...), lines[i+1:]...)
		all = append(all, mutant{path, i + 1, what, strings.Join(changed, "\n") + "\n", strings.Join(now, " ⏎ ")})
	}
	for i, line := range lines {
		code := line
		if j := strings.Index(" "+line, " #"); j >= 0 {
			code = line[:j]
		}
		if strings.TrimSpace(code) == "" {
			continue
		}
		add(i, "deleted")
		add(i, "duplicated", line, line)
		for j := range code {
			add(i, "letter missing", line[:j]+line[j+1:])
			if j%3 == i%3 { // a sample of these, for time
				add(i, "letter wrong", line[:j]+"x"+line[j+1:])
				add(i, "letter twice", line[:j]+line[j:j+1]+line[j:])
			}
		}
	}
	return all
}

// examples are the files of ../../examples: of each the others that belong to it, by path.
func examples(t *testing.T) map[string]map[string]string {
	t.Helper()
	if err := certs.ForExamples("../.."); err != nil {
		t.Fatal(err)
	}
	const root = "../../examples"
	folders := map[string]map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		key := filepath.Dir(path)
		if key == root {
			key = path
		}
		if folders[key] == nil {
			folders[key] = map[string]string{}
		}
		folders[key][path] = string(text)
		return err
	})
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return folders
}

// loadTexts loads several files that are not on disk.
func loadTexts(texts map[string]string) (*Config, Diagnostics) { return loadAfter(nil, texts) }

// loadAfter is loadTexts after prev.
func loadAfter(prev *Config, texts map[string]string) (*Config, Diagnostics) {
	src := NewSource()
	for path, text := range texts {
		src.looks[path] = &look{text: []byte(text), sum: sha256.Sum256([]byte(text))}
	}
	return Load(src, prev, slices.Sorted(maps.Keys(texts))...)
}

func TestExamplesLoad(t *testing.T) {
	for name, files := range examples(t) {
		c, ds := loadTexts(files)
		// That HTTP/1.1 has no half-close has to be said, also of an example.
		ds = slices.DeleteFunc(ds, func(d Diagnostic) bool { return d.ID == string(idHalfClose) })
		if c == nil || len(ds) > 0 {
			t.Errorf("%s: %v", name, ds)
		}
	}
}

// TestMutations changes every line of every example. What is no valid file then must be said on that line or the next to
// it, in 95 of 100 cases. The valid ones are logged: they are what a check of one file cannot see.
func TestMutations(t *testing.T) {
	invalid, near, all := 0, 0, 0
	var valid, far []string
	for _, files := range examples(t) {
		for path, text := range files {
			for i, m := range mutants(path, text) {
				if raced && i%5 > 0 {
					continue // a sample
				}
				files[path] = m.text
				c, ds := loadTexts(files)
				switch about := fmt.Sprintf("%s:%d: %s: %s", m.path, m.line, m.what, m.after); {
				case c != nil:
					valid = append(valid, about)
				default:
					invalid++
					some, every := m.close(ds)
					if every {
						all++
					}
					if some {
						near++
					} else {
						far = append(far, about+"\n\t"+ds[0].String())
					}
				}
				for _, d := range ds {
					if goTypes.MatchString(d.Message) {
						t.Errorf("%s:%d: words of the program: %s", m.path, m.line, d)
					}
				}
			}
			files[path] = text
		}
	}
	t.Logf("%d mutants are not valid; %.2f %% get a message on the line or next to it, %.2f %% no other; %d are valid",
		invalid, 100*float64(near)/float64(invalid), 100*float64(all)/float64(invalid), len(valid))
	t.Logf("far from the mistake:\n%s", strings.Join(far, "\n"))
	t.Logf("valid:\n%s", strings.Join(valid, "\n"))
	if near*100 < invalid*95 {
		t.Errorf("only %d of %d mistakes get a message near them", near, invalid)
	}
}

// close reports whether some, and whether all messages are on the line of m or next to it.
func (m mutant) close(ds Diagnostics) (some, every bool) {
	every = true
	for _, d := range ds {
		distance := d.Position.Line - m.line
		if d.Position.File == m.path && -1 <= distance && distance <= 1 {
			some = true
		} else {
			every = false
		}
	}
	return some, every
}
