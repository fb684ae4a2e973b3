package config

import (
	"gopkg.in/yaml.v3"
)

// This is the one file that knows the YAML library. It is used for nodes only: its own decoding into structs gives no
// columns, names Go types, and reads 0777 as 511.

// parse reads one document. It returns nil after it has said why there is nothing to read.
func parse(doc *document, r *report) *value {
	var root yaml.Node
	if err := yaml.Unmarshal(doc.text, &root); err != nil {
		r.fail(idSyntax, doc.whole(), "this is not YAML")
		return nil
	}
	if root.Kind != yaml.DocumentNode {
		r.fail(idEmpty, doc.whole(), "the file is empty; it would take every listener away")
		return nil
	}
	t := tree{doc: doc, report: r}
	return t.value(root.Content[0], nil)
}

// tree turns the library's nodes into values.
type tree struct {
	doc    *document
	report *report
}

func (t *tree) value(n *yaml.Node, parent *value) *value {
	v := &value{doc: t.doc, line: n.Line, column: n.Column, parent: parent}
	switch n.Kind {
	case yaml.AliasNode:
		return t.value(n.Alias, parent)
	case yaml.SequenceNode:
		v.kind = list
		for _, item := range n.Content {
			v.items = append(v.items, t.value(item, v))
		}
	case yaml.MappingNode:
		v.kind = mapping
		for i := 0; i < len(n.Content); i += 2 {
			v.pairs = append(v.pairs, pair{t.value(n.Content[i], v), t.value(n.Content[i+1], v)})
		}
	default:
		v.text = n.Value
		v.quoted = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	}
	return v
}
