package main

import (
	"bytes"
	"encoding/json"

	"github.com/l4xds/l4xds/pkg/config"
)

// schema is the part of JSON Schema that the file needs; editors know the words of draft 7.
type schema struct {
	Schema        string             `json:"$schema,omitempty"`
	ID            string             `json:"$id,omitempty"`
	Title         string             `json:"title,omitempty"`
	Ref           string             `json:"$ref,omitempty"`
	Description   string             `json:"description,omitempty"`
	Type          any                `json:"type,omitempty"`
	Default       any                `json:"default,omitempty"`
	Enum          []string           `json:"enum,omitempty"`
	Pattern       string             `json:"pattern,omitempty"`
	Minimum       *int64             `json:"minimum,omitempty"`
	Maximum       *int64             `json:"maximum,omitempty"`
	Items         *schema            `json:"items,omitempty"`
	MinItems      int                `json:"minItems,omitempty"`
	Properties    map[string]*schema `json:"properties,omitempty"`
	Patterns      map[string]*schema `json:"patternProperties,omitempty"`
	Additional    any                `json:"additionalProperties,omitempty"`
	PropertyNames *schema            `json:"propertyNames,omitempty"`
	MinProperties int                `json:"minProperties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Not           *schema            `json:"not,omitempty"`
	AllOf         []*schema          `json:"allOf,omitempty"`
	AnyOf         []*schema          `json:"anyOf,omitempty"`
	Definitions   map[string]*schema `json:"definitions,omitempty"`
}

// schemaWriter turns specs into schemas. Maps with names become definitions.
type schemaWriter struct {
	docs        comments
	definitions map[string]*schema
}

// writeSchema is the schema of a file.
func writeSchema(spec *config.Spec, docs comments) ([]byte, error) {
	w := schemaWriter{docs: docs, definitions: map[string]*schema{}}
	root := w.mapping(spec)
	root.Schema = "http://json-schema.org/draft-07/schema#"
	root.Title = "A configuration of l4xds"
	root.Patterns = map[string]*schema{"^x-": {}}
	root.Definitions = w.definitions
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	err := out.Encode(root)
	return b.Bytes(), err
}

func (w *schemaWriter) value(s *config.Spec) *schema {
	switch {
	case s.AnyOf != nil:
		made := &schema{}
		for _, form := range s.AnyOf {
			made.AnyOf = append(made.AnyOf, w.value(form))
		}
		return made
	case s.Kind == config.NumberKind:
		return &schema{Type: "integer", Minimum: &s.Min, Maximum: &s.Max}
	case s.Kind == config.ScalarKind:
		return &schema{Type: []string{"string", "number", "boolean"}, Pattern: s.Pattern}
	case s.Kind == config.FlagKind:
		return &schema{Type: "boolean"}
	case s.Kind == config.ListKind:
		return &schema{Type: "array", Items: w.value(s.Items), MinItems: 1}
	case s.Kind == config.TextKind:
		made := &schema{Type: "string", Enum: s.Words, Pattern: s.Pattern}
		if s.NotPattern != "" {
			made.Not = &schema{Pattern: s.NotPattern}
		}
		return made
	case s.Name != "":
		return w.definition(s)
	}
	return w.mapping(s)
}

// definition is a reference to a map with a name.
func (w *schemaWriter) definition(s *config.Spec) *schema {
	if _, ok := w.definitions[s.Name]; !ok {
		w.definitions[s.Name] = nil // so that one which holds itself ends
		w.definitions[s.Name] = w.mapping(s)
	}
	return &schema{Ref: "#/definitions/" + s.Name}
}

func (w *schemaWriter) mapping(s *config.Spec) *schema {
	made := &schema{Type: "object", Additional: false}
	if s.NotEmpty {
		made.MinProperties = 1
	}
	if s.Values != nil {
		made.Additional = w.value(s.Values)
		made.PropertyNames = names(s)
		return made
	}
	made.Properties = map[string]*schema{}
	for _, k := range s.Keys {
		made.Properties[k.Name] = w.key(k)
		if k.Required {
			made.Required = append(made.Required, k.Name)
		}
	}
	for _, set := range s.Needs {
		some := &schema{}
		for _, n := range set {
			one := &schema{Required: []string{n.Key}}
			if n.Map {
				one.Properties = map[string]*schema{n.Key: {Type: "object"}}
			}
			some.AnyOf = append(some.AnyOf, one)
		}
		made.AllOf = append(made.AllOf, some)
	}
	for _, set := range s.Excludes {
		made.AllOf = append(made.AllOf, &schema{Not: &schema{Required: set}})
	}
	return made
}

func names(s *config.Spec) *schema {
	if s.NamePattern == "" {
		return nil
	}
	made := &schema{Pattern: s.NamePattern}
	if s.NotPattern != "" {
		made.Not = &schema{Pattern: s.NotPattern}
	}
	return made
}

// key is the schema of one key, with its documentation. A reference stands alone in draft 7, so that it is wrapped.
func (w *schemaWriter) key(k config.KeySpec) *schema {
	made := w.value(k.Spec)
	doc := w.docs[k.Owner+"."+k.Field]
	if doc == (comment{}) {
		return made
	}
	if made.Ref != "" {
		made = &schema{AllOf: []*schema{made}}
	}
	made.Description = doc.text
	if doc.fallback != "" {
		made.Description += "\nDefault: " + doc.fallback
	}
	return made
}
