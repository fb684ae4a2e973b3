package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/l4xds/l4xds/docs"
	"github.com/l4xds/l4xds/pkg/config"
)

const root = "../.."

// TestCurrent holds that the generated files are those that would be written now.
func TestCurrent(t *testing.T) {
	if err := run(root, true); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	if err := run(dir, true); err == nil {
		t.Error("nothing is missing in an empty directory")
	}
}

// everyKey calls f for every key of the language, with its path.
func everyKey(f func(path string, k config.KeySpec)) {
	seen := map[*config.Spec]bool{}
	var walk func(path string, s *config.Spec)
	walk = func(path string, s *config.Spec) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		for _, k := range s.Keys {
			f(path+"."+k.Name, k)
			walk(path+"."+k.Name, k.Spec)
		}
		walk(path, s.Items)
		walk(path, s.Values)
		for _, form := range s.AnyOf {
			walk(path, form)
		}
	}
	walk("", config.FileSpec())
}

// TestDocumented holds that every key is documented where it is declared: what it is, its default as the tag has it, and
// what of Envoy it becomes.
func TestDocumented(t *testing.T) {
	docs, err := readComments(filepath.Join(root, "pkg", "config"))
	if err != nil {
		t.Fatal(err)
	}
	everyKey(func(path string, k config.KeySpec) {
		doc := docs[k.Owner+"."+k.Field]
		if k.Owner == "" {
			return // only groups keys that have names with dots
		}
		if doc.text == "" || doc.envoy == "" {
			t.Errorf("%s (%s.%s) does not say what it is, or what of Envoy it becomes", path, k.Owner, k.Field)
		}
		for _, value := range []string{k.Default, k.DefaultUDP} {
			if !strings.Contains(doc.fallback, value) {
				t.Errorf("%s: the default is %q, its comment says %q", path, value, doc.fallback)
			}
		}
		if doc.fallback != "" && k.Required {
			t.Errorf("%s is required and has a default", path)
		}
	})
}

// TestUsed holds that every key stands in some example.
func TestUsed(t *testing.T) {
	used := map[string]bool{}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				used[name] = true
				collect(inner)
			}
		case []any:
			for _, inner := range v {
				collect(inner)
			}
		}
	}
	for _, path := range yamlFiles(t, root+"/examples") {
		collect(decode(t, readFile(t, path)))
	}
	everyKey(func(path string, k config.KeySpec) {
		if !used[k.Name] {
			t.Errorf("no example uses %s", path)
		}
	})
}

// TestReferenceExamples holds that the files in the reference are good.
func TestReferenceExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readFile(t, root+"/docs/reference.md"), -1)
	if len(blocks) == 0 {
		t.Fatal("no examples")
	}
	for _, b := range blocks {
		if _, ds := load(b[1]); len(ds) > 0 {
			t.Errorf("%v in:\n%s", ds, b[1])
		}
	}
}

// TestReferenceLinks holds that what the reference points to is there.
func TestReferenceLinks(t *testing.T) {
	text := string(readFile(t, root+"/docs/reference.md"))
	for _, m := range regexp.MustCompile(`\(#([a-z0-9-]+)\)`).FindAllStringSubmatch(text, -1) {
		heading := "\n## " + strings.ReplaceAll(m[1], "-", " ") + "\n"
		if !strings.Contains(strings.ToLower(text), heading) {
			t.Errorf("no heading for #%s", m[1])
		}
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("l4xds.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("l4xds.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAccepts holds that an editor finds nothing wrong with what is good.
func TestSchemaAccepts(t *testing.T) {
	s := compile(t)
	for _, path := range append(yamlFiles(t, root+"/examples"), yamlFiles(t, root+"/pkg/config/testdata/good")...) {
		if err := s.Validate(decode(t, readFile(t, path))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSchemaRefuses holds that an editor finds what a schema can find: each of the lines with a mistake in a file that is
// marked for it.
func TestSchemaRefuses(t *testing.T) {
	s := compile(t)
	marked := 0
	for _, path := range yamlFiles(t, root+"/pkg/config/testdata/bad") {
		text := readFile(t, path)
		if !bytes.HasPrefix(text, []byte("# schema: catches\n")) {
			continue
		}
		marked++
		for i, alone := range mistakes(string(text)) {
			v, err := decodeAny([]byte(alone))
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if s.Validate(v) == nil && !elsewhere.MatchString(alone) {
				t.Errorf("%s: mistake %d is not found in:\n%s", path, i+1, alone)
			}
		}
	}
	if marked == 0 {
		t.Error("no file is marked")
	}
}

// elsewhere are mistakes beside those that a schema can find: what stands twice, or is not used.
var elsewhere = regexp.MustCompile(`# want "(warning|no listener goes|no listener is)`)

// mistakes are the files that are left of a bad one when all lines with a mistake but one are taken out. Blocks of
// several lines are left whole.
func mistakes(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	var files []string
	for i, line := range lines {
		if !strings.Contains(line, "# want") {
			continue
		}
		var b strings.Builder
		for j, other := range lines {
			if i == j || !strings.Contains(other, "# want") || strings.HasSuffix(strings.TrimSpace(strings.Split(other, "# want")[0]), ":") {
				b.WriteString(other)
			}
		}
		files = append(files, b.String())
	}
	return files
}

// TestSchemaAgrees changes one letter of an example at a time: what is loaded must be right to the schema, too, or
// editors would mark what is no mistake.
func TestSchemaAgrees(t *testing.T) {
	s := compile(t)
	accepted := 0
	for _, path := range yamlFiles(t, root+"/examples") {
		text := readFile(t, path)
		for i := range text {
			for j, change := range []string{"", "x", "1", `"`, " "} {
				if (i+j)%7 > 0 {
					continue // a sample of these, for time
				}
				mutant := []byte(string(text[:i]) + change + string(text[i+1:]))
				c, _ := load(mutant)
				if c == nil {
					continue
				}
				accepted++
				if v, err := decodeAny(mutant); err == nil && s.Validate(v) != nil {
					line := 1 + bytes.Count(mutant[:i], []byte("\n"))
					t.Errorf("%s:%d is loaded, but wrong to the schema: %s\n%v", path, line,
						strings.Split(string(mutant), "\n")[line-1], s.Validate(v))
				}
			}
		}
	}
	t.Logf("%d mutants are accepted", accepted)
}

func load(text []byte) (*config.Config, config.Diagnostics) {
	src := config.NewSource()
	src.Stdin(bytes.NewReader(text))
	return config.Load(src, nil, "-")
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	v, err := decodeAny(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// decodeAny reads YAML as a validator of editors does.
func decodeAny(text []byte) (any, error) {
	var v any
	err := yaml.Unmarshal(text, &v)
	return plain(v), err
}

// plain makes all keys texts, as in JSON.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = plain(inner)
		}
	case map[any]any:
		made := map[string]any{}
		for name, inner := range v {
			made[fmt.Sprint(name)] = plain(inner)
		}
		return made
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// yamlFiles are the paths of the files in a directory, and in those below it.
func yamlFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(dir + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(dir + "/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, deeper...)
	if len(paths) == 0 {
		t.Fatalf("no files in %s", dir)
	}
	sort.Strings(paths)
	return paths
}
