// Command gen writes what is made from the declarations in pkg/config: the reference and the schema for editors.
//
//	go run ./internal/gen          writes docs/reference.md and docs/schema.json
//	go run ./internal/gen -check   fails if one of them is not current
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/l4xds/l4xds/pkg/config"
)

func main() {
	check := flag.Bool("check", false, "fail if a file is not current, and write nothing")
	root := flag.String("root", ".", "the root of the project")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the files below root, or only checks them.
func run(root string, check bool) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	var stale []error
	for _, f := range files {
		path := filepath.Join(root, f.path)
		if !check {
			if err := os.WriteFile(path, f.text, 0o644); err != nil { //nolint:gosec // documentation is for all
				return err
			}
			continue
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, f.text) {
			stale = append(stale, fmt.Errorf("%s is not current; run make generate", f.path))
		}
	}
	return errors.Join(stale...)
}

// file is one that is generated.
type file struct {
	path string
	text []byte
}

func generate(root string) ([]file, error) {
	docs, err := readComments(filepath.Join(root, "pkg", "config"))
	if err != nil {
		return nil, err
	}
	spec := config.FileSpec()
	schema, err := writeSchema(spec, docs)
	if err != nil {
		return nil, err
	}
	return []file{
		{"docs/reference.md", writeReference(spec, docs)},
		{"docs/schema.json", schema},
	}, nil
}
