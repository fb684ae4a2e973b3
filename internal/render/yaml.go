package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A value of JSON is an object, an array, a json.Number, a string, a bool or nil.
type (
	object []member
	array  []any
	member struct {
		key   string
		value any
	}
)

// tree is the value of a JSON text. Unlike a Go map, it keeps the order of the keys.
func tree(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return value(d)
}

func value(d *json.Decoder) any {
	switch t := token(d); t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			o = append(o, member{key: token(d).(string), value: value(d)})
		}
		token(d) // the closing brace
		slices.SortStableFunc(o, func(a, b member) int { return rank(a.key) - rank(b.key) })
		return o
	case json.Delim('['):
		a := array{}
		for d.More() {
			a = append(a, value(d))
		}
		token(d) // the closing bracket
		return a
	default:
		return t
	}
}

// rank lets what tells one object from another come first; all else stays in the order of the proto.
func rank(key string) int {
	switch key {
	case "@type", "name", "cluster_name": // of which @type stands first already
		return 0
	}
	return 1
}

func token(d *json.Decoder) json.Token {
	t, err := d.Token()
	if err != nil {
		panic(fmt.Sprintf("render: read our own JSON: %v", err))
	}
	return t
}

// printer writes values as YAML in block style.
type printer struct {
	bytes.Buffer
}

// block writes v at the cursor; further lines are indented by that many spaces.
func (p *printer) block(v any, indent int) {
	switch v := v.(type) {
	case object:
		p.object(v, indent)
	case array:
		p.array(v, indent)
	default:
		p.WriteString(scalar(v) + "\n")
	}
}

func (p *printer) object(o object, indent int) {
	if len(o) == 0 {
		p.WriteString("{}\n")
	}
	for i, m := range o {
		if i > 0 {
			p.indent(indent)
		}
		p.WriteString(text(m.key) + ":")
		p.member(m.value, indent)
	}
}

// member writes what follows a key: on the same line, or in a block of its own below.
func (p *printer) member(v any, indent int) {
	switch v := v.(type) {
	case object:
		if len(v) > 0 {
			indent += 2
			p.WriteString("\n")
			p.indent(indent)
			break
		}
		p.WriteString(" ")
	case array:
		if len(v) > 0 {
			p.WriteString("\n")
			p.indent(indent)
			break
		}
		p.WriteString(" ")
	default:
		p.WriteString(" ")
	}
	p.block(v, indent)
}

func (p *printer) array(a array, indent int) {
	if len(a) == 0 {
		p.WriteString("[]\n")
	}
	for i, v := range a {
		if i > 0 {
			p.indent(indent)
		}
		p.WriteString("- ")
		p.block(v, indent+2)
	}
}

func (p *printer) line(indent int, text string) {
	p.indent(indent)
	p.WriteString(text + "\n")
}

func (p *printer) indent(n int) {
	p.WriteString(strings.Repeat(" ", n))
}

// plain is a text that needs no quotes: no reader of YAML 1.1 or 1.2 takes it for anything but a string. Apart from
// words these are IPv4 addresses and durations.
var plain = regexp.MustCompile(`^([A-Za-z/][\w/.-]*(:[\w/.-]+)*|\d+(\.\d+){3}|\d+(\.\d+)?s)$`)

// notText are the words that some reader takes for a bool or null.
var notText = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}

func scalar(v any) string {
	if s, ok := v.(string); ok {
		return text(s)
	}
	return quoted(v) // numbers, bools and null are written alike in both
}

func text(s string) string {
	if plain.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) {
		return s
	}
	return quoted(s)
}

// quoted is v as JSON has it, which is YAML too.
func quoted(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("render: encode a scalar: %v", err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
