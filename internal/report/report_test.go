package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/l4xds/l4xds/pkg/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var messages = config.Diagnostics{
	{
		Severity: config.Error, ID: "L4X0101", Position: config.Position{File: "a,b:c.yaml", Line: 3, Column: 10},
		Path: "listeners.db.tcp", Message: "100% wrong\nreally", Source: "    tcp: 70000", Width: 5,
	},
	{Severity: config.Warning, ID: "L4X0010", Position: config.Position{File: "gone.yaml"}, Message: "does not exist", Width: 1},
	{Severity: config.Error, ID: "L4X0101", Position: config.Position{File: "x.yaml", Line: 1}, Message: "again"},
}

func write(t *testing.T, list config.Diagnostics, f Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, list, Options{Format: f, Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	got := write(t, messages[1:2], Text)
	if want := messages[1].String(); !strings.Contains(got, want) {
		t.Errorf("text %q does not contain %q", got, want)
	}
}

func TestGitHub(t *testing.T) {
	want := "::error file=a%2Cb%3Ac.yaml,line=3,col=10,title=L4X0101::listeners.db.tcp: 100%25 wrong%0Areally\n" +
		"::warning file=gone.yaml,title=L4X0010::does not exist\n" +
		"::error file=x.yaml,line=1,col=1,title=L4X0101::again\n"
	if diff := cmp.Diff(want, write(t, messages, GitHub)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	wantJSON(t, write(t, nil, JSON), `{"valid": true, "messages": []}`)
	wantJSON(t, write(t, messages[1:2], JSON), `{"valid": true, "messages": [{
		"severity": "warning", "message": "does not exist", "file": "gone.yaml", "line": 0, "column": 0,
		"id": "L4X0010"
	}]}`)
	if got := write(t, messages, JSON); !strings.Contains(got, `"valid": false`) {
		t.Errorf("a file with errors is called valid: %s", got)
	}
}

func TestSARIF(t *testing.T) {
	wantJSON(t, write(t, messages, SARIF), `{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": [{
			"tool": {"driver": {"name": "l4xds", "version": "1.2.3", "rules": [{"id": "L4X0101"}, {"id": "L4X0010"}]}},
			"columnKind": "unicodeCodePoints",
			"results": [
				{
					"ruleId": "L4X0101", "ruleIndex": 0, "level": "error",
					"message": {"text": "listeners.db.tcp: 100% wrong\nreally"},
					"locations": [{"physicalLocation": {
						"artifactLocation": {"uri": "a,b:c.yaml"},
						"region": {"startLine": 3, "startColumn": 10, "endColumn": 15}
					}}]
				},
				{
					"ruleId": "L4X0010", "ruleIndex": 1, "level": "warning",
					"message": {"text": "does not exist"},
					"locations": [{"physicalLocation": {"artifactLocation": {"uri": "gone.yaml"}}}]
				},
				{
					"ruleId": "L4X0101", "ruleIndex": 0, "level": "error",
					"message": {"text": "again"},
					"locations": [{"physicalLocation": {
						"artifactLocation": {"uri": "x.yaml"}, "region": {"startLine": 1}
					}}]
				}
			]
		}]
	}`)
	wantJSON(t, write(t, nil, SARIF), `{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": [{"tool": {"driver": {"name": "l4xds", "version": "1.2.3", "rules": []}}, "columnKind": "unicodeCodePoints", "results": []}]
	}`)
}

func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v in:\n%s", err, got)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFullDisk(t *testing.T) {
	for _, f := range Formats() {
		if err := Write(broken{}, messages, Options{Format: f}); err == nil {
			t.Errorf("%s: no error though nothing could be written", f)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
