// Package report writes the messages about a configuration in the formats that people, editors and continuous
// integration read.
//
//	config.Diagnostics -> report -> a terminal, a program, a code scanner, annotations of a pull request
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// Format is how messages are written.
type Format string

// The formats.
const (
	// Text is for people: each message with its line of the file and a caret.
	Text Format = "text"
	// JSON is for programs: {"valid": true, "messages": [...]}.
	JSON Format = "json"
	// SARIF is the format of code scanners, version 2.1.0.
	SARIF Format = "sarif"
	// GitHub is workflow commands, which GitHub shows as annotations of the lines of a pull request.
	GitHub Format = "github"
)

// Formats are all formats, in the order of the documentation.
func Formats() []Format { return []Format{Text, JSON, SARIF, GitHub} }

// Options say how to write messages.
type Options struct {
	Format Format
	// Color marks the parts of text for a terminal.
	Color bool
	// Version is that of l4xds, for SARIF.
	Version string
}

// Write writes messages. The only errors are those of w.
func Write(w io.Writer, messages config.Diagnostics, o Options) error {
	switch o.Format {
	case JSON:
		return writeJSON(w, messages)
	case SARIF:
		return encode(w, sarif(messages, o.Version))
	case GitHub:
		return writeGitHub(w, messages)
	default:
		return messages.WriteText(w, o.Color)
	}
}

func writeJSON(w io.Writer, messages config.Diagnostics) error {
	if messages == nil {
		messages = config.Diagnostics{} // [] and not null
	}
	return encode(w, struct {
		Valid    bool               `json:"valid"`
		Messages config.Diagnostics `json:"messages"`
	}{!messages.HasErrors(), messages})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// The characters that end a workflow command, or one of its properties, have to be escaped.
var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func writeGitHub(w io.Writer, messages config.Diagnostics) error {
	for _, d := range messages {
		place := "file=" + escapeProperty.Replace(d.Position.File)
		if d.Position.Line > 0 {
			place += fmt.Sprintf(",line=%d,col=%d", d.Position.Line, max(d.Position.Column, 1))
		}
		_, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", d.Severity, place, escapeProperty.Replace(d.ID), escapeData.Replace(about(d)))
		if err != nil {
			return err
		}
	}
	return nil
}

// about is the message with the path of the key that it is about.
func about(d config.Diagnostic) string {
	if d.Path == "" {
		return d.Message
	}
	return d.Path + ": " + d.Message
}
