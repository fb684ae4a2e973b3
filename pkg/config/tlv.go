package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// TLVs are the values that a header of version 2 has besides the addresses, sorted by type, each type once.
type TLVs []TLV

// TLV is one of them.
type TLV struct {
	Type TLVType
	// Text is the value, which may hold operators of Envoy, and has two % for one.
	Text string
}

// TLVType says what a TLV is about, 1..255.
type TLVType uint8

// String is t as it is written.
func (t TLVType) String() string { return fmt.Sprintf("0x%02X", uint8(t)) }

// Dynamic reports whether the value depends on the connection.
func (t TLV) Dynamic() bool { return len(t.operators()) > 0 }

// Literal is the value where it does not depend on the connection.
func (t TLV) Literal() string { return strings.ReplaceAll(t.Text, "%%", "%") }

// operators are those in the value, as they are written.
func (t TLV) operators() []string {
	return operator.FindAllString(strings.ReplaceAll(t.Text, "%%", ""), -1)
}

// Passed are the types of values that are passed on. The zero Passed is none.
type Passed struct {
	// All is whether all are; Types are those that are where not all are, sorted.
	All   bool
	Types []TLVType
}

// None reports whether nothing is passed on.
func (p Passed) None() bool { return !p.All && len(p.Types) == 0 }

// Types that have no use as a text of ours.
const (
	tlvChecksum TLVType = 0x03
	tlvPadding  TLVType = 0x04
	tlvTLS      TLVType = 0x20
)

// longestTLV is how many bytes a value may have: servers take few, and all of a header must fit into 64 KiB.
const longestTLV = 1024

// parseTLVType reads 0x01 to 0xFF.
func parseTLVType(text string) (TLVType, error) {
	digits, hex := strings.CutPrefix(text, "0x")
	n, err := strconv.ParseUint(digits, 16, 8)
	if !hex || err != nil || len(digits) != 2 || n == 0 {
		return 0, wrongf(idText, "%s is not the type of a TLV, which is 0x01 to 0xFF", quote(text))
	}
	return TLVType(n), nil
}

func (t *TLVType) decode(d *decoder, v *value) {
	if text, ok := d.text(v); ok {
		var err error
		if *t, err = parseTLVType(text); err != nil {
			d.wrong(v, err)
		}
	}
}

func (t *TLVs) decode(d *decoder, v *value) {
	*t = nil
	var texts map[string]string
	if d.texts(v, &texts); v.kind == mapping && len(v.pairs) == 0 {
		d.errorf(idKind, v, "is empty; write a type and its value, as {0xEE: text}")
	}
	first := map[TLVType]*value{}
	for _, p := range v.pairs {
		text, ok := texts[p.key.text]
		if !ok {
			continue // an error was said
		}
		typ, err := parseTLVType(p.key.text)
		if err != nil {
			d.wrong(p.key, err)
			continue
		}
		if other := first[typ]; other != nil {
			d.errorf(idNameTwice, p.key, "stands twice; the first is at %s", other.position())
		}
		first[typ] = p.key
		d.checkTLV(TLV{typ, text}, p)
		*t = append(*t, TLV{typ, text})
	}
	slices.SortFunc(*t, func(a, b TLV) int { return int(a.Type) - int(b.Type) })
}

// checkTLV says why a value, which stands in p, cannot be sent.
func (d *decoder) checkTLV(t TLV, p pair) {
	switch {
	case t.Type == tlvChecksum:
		d.errorf(idText, p.key, "is the checksum of the header, which no text can be; leave it out")
	case t.Type == tlvPadding:
		d.errorf(idNoEffect, p.key, "has no effect: servers pass over values of this type")
	case t.Type == tlvTLS:
		d.errorf(idText, p.key, "holds other TLVs about the client's TLS, which no text does; choose one of 0xE0 to 0xEF")
	case len(t.Text) > longestTLV:
		d.errorf(idBounds, p.value, "a TLV has at most %d bytes here; this one has %d", longestTLV, len(t.Text))
	case d.fits(shapeOf(reflect.TypeFor[AccessLog]()).index["text"], p.value):
		for _, written := range t.operators() {
			if why := unsent(operatorName(written)); why != "" {
				d.errorf(idWord, p.value, "%s %s", written, why)
			}
		}
	}
}

// tlvOperators are those of which something is known when the header is sent: it is when the client has connected.
var tlvOperators = append([]string{
	serverName, "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS",
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "CONNECTION_ID", "START_TIME", "FILTER_CHAIN_NAME", "HOSTNAME", "ENVIRONMENT", "UNIQUE_ID",
}, append(addressOperators, portOperators...)...)

// unsent says why the operator of that name, with its arguments, gives no value; empty if it does.
func unsent(name string) string {
	bare, _, _ := strings.Cut(name, "(")
	switch near := nearest(bare, operators); {
	case slices.Contains(tlvOperators, bare):
		return ""
	case slices.Contains(operators, bare):
		return "is not known when the header is sent; these are: " + strings.Join(tlvOperators, ", ")
	case near != "":
		return "is no operator of Envoy; did you mean " + quote(near) + "?"
	}
	return "is no operator of Envoy"
}

