package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"
)

// This is the one file that knows the YAML library. It is used for nodes only: its own decoding into structs gives no
// columns, names Go types, and reads 0777 as 511.

const (
	// maxDepth is how deeply lists and maps may stand in each other; the language needs seven.
	maxDepth = 100
	// maxValues is how many values a file may hold, those behind aliases counted each time.
	maxValues = 1_000_000
)

// parse reads one document as a whole. It returns nil after it has said why there is nothing to read.
func parse(doc *document, r *report) *value {
	root, err := decodeYAML(doc.text)
	if err != nil {
		r.explain(doc, err)
		return nil
	}
	t := newTree(doc, r)
	v := t.value(root, nil, 0)
	for _, say := range t.said {
		say()
	}
	if t.stopped {
		return nil
	}
	if v.null() {
		r.fail(idEmpty, doc.whole(), "the file says nothing; to have no listeners on purpose write listeners: {}")
		return nil
	}
	return v
}

// parsePieces reads a document by the pieces that divide made of it, but for those that are known. It reports false, and
// says nothing, where something is wrong or two pieces need each other: the document has then to be read as a whole. A
// document that is too much is too much as a whole, too: that is said, and there is no value.
func parsePieces(doc *document, sections []*chunk, r *report) (*value, bool) {
	decodeChunks(sections)
	t := newTree(doc, &report{})
	first := sections[0]
	root := &value{doc: doc, line: first.line, column: first.column, kind: mapping, index: -1}
	t.count(root, 1)
	switch ok := t.pieces(root, sections); {
	case t.stopped:
		r.list = append(r.list, t.report.list...)
		return nil, true
	case !ok:
		return nil, false
	}
	return root, true
}

// pieces reads chunks, and what they are divided into, as the pairs of v. It reports whether that can be done.
func (t *tree) pieces(v *value, chunks []*chunk) bool {
	names := make(map[string]bool, len(chunks))
	v.pairs = make([]pair, len(chunks))
	for i, c := range chunks {
		if names[c.name] {
			return false
		}
		names[c.name] = true
		p, ok := t.piece(c, v)
		if !ok {
			return false
		}
		p.key.parent, p.key.index = v, i
		p.value.parent, p.value.index = v, i
		v.pairs[i] = p
	}
	return true
}

// piece is the pair that c holds, which is to stand in parent.
func (t *tree) piece(c *chunk, parent *value) (pair, bool) {
	at := value{doc: t.doc, line: c.line, column: c.column}
	key, behind := at, at
	key.text, behind.kind = c.name, mapping
	switch {
	case len(c.stanzas) > 0:
		behind.line, behind.column = c.stanzas[0].line, c.stanzas[0].column
		behind.parent = parent // for the depth
		t.count(&key, 2)
		return pair{&key, &behind}, t.pieces(&behind, c.stanzas)
	case c.known != nil:
		t.count(&key, c.known.values)
		behind.chunk = c
		return pair{&key, &behind}, !t.stopped
	}
	return t.readPiece(c, parent)
}

// decoded is the node of a text.
type decoded struct {
	root *yaml.Node
	err  error
}

// decodeChunks decodes the chunks that are to be read, on all processors: that is most of the work of a first Load.
func decodeChunks(sections []*chunk) {
	var all []*chunk
	for _, c := range sections {
		if len(c.stanzas) == 0 {
			all = append(all, c)
		}
		for _, stanza := range c.stanzas {
			if stanza.known == nil {
				all = append(all, stanza)
			}
		}
	}
	const batch = 64 // fewer are not worth a goroutine
	var group sync.WaitGroup
	for some := range slices.Chunk(all, max(batch, len(all)/runtime.GOMAXPROCS(0)+1)) {
		group.Go(func() {
			for _, c := range some {
				c.decoded.root, c.decoded.err = decodeYAML(c.text)
			}
		})
	}
	group.Wait()
}

// readPiece reads what is not known.
func (t *tree) readPiece(c *chunk, parent *value) (pair, bool) {
	root, err := c.decoded.root, c.decoded.err
	if c.decoded = (decoded{}); err != nil {
		return pair{}, false
	}
	depth := 0
	for v := parent; v != nil; v = v.parent {
		depth++
	}
	before := t.total
	t.total-- // the mapping around the one pair is not there
	t.above = c.line - 1
	v := t.value(root, nil, depth-1)
	if t.stopped || len(t.said) > 0 || len(v.pairs) != 1 || v.pairs[0].key.text != c.name {
		return pair{}, false
	}
	c.values = t.total - before
	v.pairs[0].value.chunk = c
	return v.pairs[0], true
}

// secondDocumentError is the error for a file that holds more than one, of which YAML readers would take the first.
type secondDocumentError struct{ line int }

// Error says where it starts.
func (e *secondDocumentError) Error() string {
	return fmt.Sprintf("a second document on line %d", e.line)
}

// decodeYAML gives the one document of text as the library's nodes. The library panics on some inputs it does not
// foresee; that is a mistake in the text, too.
func decodeYAML(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	var first, second yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&first); errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.ScalarNode}, nil
	} else if err != nil {
		return nil, err
	}
	switch err := in.Decode(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return nil, err
	}
	return nil, &secondDocumentError{second.Line}
}

