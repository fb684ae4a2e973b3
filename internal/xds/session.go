package xds

import (
	"strconv"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// session is the protocol state of one ADS stream: events in, responses out. It has no clock, no network and no
// goroutine, so that every rule of the protocol can be tried on it with plain values.
type session struct {
	variant Variant
	node    config.Node
	gen     *snapshot.Generation
	// view is what the client should have; nil before the first generation.
	view *snapshot.View
	// withheld are the listeners that the client should have and cannot.
	withheld []snapshot.Withheld
	tracks   [snapshot.NumTypes]track

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
	s.view = g.View(s.node, s.lacks())
	s.withheld = g.Withheld(s.view)
}

// lacks is what the client cannot do.
func (s *session) lacks() translate.Needs {
	lacks := translate.Lacks(s.node)
	if s.variant == SotW {
		lacks |= translate.NeedsDelta
	}
	return lacks
}

// pump sends whatever may be sent now: clusters, what they need, and then listeners.
func (s *session) pump(now time.Time, fx *effects) {
	s.settle()
	s.releaseClaims(now, fx)
	for _, typ := range []snapshot.Type{snapshot.CDS, snapshot.EDS, snapshot.SDS, snapshot.RDS, snapshot.LDS} {
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
	if t.has(wanted) {
		t.refusing = false
		return
	}
	t.refusing = t.refusesSomeOf(s.view.Sets[typ])
	if s.variant == SotW && fullState(typ) && t.mustWait(wanted) {
		t.waiting = true
		return
	}
	s.disown(typ, wanted)
	goal := t.withoutRefused(wanted)
	t.recognize(goal)
	suspect := t.suspectIn(wanted)
	change := t.pending(goal)
	if suspect == nil && t.nothingToSay(s.variant, change, goal) {
		t.adopt(goal)
		return
	}
	t.waiting = true
	switch {
	case !s.mayRespond(now, typ, fx) || leads(typ) && !s.mayMoveListeners(now, fx):
	case suspect == nil:
		s.respond(now, typ, goal, change, fx)
	case len(t.outs) == 0:
		s.sendAlone(now, typ, suspect, fx)
	}
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
	case snapshot.LDS, snapshot.RDS:
		s.mayRun(s.view)
	}
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
