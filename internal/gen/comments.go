package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// comments are the doc comments of struct fields, by "Type.Field".
type comments map[string]comment

// comment is a doc comment in its parts: what the field is, then a paragraph each that begins with "Default:" and
// "Envoy:". The parts hold no line ends.
type comment struct {
	text, fallback, envoy string
}

// readComments reads the Go files of a package.
func readComments(dir string) (comments, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	all := comments{}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				all.add(t)
			}
			return true
		})
	}
	return all, nil
}

func (c comments) add(t *ast.TypeSpec) {
	s, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			c[t.Name.Name+"."+name.Name] = parseComment(name.Name, f.Doc.Text())
		}
	}
}

// parseComment divides a doc comment. The field's name at its start, which is for Go's readers, is taken off.
func parseComment(name, text string) comment {
	var c comment
	part := &c.text
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "Default:"); ok {
			part, line = &c.fallback, strings.TrimSpace(rest)
		} else if rest, ok := strings.CutPrefix(line, "Envoy:"); ok {
			part, line = &c.envoy, strings.TrimSpace(rest)
		}
		*part = strings.TrimSpace(*part + " " + line)
	}
	c.text = sentence(strings.TrimPrefix(c.text, name+" "))
	return c
}

// sentence makes what followed a name stand alone: "is how long it takes." becomes "How long it takes."
func sentence(text string) string {
	for _, verb := range []string{"is ", "are ", "says ", "say "} {
		if rest, ok := strings.CutPrefix(text, verb); ok {
			text = rest
			break
		}
	}
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