// tree turns the library's nodes into values: it follows aliases, merges `<<`, and says what YAML allows and this
// language does not.
type tree struct {
	doc    *document
	report *report
	// above is how many lines of doc stand above the text that the nodes are of.
	above int
	// done are the values of anchors; nil while they are read.
	done map[*yaml.Node]*value
	// total counts the values, sizes those behind an anchor.
	total int
	sizes map[*yaml.Node]int
	// said are the messages, held back until the values hang together, so that they have their paths.
	said []func()
	// stopped is whether the file is too much.
	stopped bool
}

func newTree(doc *document, r *report) *tree {
	return &tree{doc: doc, report: r, done: map[*yaml.Node]*value{}, sizes: map[*yaml.Node]int{}}
}

// value is n with all that stands in it. depth is how many lists and maps it stands in.
func (t *tree) value(n *yaml.Node, parent *value, depth int) *value {
	if n.Kind == yaml.AliasNode {
		return t.alias(n, parent)
	}
	before := t.total
	v := t.node(n, parent)
	if n.Anchor != "" {
		t.done[n] = nil
	}
	t.count(v, 1)
	switch {
	case depth >= maxDepth && n.Kind != yaml.ScalarNode:
		t.stop(v, "lists and maps stand more than %d deep in each other", maxDepth)
	case t.stopped:
	case n.Kind == yaml.SequenceNode:
		v.items = make([]*value, len(n.Content))
		for i, item := range n.Content {
			v.items[i] = t.value(item, v, depth+1)
			v.items[i].standsAt(v, i)
		}
	case n.Kind == yaml.MappingNode:
		t.mapping(v, n, depth)
	}
	if n.Anchor != "" {
		t.done[n], t.sizes[n] = v, t.total-before
	}
	return v
}

// node is n without what stands in it.
func (t *tree) node(n *yaml.Node, parent *value) *value {
	v := &value{doc: t.doc, line: t.above + n.Line, column: n.Column, parent: parent, index: -1}
	switch n.Kind {
	case yaml.SequenceNode:
		v.kind = list
	case yaml.MappingNode:
		v.kind = mapping
	default:
		const quotes = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
		v.text, v.quoted = n.Value, n.Style&quotes != 0
	}
	if n.Style&yaml.TaggedStyle != 0 {
		t.later(idText, v, "has the tag %s; take it out, every value is read as it is written", quote(n.Tag))
	}
	return v
}

// count adds n values, and stops where there are too many.
func (t *tree) count(v *value, n int) {
	if t.total += n; t.total > maxValues {
		t.stop(v, "the file holds more than %d values, those behind aliases counted each time", maxValues)
	}
}

// later says what is wrong with v when all is read.
func (t *tree) later(id id, v *value, format string, args ...any) {
	t.said = append(t.said, func() { t.report.errorf(id, v, format, args...) })
}

// stop says that the file is too much, once.
func (t *tree) stop(v *value, format string, args ...any) {
	if !t.stopped {
		t.report.add(Error, idTooMuch, v.mark(), "", fmt.Sprintf(format, args...))
	}
	t.stopped = true
}

// alias is the value of the anchor that n names.
func (t *tree) alias(n *yaml.Node, parent *value) *value {
	at := &value{doc: t.doc, line: t.above + n.Line, column: n.Column, parent: parent, index: -1, text: "*" + n.Value}
	v, known := t.done[n.Alias]
	if known && v == nil {
		t.later(idAnchor, at, "the anchor %q holds itself", n.Value)
		return at
	}
	t.count(at, t.sizes[n.Alias])
	if v == nil {
		return at
	}
	return v
}

// mapping reads the keys of n into v. Each key stands once; those behind << stand where no key is written beside it.
func (t *tree) mapping(v *value, n *yaml.Node, depth int) {
	v.pairs = make([]pair, 0, len(n.Content)/2)
	first := make(map[string]*value, len(n.Content)/2)
	var merged []*value
	for i := 0; i+1 < len(n.Content) && !t.stopped; i += 2 {
		key := t.value(n.Content[i], v, depth+1)
		behind := t.value(n.Content[i+1], v, depth+1)
		other := first[key.text]
		switch {
		case key.kind != scalar || n.Content[i].Kind == yaml.AliasNode:
			t.later(idKind, key, "%s as a key; a key is a text, and in front of a bracket belongs a quote", key.what())
		case key.text == "<<" && !key.quoted:
			merged = append(merged, behind)
		case other != nil:
			t.later(idDuplicateKey, key, "the key %s stands twice; the first is at %s", quote(key.text), other.position())
		default:
			first[key.text] = key
			key.standsAt(v, len(v.pairs))
			behind.standsAt(v, len(v.pairs))
			v.pairs = append(v.pairs, pair{key, behind})
		}
	}
	for _, m := range merged {
		t.merge(v, m, first)
	}
}

// merge adds the pairs behind << that v does not have.
func (t *tree) merge(v, m *value, first map[string]*value) {
	for _, from := range m.elements() {
		if from.kind != mapping {
			t.later(idKind, from, "%s behind <<, where a map belongs", from.what())
			continue
		}
		t.count(v, len(from.pairs))
		for _, p := range from.pairs {
			if first[p.key.text] == nil {
				first[p.key.text] = p.key
				v.pairs = append(v.pairs, p)
			}
		}
	}
}
