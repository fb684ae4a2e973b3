package xds

import (
	"slices"
	"strconv"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// How long the order of types waits for an acknowledgement. Envoy holds back every CDS answer while any cluster warms,
// which may take 15 s or, with an unlimited fetch timeout, for ever.
const (
	// listenerPatience is how long listeners wait for the clusters that they name.
	listenerPatience = 5 * time.Second
	// deltaPatience is when the next CDS response may follow one without an answer: delta answers each nonce.
	deltaPatience = 5 * time.Second
	// sotwPatience is the same for state of the world, where Envoy answers only the newest response and would pin the
	// refusal of an older one on it.
	sotwPatience = 20 * time.Second
	// claimPatience is how long clusters that a client came with are kept if it does not ask for listeners at all.
	claimPatience = time.Minute
	// maxUnanswered is how many CDS responses may be without an answer, and how many views may be in force. A client beyond
	// the first does not listen.
	maxUnanswered = 8
)

// session is the protocol state of one ADS stream: events in, responses out. It has no clock, no network and no
// goroutine, so that every rule of the protocol can be tried on it with plain values.
type session struct {
	variant Variant
	node    config.Node
	gen     *snapshot.Generation
	// view is what the client should have; nil before the first generation.
	view   *snapshot.View
	tracks [snapshot.NumTypes]track

	// inForce are the views whose listeners the client may be running, oldest first: the one last acknowledged, what was
	// sent since, and older ones of which a listener stands in for a refused one. Their clusters must not go.
	inForce []*snapshot.View
	// claiming is whether the client may run listeners of none of these views: it came with content from an earlier
	// stream, or refused too much to be followed. No cluster may go meanwhile.
	claiming bool

	nonces uint64
	// stopped is why the stream must end; empty while it may go on.
	stopped string
}

func newSession(v Variant, n config.Node) *session {
	return &session{variant: v, node: n}
}

// event is one thing that happens to a session; the zero event is the passing of time.
type event struct {
	published *snapshot.Generation
	request   *request
}

// effects are what a step asks for.
type effects struct {
	// sends are responses, in the order in which they must be on the wire.
	sends []send
	// wake is when the session wants a step even if nothing happens; zero means never.
	wake time.Time
	// acks and nacks are the answers that this step understood.
	acks  []ack
	nacks []nacked
	// dropped is why the request was ignored; empty if it was not.
	dropped string
}

// send is one response: a body that streams share, and the nonce that is this stream's own.
type send struct {
	typ   snapshot.Type
	nonce string
	body  []byte
}

type ack struct {
	typ  snapshot.Type
	took time.Duration
}

type nacked struct {
	typ  snapshot.Type
	nack *Nack
}

// step takes in one event and says what to send now.
func (s *session) step(now time.Time, ev event) effects {
	var fx effects
	if ev.published != nil {
		s.aim(ev.published)
	}
	if ev.request != nil {
		s.receive(now, ev.request, &fx)
	}
	if s.view != nil {
		s.pump(now, &fx)
	}
	return fx
}

// aim makes g the generation that the client should have.
func (s *session) aim(g *snapshot.Generation) {
	s.gen = g
	s.view = g.View(s.node)
}

// pump sends whatever may be sent now: clusters, what they need, and then listeners.
func (s *session) pump(now time.Time, fx *effects) {
	s.settle()
	s.releaseClaims(now, fx)
	for _, typ := range []snapshot.Type{snapshot.CDS, snapshot.EDS, snapshot.SDS, snapshot.LDS} {
		s.advance(now, typ, fx)
		s.tracks[typ].forgive()
	}
}

// advance sends the next response of one type, if there is something to send and it is its turn.
func (s *session) advance(now time.Time, typ snapshot.Type, fx *effects) {
	t := &s.tracks[typ]
	t.waiting = false
	if !t.asked || s.keeps(typ) {
		return
	}
	wanted := s.goal(typ)
	t.refusing = t.refusesSomeOf(s.view.Sets[typ])
	if s.variant == SotW && fullState(typ) && t.mustWait(wanted) {
		t.waiting = true
		return
	}
	s.disown(typ, wanted)
	goal := t.withoutRefused(wanted)
	suspect := t.suspectIn(wanted)
	change := t.pending(s.variant, goal)
	if suspect == nil && t.nothingToSay(s.variant, change, goal) {
		t.adopt(goal)
		return
	}
	t.waiting = true
	switch {
	case !s.mayRespond(now, typ, fx) || typ == snapshot.LDS && !s.mayMoveListeners(now, fx):
	case suspect == nil:
		s.respond(now, typ, goal, change, fx)
	case len(t.outs) == 0:
		s.sendAlone(now, typ, suspect, fx)
	}
}

// goal is what the client should have of one type, and may not lose yet.
func (s *session) goal(typ snapshot.Type) *snapshot.Set {
	goal := s.view.Sets[typ]
	if typ == snapshot.LDS {
		return goal
	}
	base := s.tracks[typ].base
	var kept []*snapshot.Entry
	for _, name := range snapshot.Diff(base, goal).Removed {
		if s.inUse(typ, name) {
			kept = append(kept, base.Get(name))
		}
	}
	if len(kept) == 0 {
		return goal
	}
	return snapshot.Union(goal, snapshot.NewSet(typ, kept))
}

// inUse reports whether listeners that the client may be running need the resource, although the view does not have it.
func (s *session) inUse(typ snapshot.Type, name string) bool {
	if typ == snapshot.LDS {
		return false
	}
	if typ == snapshot.CDS && s.claiming {
		return true
	}
	for _, v := range s.inForce {
		if v.Sets[typ].Get(name) != nil {
			return true
		}
	}
	return false
}

// mayRespond reports whether one more response of the type may be without an answer.
func (s *session) mayRespond(now time.Time, typ snapshot.Type, fx *effects) bool {
	t := &s.tracks[typ]
	if len(t.outs) == 0 {
		return true
	}
	if typ != snapshot.CDS {
		return false
	}
	patience := deltaPatience
	if s.variant == SotW {
		patience = sotwPatience
	}
	due := t.outs[len(t.outs)-1].sentAt.Add(patience)
	if now.Before(due) {
		fx.wakeAt(due)
		return false
	}
	if len(t.outs) >= maxUnanswered {
		s.stopped = "unresponsive"
		return false
	}
	return true
}

// mayMoveListeners reports whether the clusters that new listeners name are there: a listener that comes before its
// cluster closes every connection.
func (s *session) mayMoveListeners(now time.Time, fx *effects) bool {
	cds, lds := &s.tracks[snapshot.CDS], &s.tracks[snapshot.LDS]
	var due time.Time
	switch {
	case !cds.asked && !lds.claims:
		return true // it never wants clusters, or it would have asked for them first
	case !cds.asked:
		due = lds.askedAt.Add(listenerPatience) // while a cluster warms, Envoy does not even ask for CDS
	case cds.refusing || cds.waiting:
		return false
	case len(cds.outs) == 0:
		return true
	default:
		due = cds.outs[len(cds.outs)-1].sentAt.Add(listenerPatience)
	}
	if now.Before(due) {
		fx.wakeAt(due)
		return false
	}
	return true
}

// respond sends one response and takes it that the client will have goal.
func (s *session) respond(now time.Time, typ snapshot.Type, goal *snapshot.Set, change *snapshot.Change, fx *effects) {
	t := &s.tracks[typ]
	body := t.body(s.variant, typ, goal, change)
	s.transmit(now, typ, response{version: goal.Version, change: change}, body, fx)
	t.adopt(goal)
	t.waiting = false
}

// sendAlone sends one resource of a refused response without the others, to find out which of them Envoy cannot take.
func (s *session) sendAlone(now time.Time, typ snapshot.Type, suspect *snapshot.Entry, fx *effects) {
	t := &s.tracks[typ]
	only := snapshot.NewSet(typ, []*snapshot.Entry{suspect})
	goal := snapshot.Union(only, t.base) // what the client has, but for the suspect
	change := snapshot.Diff(nil, only)
	s.transmit(now, typ, response{version: goal.Version, change: change, alone: true},
		t.body(s.variant, typ, goal, change), fx)
}

// transmit gives a response its nonce and keeps it until it is answered.
func (s *session) transmit(now time.Time, typ snapshot.Type, r response, body []byte, fx *effects) {
	s.nonces++
	r.nonce, r.sentAt, r.gen, r.view = strconv.FormatUint(s.nonces, 10), now, s.gen, s.view
	t := &s.tracks[typ]
	r.before = []*snapshot.Set{t.base}
	if n := len(t.outs); n > 0 {
		r.before = append(r.before, t.outs[n-1].before...)
	}
	t.outs = append(t.outs, r)
	t.sent, t.lastNonce, t.answered = r.version, r.nonce, true
	fx.sends = append(fx.sends, send{typ: typ, nonce: r.nonce, body: body})
	switch typ {
	case snapshot.CDS:
		s.resupply(r.change)
	case snapshot.LDS:
		s.mayRun(s.view)
	}
}

// mayRun takes note that the client may run listeners of v from now on.
func (s *session) mayRun(v *snapshot.View) {
	s.inForce = append(s.inForce, v)
	if len(s.inForce) > maxUnanswered { // no longer to be followed one by one: nothing may go until it is settled
		s.inForce, s.claiming = s.inForce[1:], true
	}
}

// resupply has the endpoints of changed clusters sent again, right after the clusters: a changed cluster warms until it
// is told its endpoints, and Envoy does not ask for those that it has.
func (s *session) resupply(change *snapshot.Change) {
	eds := &s.tracks[snapshot.EDS]
	for _, e := range change.Changed {
		if e.Service != "" && eds.wants(e.Service) {
			eds.unknown(e.Service)
		}
	}
}

// settle takes note of listeners that need no response: the client has those of the view already, so that nothing else
// is in force.
func (s *session) settle() {
	t := &s.tracks[snapshot.LDS]
	if !t.asked || len(t.outs) > 0 || len(t.differ) > 0 || len(t.maybe) > 0 || s.keeps(snapshot.LDS) {
		return
	}
	listeners := s.view.Sets[snapshot.LDS]
	if t.base == nil && t.cameWith(listeners) {
		t.claim(listeners)
	}
	if t.base != nil && t.base.Version == listeners.Version {
		s.running(s.view)
	}
}

// releaseClaims gives up the clusters of a client that does not ask for listeners, which could still use them.
func (s *session) releaseClaims(now time.Time, fx *effects) {
	if !s.claiming || s.tracks[snapshot.LDS].asked {
		return
	}
	due := s.tracks[snapshot.CDS].askedAt.Add(claimPatience)
	if now.Before(due) {
		fx.wakeAt(due)
		return
	}
	s.claiming = false
}

// running takes note that the client runs exactly the listeners it was last sent, which are those of v, except where
// older ones stand in for refused ones: what those need must not go.
func (s *session) running(v *snapshot.View) {
	standIns := snapshot.Diff(v.Sets[snapshot.LDS], s.tracks[snapshot.LDS].base).Changed
	known := func(e *snapshot.Entry) bool {
		return slices.ContainsFunc(s.inForce, func(old *snapshot.View) bool { return lists(old, e) })
	}
	s.claiming = s.claiming && !all(standIns, known)
	s.inForce = append(slices.DeleteFunc(s.inForce, func(old *snapshot.View) bool {
		return old == v || !slices.ContainsFunc(standIns, func(e *snapshot.Entry) bool { return lists(old, e) })
	}), v)
}

func all(entries []*snapshot.Entry, is func(*snapshot.Entry) bool) bool {
	return !slices.ContainsFunc(entries, func(e *snapshot.Entry) bool { return !is(e) })
}

// lists reports whether v has just this listener.
func lists(v *snapshot.View, e *snapshot.Entry) bool {
	held := v.Sets[snapshot.LDS].Get(e.Name)
	return held != nil && held.Version == e.Version
}

// keeps reports whether the client is left with what it came with: it has content, and no listener is meant for it. It
// may be a node whose name was mistyped, and emptying it would be an outage.
func (s *session) keeps(typ snapshot.Type) bool {
	t := &s.tracks[typ]
	return t.claims && !t.answered && len(s.view.Sets[snapshot.LDS].Entries) == 0
}

// state is how the client stands to what it should have.
func (s *session) state() State {
	if s.stopped != "" || s.view != nil && (s.keeps(snapshot.LDS) || s.keeps(snapshot.CDS)) {
		return Stale
	}
	if s.view == nil || !s.tracks[snapshot.LDS].asked {
		return Pending
	}
	state := Synced
	for i := range s.tracks {
		switch t := &s.tracks[i]; {
		case t.refusing:
			return Rejected
		case len(t.outs) > 0 || t.waiting:
			state = Pending
		}
	}
	return state
}

// wakeAt asks for a step at t, if none is asked for earlier.
func (fx *effects) wakeAt(t time.Time) {
	if fx.wake.IsZero() || t.Before(fx.wake) {
		fx.wake = t
	}
}
