package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/certs"
)

var (
	yamlBlock   = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	certificate = regexp.MustCompile(`certs/([a-z-]+)\.crt`)
)

// TestFilesInDocs reads each file that a page shows as a whole: it must be valid. Pages with pieces of files are not here.
func TestFilesInDocs(t *testing.T) {
	for _, page := range []string{"tunnel-howtos.md", "transparent.md", "../README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no file", page)
		}
		for i, block := range blocks {
			t.Run(fmt.Sprint(filepath.Base(page), i), func(t *testing.T) { wantValid(t, block[1]) })
		}
	}
}

// wantValid reads a file, beside which lie the certificates that it names.
func wantValid(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range certificate.FindAllStringSubmatch(text, -1) {
		if err := write(ca, filepath.Join(dir, "certs"), name[1]); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, messages := config.Load(config.NewSource(), nil, path)
	if messages.HasErrors() {
		t.Errorf("%v in\n%s", messages, text)
	}
}

// write makes a certificate and its key, or for a name that says so the authority's.
func write(ca *certs.Authority, dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if strings.HasSuffix(name, "-ca") {
		return os.WriteFile(filepath.Join(dir, name+".crt"), ca.PEM(), 0o600)
	}
	pair, err := ca.Issue(certs.Leaf{Names: []string{name + ".example.com"}})
	if err != nil {
		return err
	}
	return pair.Write(dir, name)
}
