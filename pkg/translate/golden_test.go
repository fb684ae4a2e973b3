package translate_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/internal/render"
)

var update = flag.Bool("update", false, "rewrite the golden files, and delete those without an example")

const goldenDir = "pkg/translate/testdata"

// TestGolden holds the resources of every example to its golden file. `make golden` rewrites them.
func TestGolden(t *testing.T) {
	var golden []string
	for _, path := range examples(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		golden = append(golden, filepath.Join(goldenDir, name+".golden.yaml"))
		t.Run(name, func(t *testing.T) { checkGolden(t, path, golden[len(golden)-1]) })
	}
	checkOrphans(t, golden)
}

func checkGolden(t *testing.T, example, golden string) {
	t.Helper()
	var got bytes.Buffer
	c := loadExample(t, example)
	if err := render.YAML(&got, c, mustTranslate(t, c, nil).List); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(goldenDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v; make golden writes it", err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got); if that is meant, make golden:\n%s", example, diff)
	}
}

// checkOrphans finds golden files whose example is gone.
func checkOrphans(t *testing.T, golden []string) {
	t.Helper()
	files, err := filepath.Glob(goldenDir + "/*.golden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		switch {
		case slices.Contains(golden, file):
		case *update:
			if err := os.Remove(file); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s has no example; make golden removes it", file)
		}
	}
}
