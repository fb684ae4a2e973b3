package xds

import (
	"slices"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// request is a discovery request of either variant.
type request struct {
	typ   snapshot.Type
	nonce string
	// refusal is Envoy's reason for refusing the response of the nonce, nil if it does not.
	refusal *string

	// State of the world: the version that the client has, and all names that it wants.
	version string
	names   []string

	// Delta: names to add and to drop, and with the first request of a stream what the client has.
	subscribe, unsubscribe []string
	initial                map[string]string
}

// wildcard is the name that stands for all.
const wildcard = "*"

// receive takes in one request: first the answer that it may carry, then what it asks for.
func (s *session) receive(now time.Time, r *request, fx *effects) {
	t := &s.tracks[r.typ]
	if s.variant == SotW && t.lastNonce != "" && r.nonce != t.lastNonce {
		fx.dropped = "stale_nonce" // it crossed a newer response, which the client will answer too
		return
	}
	s.answer(now, r, fx)
	first := !t.asked
	if first {
		t.asked, t.askedAt = true, now
	}
	if s.variant == SotW {
		t.subscribeTo(r, first)
	} else {
		s.subscribe(r, first)
	}
}

// subscribeTo replaces what a state-of-the-world client wants.
func (t *track) subscribeTo(r *request, first bool) {
	if first {
		t.version, t.claims = r.version, r.version != ""
	}
	wild := slices.Contains(r.names, wildcard) || len(r.names) == 0 && !t.named && fullState(r.typ)
	t.named = t.named || len(r.names) > 0
	if wild && !t.wild && !first {
		t.renew()
	}
	t.wild = wild
	before := t.names
	t.names = make(map[string]struct{}, len(r.names))
	for _, name := range r.names {
		if name == wildcard {
			continue
		}
		t.names[name] = struct{}{}
		if _, had := before[name]; !had && !wild {
			t.unknown(name)
		}
	}
	for name := range t.differ {
		if !t.wants(name) {
			delete(t.differ, name)
		}
	}
}

// subscribe changes what a delta client wants.
func (s *session) subscribe(r *request, first bool) {
	t := &s.tracks[r.typ]
	if first {
		t.wild = len(r.subscribe) == 0 && fullState(r.typ)
		s.claims(r)
	}
	for _, name := range r.unsubscribe {
		t.drop(name)
	}
	for _, name := range r.subscribe {
		t.add(name, first)
	}
}

// claims takes note of what a delta client has from an earlier stream. Endpoints and secrets are told again in any
// case, because a cluster or listener may be waiting for them.
func (s *session) claims(r *request) {
	if len(r.initial) == 0 || !fullState(r.typ) {
		return
	}
	entries := make([]*snapshot.Entry, 0, len(r.initial))
	for name, version := range r.initial {
		entries = append(entries, snapshot.Held(r.typ, name, version))
	}
	t := &s.tracks[r.typ]
	t.claim(snapshot.NewSet(r.typ, entries))
	t.version, t.claims = t.base.Version, true
	s.claiming = true
}

// add makes a delta client want name; it is told even if it has it, because it may have lost it.
func (t *track) add(name string, first bool) {
	if name == wildcard {
		if !t.wild && !first {
			t.renew()
		}
		t.wild = true
		return
	}
	if t.names == nil {
		t.names = make(map[string]struct{})
	}
	t.names[name] = struct{}{}
	if !first || t.held(name) == nil {
		t.unknown(name)
	}
}

// drop makes a delta client no longer want name. A client that still wants all is told of it, for it asked.
func (t *track) drop(name string) {
	if name == wildcard {
		t.wild = false
		return
	}
	if _, had := t.names[name]; !had {
		return
	}
	delete(t.names, name)
	if t.wild {
		t.unknown(name)
	} else {
		delete(t.differ, name)
	}
}

// answer takes in an ACK or NACK, if r is one.
func (s *session) answer(now time.Time, r *request, fx *effects) {
	t := &s.tracks[r.typ]
	i := slices.IndexFunc(t.outs, func(out response) bool { return out.nonce == r.nonce })
	if r.nonce == "" || i < 0 {
		return
	}
	answered := t.outs[:i+1]
	t.outs = slices.Clone(t.outs[i+1:])
	if r.refusal != nil {
		refused := s.refusedOf(answered, r.version)
		fx.nacks = append(fx.nacks, nacked{r.typ, s.refuse(now, r.typ, refused, *r.refusal)})
		return
	}
	out := answered[i]
	fx.acks = append(fx.acks, ack{r.typ, now.Sub(out.sentAt)})
	s.accept(r.typ, out)
}

// refusedOf is the response that a refusal speaks of. A state-of-the-world client answers only the newest of several, and
// may mean an older one: surely so, if it says that it has the version of the newest.
func (s *session) refusedOf(answered []response, version string) response {
	newest := answered[len(answered)-1]
	if s.variant == Delta || len(answered) == 1 {
		return newest
	}
	if version == newest.version {
		answered = answered[:len(answered)-1]
	}
	all := answered[len(answered)-1]
	all.change = &snapshot.Change{Type: newest.change.Type, Version: all.version}
	for _, out := range slices.Backward(answered) { // of two versions of a resource it speaks of the newer one
		for _, e := range out.change.Changed {
			if !slices.ContainsFunc(all.change.Changed, func(o *snapshot.Entry) bool { return o.Name == e.Name }) {
				all.change.Changed = append(all.change.Changed, e)
			}
		}
		all.change.Removed = append(all.change.Removed, out.change.Removed...)
	}
	return all
}

// accept takes in an ACK.
func (s *session) accept(typ snapshot.Type, out response) {
	t := &s.tracks[typ]
	if out.alone {
		e := out.change.Changed[0]
		delete(t.maybe, e.Name)
		delete(t.refused, resourceVersion{e.Name, e.Version})
		t.base = snapshot.Union(snapshot.NewSet(typ, []*snapshot.Entry{e}), t.base)
		return
	}
	t.acked = out.version
	for _, e := range out.change.Changed {
		delete(t.maybe, e.Name)
	}
	if typ == snapshot.LDS && len(t.maybe) == 0 && s.hasRoutes(out.view) {
		s.running(out.view)
	}
}
