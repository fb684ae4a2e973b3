package report

import (
	"path/filepath"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// The part of SARIF 2.1.0 that we write. The names are those of the standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)

func sarif(messages config.Diagnostics, version string) sarifLog {
	driver := sarifDriver{Name: "l4xds", Version: version, Rules: []sarifRule{}}
	results := []sarifResult{}
	for _, d := range messages {
		rule := sarifRule{ID: d.ID}
		index := slices.Index(driver.Rules, rule)
		if index < 0 {
			index = len(driver.Rules)
			driver.Rules = append(driver.Rules, rule)
		}
		results = append(results, sarifResult{
			RuleID: d.ID, RuleIndex: index, Level: string(d.Severity),
			Message: sarifMessage{about(d)},
			Locations: []sarifLocation{{sarifPhysical{
				Artifact: sarifArtifact{filepath.ToSlash(d.Position.File)},
				Region:   region(d),
			}}},
		})
	}
	return sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: results}},
	}
}

// region is what the caret underlines, nil for a message about a whole file.
func region(d config.Diagnostic) *sarifRegion {
	switch p := d.Position; {
	case p.Line == 0:
		return nil
	case p.Column == 0:
		return &sarifRegion{StartLine: p.Line}
	default:
		return &sarifRegion{StartLine: p.Line, StartColumn: p.Column, EndColumn: p.Column + max(d.Width, 1)}
	}
}
