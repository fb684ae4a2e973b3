package xds

import (
	"slices"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// This file is the order in which types move, so that no connection meets a gap: clusters and their endpoints come before
// the listeners that name them, and go after.

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

// goal is what the client should have of one type, and may not lose yet.
func (s *session) goal(typ snapshot.Type) *snapshot.Set {
	goal := s.view.Sets[typ]
	if typ == snapshot.LDS {
		return goal
	}
	base := s.tracks[typ].base
	var kept []*snapshot.Entry
	for _, name := range snapshot.Diff(base, goal).Removed {
		if e := base.Get(name); e.Frozen || s.inUse(typ, name) {
			kept = append(kept, s.asInForce(typ, e))
		}
	}
	if len(kept) == 0 {
		return goal
	}
	return snapshot.Union(goal, snapshot.NewSet(typ, kept))
}

// asInForce is e, which the view does not have any more, as listeners that the client may be running need it: routes that
// were not sent yet, for nobody asked for them, would lead to a cluster that may be gone.
func (s *session) asInForce(typ snapshot.Type, e *snapshot.Entry) *snapshot.Entry {
	if _, unsent := s.tracks[typ].differ[e.Name]; typ != snapshot.RDS || !unsent {
		return e
	}
	for _, v := range slices.Backward(s.inForce) {
		if held := v.Sets[typ].Get(e.Name); held != nil {
			return held
		}
	}
	return e
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

// leads reports whether resources of the type lead to clusters: listeners, and routes that travel by themselves.
func leads(typ snapshot.Type) bool { return typ == snapshot.LDS || typ == snapshot.RDS }

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
	if !t.asked || len(t.outs) > 0 || len(t.differ) > 0 || len(t.maybe) > 0 || s.keeps(snapshot.LDS) || !s.hasRoutes(s.view) {
		return
	}
	listeners := s.view.Sets[snapshot.LDS]
	t.recognize(listeners)
	if t.base != nil && t.base.Version == listeners.Version {
		s.running(s.view)
	}
}

// hasRoutes reports whether the client surely has all routes of v. Until then it may use clusters that only former ones
// lead to, and those of v may not be there yet.
func (s *session) hasRoutes(v *snapshot.View) bool {
	t := &s.tracks[snapshot.RDS]
	return len(t.outs) == 0 && len(t.maybe) == 0 &&
		!slices.ContainsFunc(v.Sets[snapshot.RDS].Entries, func(e *snapshot.Entry) bool {
			_, unsure := t.differ[e.Name]
			held := t.held(e.Name)
			return unsure || !t.wants(e.Name) || held == nil || held.Version != e.Version
		})
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
// older ones stand in for refused ones: what those need must not go, nor what the routes that they name lead to.
func (s *session) running(v *snapshot.View) {
	standIns := snapshot.Diff(v.Sets[snapshot.LDS], s.tracks[snapshot.LDS].base).Changed
	strange := func(e *snapshot.Entry) bool {
		return !slices.ContainsFunc(s.inForce, func(old *snapshot.View) bool { return holds(old, snapshot.LDS, e) })
	}
	s.claiming = s.claiming && slices.ContainsFunc(standIns, strange)
	var routes []*snapshot.Entry
	if held := s.tracks[snapshot.RDS].base; len(standIns) > 0 && held != nil {
		routes = snapshot.Diff(v.Sets[snapshot.RDS], held).Changed
	}
	s.inForce = append(slices.DeleteFunc(s.inForce, func(old *snapshot.View) bool {
		return old == v || !slices.ContainsFunc(standIns, func(e *snapshot.Entry) bool { return holds(old, snapshot.LDS, e) }) &&
			!slices.ContainsFunc(routes, func(e *snapshot.Entry) bool { return holds(old, snapshot.RDS, e) })
	}), v)
}

// holds reports whether v has just this resource.
func holds(v *snapshot.View, typ snapshot.Type, e *snapshot.Entry) bool {
	held := v.Sets[typ].Get(e.Name)
	return held != nil && held.Version == e.Version
}

// keeps reports whether the client is left with what it came with: it has content, and no listener is meant for it. It
// may be a node whose name was mistyped, and emptying it would be an outage.
func (s *session) keeps(typ snapshot.Type) bool {
	t := &s.tracks[typ]
	return t.claims && !t.answered && len(s.view.Sets[snapshot.LDS].Entries) == 0
}
