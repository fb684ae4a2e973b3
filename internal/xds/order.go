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
			kept = append(kept, e)
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
	t.recognize(listeners)
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
	strange := func(e *snapshot.Entry) bool {
		return !slices.ContainsFunc(s.inForce, func(old *snapshot.View) bool { return lists(old, e) })
	}
	s.claiming = s.claiming && slices.ContainsFunc(standIns, strange)
	s.inForce = append(slices.DeleteFunc(s.inForce, func(old *snapshot.View) bool {
		return old == v || !slices.ContainsFunc(standIns, func(e *snapshot.Entry) bool { return lists(old, e) })
	}), v)
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