func (p *Passed) decode(d *decoder, v *value) {
	*p = Passed{}
	if v.is("all") {
		p.All = true
		return
	}
	items := v.elements()
	if len(items) == 0 {
		d.errorf(idKind, v, "is empty; write all, or types such as 0xEE")
	}
	first := map[TLVType]*value{}
	for _, item := range items {
		var t TLVType
		if t.decode(d, item); t == 0 {
			continue // an error was said
		}
		if other := first[t]; other != nil {
			d.errorf(idNameTwice, item, "stands twice; the first is at %s", other.position())
		}
		first[t] = item
		p.Types = append(p.Types, t)
	}
	slices.Sort(p.Types)
}

// check says what v1 cannot say, and what is said twice.
func (p *ProxyProtocol) check(d *decoder, v *value) {
	for _, at := range []*pair{v.pair("tlvs"), v.pair("pass")} {
		if at != nil && p.Version == ProxyV1 {
			d.errorf(idNoEffect, at.key, "is for v2, and v1 is a line with addresses alone; write version: v2")
		}
	}
	if len(p.Pass.Types) == 0 {
		return
	}
	for _, item := range v.get("pass").elements() {
		t, err := parseTLVType(item.text)
		if err == nil && slices.ContainsFunc(p.TLVs, func(o TLV) bool { return o.Type == t }) {
			d.errorf(idNoEffect, item, "%s has no effect: tlvs says what that is", t)
		}
	}
}

// tells notes where p stands, which is not nil: in v, or among the defaults.
func (l *loader) tells(p *ProxyProtocol, v *value) {
	if p != nil {
		l.headers[p] = v.get("proxy_protocol")
	}
}

// checkTold says which headers are to hold what their listeners do not know, now that all backends are read.
func (l *loader) checkTold(listeners []*Listener) {
	passing, from := map[*ProxyProtocol]bool{}, map[*ProxyProtocol][]*Listener{}
	var idle []*ProxyProtocol
	known := map[*Backend][]*ProxyProtocol{}
	for _, listener := range listeners {
		for _, p := range listener.headers(known) {
			l.checkKnown(p, listener)
			switch {
			case p.Pass.None() || passing[p]:
			case listener.ProxyProtocol != nil:
				passing[p] = true
			default:
				if from[p] == nil {
					idle = append(idle, p)
				}
				from[p] = append(from[p], listener)
			}
		}
	}
	for _, p := range idle {
		if at := l.written(p, "pass"); !passing[p] && at != nil {
			who, cure := unproxied(from[p])
			l.errorf(idNoEffect, at.key, "has no effect: no header comes to %s, so that there is nothing to pass on; %s", who, cure)
		}
	}
}

// unproxied is who these listeners are, which have no proxy_protocol, in words, and what to do about it: an exit cannot have it.
func unproxied(listeners []*Listener) (who, cure string) {
	var names []string
	cure = "leave it out"
	for _, listener := range listeners {
		if listener.Exit != nil {
			names = append(names, "the exit of tunnel "+quote(listener.Name))
			continue
		}
		names = append(names, "listener "+quote(listener.Name))
		cure = "write proxy_protocol: {mode: require, from: NETWORKS} there, or leave it out"
	}
	return strings.Join(slices.Compact(names), " and "), cure
}

// checkKnown says which operators in what p sends are not known on l.
func (l *loader) checkKnown(p *ProxyProtocol, listener *Listener) {
	for _, t := range p.TLVs {
		for _, written := range t.operators() {
			var why string
			switch {
			case listener.Exit != nil:
				why = "is not known to an exit, to which clients come by near ends"
			case operatorName(written) == serverName && !listener.Inspects:
				why = "is read only where sni is"
			default:
				continue
			}
			if at := l.written(p, "tlvs"); at != nil {
				l.errorf(idNoEffect, at.key, "%s has no value on listener %s: it %s", written, quote(listener.Name), why)
			}
		}
	}
}

// written is where a key of p stands; nil if that is among the defaults, or was taken over, which then has to be read again.
func (l *loader) written(p *ProxyProtocol, key string) *pair {
	v, known := l.headers[p]
	l.unsure = l.unsure || !known
	return v.pair(key)
}

// headers are the PROXY headers that what l takes is sent with. Those of a backend are known, or are then.
func (l *Listener) headers(known map[*Backend][]*ProxyProtocol) []*ProxyProtocol {
	var all []*ProxyProtocol
	for _, r := range l.Routes {
		if r.Via != nil {
			all = append(all, r.Told()...)
			continue
		}
		for _, part := range r.To.Parts {
			headers, ok := known[part.Backend]
			if !ok {
				headers = part.Backend.headers()
				known[part.Backend] = headers
			}
			all = append(all, headers...)
		}
	}
	return all
}
