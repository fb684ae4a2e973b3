package xds

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// refuse takes in a NACK: what Envoy could not take is not sent again on this stream, and the rest of the response is,
// because a refused response is half applied.
func (s *session) refuse(now time.Time, typ snapshot.Type, out response, message string) *Nack {
	t := &s.tracks[typ]
	held, found := offenders(typ, message, out.change.Changed), guilty
	if len(held) == 0 {
		held = t.suspects(out)
		if len(held) > 1 {
			found = suspect
		}
	}
	if t.refused == nil {
		t.refused = make(map[resourceVersion]verdict)
	}
	for _, e := range held {
		t.refused[resourceVersion{e.Name, e.Version}] = found
	}
	if out.alone {
		delete(t.maybe, held[0].Name)
	} else {
		t.revert(held, out)
	}
	if found == suspect {
		for _, e := range held {
			t.mayHave(e.Name)
		}
		held = nil
	}
	t.nack = newNack(now, typ, out, message, held)
	t.nack.Advice = advice(s.node, t.nack.Message)
	return t.nack
}

// suspects are the resources of a response that Envoy may have meant: those that were new to it, if there were any.
func (t *track) suspects(out response) []*snapshot.Entry {
	if !t.wild { // what a client has of names that it did not ask for is not known
		return out.change.Changed
	}
	var fresh []*snapshot.Entry
	for _, e := range out.change.Changed {
		if had := t.lastGood(e.Name, out.before); had == nil || had.Version != e.Version {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return out.change.Changed
	}
	return fresh
}

// revert takes back what respond took for granted: the refused resources are what they were before, removals may not have
// been carried out, and what the client has of the other resources is not known.
func (t *track) revert(refused []*snapshot.Entry, out response) {
	has := make(map[string]*snapshot.Entry, len(t.base.Entries))
	for _, e := range t.base.Entries {
		has[e.Name] = e
	}
	for _, e := range out.change.Changed {
		t.unknown(e.Name)
	}
	for _, e := range refused {
		delete(t.differ, e.Name)
		if now := has[e.Name]; now != nil && t.verdict(now) != innocent {
			has[e.Name] = t.lastGood(e.Name, out.before)
		}
		if t.claims && has[e.Name] == nil {
			t.mayHave(e.Name) // a version from an earlier stream
		}
	}
	for _, name := range out.change.Removed {
		if has[name] != nil {
			continue
		}
		has[name] = t.lastGood(name, out.before)
		if len(out.change.Changed) > 0 { // nothing but removals is not sent again: it would be refused for ever
			t.unknown(name)
		}
	}
	maps.DeleteFunc(has, func(_ string, e *snapshot.Entry) bool { return e == nil })
	t.base = snapshot.NewSet(t.base.Type, slices.Collect(maps.Values(has)))
}

// lastGood is what a client that refused some versions of a resource has of it: going back through sets, the first
// version that it did not refuse; nil if it had none then.
func (t *track) lastGood(name string, sets []*snapshot.Set) *snapshot.Entry {
	for _, set := range sets {
		if set == nil {
			return nil
		}
		if e := set.Get(name); e == nil || t.verdict(e) == innocent {
			return e
		}
	}
	return nil
}

// mayHave takes note that it is not known what the client has of name.
func (t *track) mayHave(name string) {
	if t.maybe == nil {
		t.maybe = make(map[string]bool)
	}
	t.maybe[name] = true
}

// disown has the client told again of resources of which it is not known what it has, once they are neither refused nor
// in use.
func (s *session) disown(typ snapshot.Type, wanted *snapshot.Set) {
	t := &s.tracks[typ]
	for name := range t.maybe {
		if e := wanted.Get(name); e == nil && !s.inUse(typ, name) || e != nil && t.verdict(e) == innocent {
			t.unknown(name)
			delete(t.maybe, name)
		}
	}
}

// newNack is the record of a refusal, with the lines of the file as they were when the response was sent.
func newNack(now time.Time, typ snapshot.Type, out response, message string, offenders []*snapshot.Entry) *Nack {
	n := &Nack{Version: out.version, Message: redact(message), At: now}
	for _, e := range offenders {
		n.Resources = append(n.Resources, e.Name)
		for _, p := range out.gen.Positions(out.view, typ, e.Name) {
			if !slices.Contains(n.Places, p) {
				n.Places = append(n.Places, p)
			}
		}
	}
	return n
}

// The forms in which Envoy names resources that it refuses; research and tests are of 1.40.
var (
	listPrefix = map[snapshot.Type]string{
		snapshot.LDS: "Error adding/updating listener(s) ",
		snapshot.CDS: "Error adding/updating cluster(s) ",
	}
	listSeparator = map[snapshot.Type]string{snapshot.LDS: "\n", snapshot.CDS: ", "}
	// protoName is the name of a resource that Envoy shows in full because it breaks a rule of its message.
	protoName = regexp.MustCompile(`(?m)^(?:cluster_)?name: "([^"\n]*)"$`)
)

// offenders are those of sent that message names; none if it names none.
func offenders(typ snapshot.Type, message string, sent []*snapshot.Entry) []*snapshot.Entry {
	named := make(map[string]bool)
	if rest, ok := strings.CutPrefix(message, listPrefix[typ]); ok && listPrefix[typ] != "" {
		for item := range strings.SplitSeq(rest, listSeparator[typ]) {
			if name, _, ok := strings.Cut(item, ": "); ok {
				named[name] = true
			}
		}
	} else {
		for _, match := range protoName.FindAllStringSubmatch(message, -1) {
			named[match[1]] = true
		}
	}
	var found []*snapshot.Entry
	for _, e := range sent {
		if named[e.Name] {
			found = append(found, e)
		}
	}
	return found
}

// maxMessage is how much of a client's text is kept, in bytes. Envoy itself stops at 4,110.
const maxMessage = 8 << 10

var (
	inlineValue = regexp.MustCompile(`(?s)(inline_(?:string|bytes)): *"(?:[^"\\]|\\.)*\\?"?`)
	privateKey  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// redact takes out of Envoy's text what may be a private key: it quotes whole resources, keys included.
func redact(message string) string {
	if len(message) > maxMessage {
		message = message[:maxMessage] + "...(truncated)"
	}
	message = inlineValue.ReplaceAllString(message, `$1: "[redacted]"`)
	message = privateKey.ReplaceAllString(message, "[private key redacted]")
	return strings.ToValidUTF8(message, "\uFFFD")
}
