package kit_test

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

var update = flag.Bool("update", false, "rewrite the golden files, and delete those without a case")

const goldenDir = "testdata/golden"

// Both sides, as most tests take them.
var (
	envoySide  = kit.Options{Side: kit.EnvoySide, EnvoyUser: "65534"}
	serverSide = kit.Options{Side: kit.ServerSide, Envoy: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")}}
)

var node = config.Node{ID: "edge-1"}

// files are the examples that a kit is for, and those of this package.
func files(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	needs := regexp.MustCompile(`transparent: |source: `)
	list = slices.DeleteFunc(list, func(path string) bool {
		text, err := os.ReadFile(path)
		return err != nil || !needs.Match(text)
	})
	if len(list) < 3 {
		t.Fatalf("only %d examples need a kit: %q", len(list), list)
	}
	return append(list, "testdata/everything.yaml", "testdata/nothing.yaml")
}

// load reads a file, or the text of one.
func load(t *testing.T, fileOrText string) *config.Config {
	t.Helper()
	path := fileOrText
	if strings.Contains(fileOrText, "\n") {
		path = filepath.Join(t.TempDir(), "l4xds.yaml")
		if err := os.WriteFile(path, []byte(fileOrText), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, messages := config.Load(config.NewSource(), nil, path)
	if c == nil {
		t.Fatalf("%s: %v", fileOrText, messages)
	}
	return c
}

func made(t *testing.T, c *config.Config, o kit.Options) *kit.Kit {
	t.Helper()
	k, err := kit.For(c, node, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// written is a kit in one format.
func written(t *testing.T, k *kit.Kit, f kit.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := k.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func removal(t *testing.T, f kit.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := kit.WriteRemoval(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// printed is one text that the command prints.
type printed struct {
	name   string // of the golden file
	format kit.Format
	text   string
}

// all is everything that is printed for the files, and what takes it away.
func all(t *testing.T) []printed {
	t.Helper()
	var list []printed
	for _, path := range files(t) {
		c := load(t, path)
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for _, f := range kit.Formats() {
			list = append(list, printed{name + "." + string(f), f, written(t, made(t, c, envoySide), f)})
		}
		if k := made(t, c, serverSide); !k.Empty() {
			for _, f := range []kit.Format{kit.Script, kit.Systemd} {
				list = append(list, printed{name + ".server." + string(f), f, written(t, k, f)})
			}
		}
	}
	for _, f := range kit.Formats() {
		list = append(list, printed{"remove." + string(f), f, removal(t, f)})
	}
	return list
}

// TestGolden holds all that is printed to golden files. `make golden` rewrites them.
func TestGolden(t *testing.T) {
	known := map[string]bool{}
	for _, p := range all(t) {
		path := filepath.Join(goldenDir, p.name)
		known[path] = true
		if *update {
			if err := os.WriteFile(path, []byte(p.text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; make golden writes it", err)
		}
		if diff := cmp.Diff(string(want), p.text); diff != "" {
			t.Errorf("%s (-want +got); if that is meant, make golden:\n%s", p.name, diff)
		}
	}
	there, err := filepath.Glob(goldenDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		switch {
		case known[path]:
		case !*update:
			t.Errorf("%s belongs to nothing; make golden deletes it", path)
		default:
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestAllTexts holds that what people read is whole.
func TestAllTexts(t *testing.T) {
	for _, p := range all(t) {
		if strings.Contains(p.text, "%!") || strings.Contains(p.text, "\n\n\n") || !strings.HasSuffix(p.text, "\n") {
			t.Errorf("%s is not in form:\n%s", p.name, p.text)
		}
		for line := range strings.SplitSeq(p.text, "\n") {
			if strings.TrimRight(line, " \t") != line {
				t.Errorf("%s has white space at the end of %q", p.name, line)
			}
		}
	}
}
