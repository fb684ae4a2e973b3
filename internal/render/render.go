// Package render writes Envoy resources for people: as YAML in which each resource names the line of the file that it
// came from, as JSON, or as one static bootstrap that serves without l4xds. Secrets name the files of their certificates and
// keys; what l4xds sends has the content in their place.
//
//	translate.Resources (all, or those of one node's snapshot.View) -> text
//
// The text depends on the resources alone: same content, same bytes.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// ofType is the resources of that type URL.
func ofType(list []*translate.Resource, typeURL string) []*translate.Resource {
	return slices.DeleteFunc(slices.Clone(list), func(r *translate.Resource) bool { return r.Type != typeURL })
}

// YAML writes list as Envoy's configuration files have it, a `resources:` list, with a comment above each that names
// its places in the files of c. Errors are those of w.
func YAML(w io.Writer, c *config.Config, list []*translate.Resource) error {
	p := &printer{}
	if len(list) == 0 {
		p.WriteString("resources: []\n")
	} else {
		p.WriteString("resources:\n")
	}
	for _, r := range list {
		p.resource(c, r, typed(r), 0)
	}
	_, err := w.Write(p.Bytes())
	return err
}

// Message writes m as YAML. Errors are those of w.
func Message(w io.Writer, m proto.Message) error {
	p := &printer{}
	p.block(tree(encode(m)), 0)
	_, err := w.Write(p.Bytes())
	return err
}

// JSON writes list as {"resources": [...]}. Errors are those of w.
func JSON(w io.Writer, list []*translate.Resource) error {
	raw := make([]json.RawMessage, len(list))
	for i, r := range list {
		raw[i] = typedJSON(r)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"resources": raw})
}

// resource writes r as an item of a list, and above it where it came from, as editors find it.
func (p *printer) resource(c *config.Config, r *translate.Resource, body any, indent int) {
	for _, place := range r.Origins {
		at := c.Position(place)
		p.line(indent, fmt.Sprintf("# %s:%d:%d %s", at.File, at.Line, at.Column, place.Stanza))
	}
	p.indent(indent)
	p.WriteString("- ")
	p.block(body, indent+2)
}

// shown is r's message, or of a secret one that names its files: private keys are written nowhere.
func shown(r *translate.Resource) proto.Message {
	if r.Shown != nil {
		return r.Shown
	}
	return r.Msg
}

// typed is r's message with its type, as an Any is written.
func typed(r *translate.Resource) any {
	return append(object{{key: "@type", value: r.Type}}, tree(encode(shown(r))).(object)...)
}

// typedJSON is the same as JSON.
func typedJSON(r *translate.Resource) json.RawMessage {
	head := fmt.Sprintf(`{"@type":%q`, r.Type)
	body := bytes.TrimPrefix(encode(shown(r)), []byte("{"))
	if len(body) > 1 {
		head += ","
	}
	return append([]byte(head), body...)
}

// encode is m as JSON with the field names of Envoy's documentation, in the order of the proto. The white space of
// protojson varies on purpose, so it is taken out.
func encode(m proto.Message) []byte {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("render: encode %s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		panic(fmt.Sprintf("render: encode %s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return compact.Bytes()
}
