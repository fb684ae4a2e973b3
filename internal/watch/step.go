package watch

import (
	"path/filepath"
	"slices"
	"time"
)

// longest is how long a stream of changes can put a look off: whoever writes without a pause is read all the same.
const longest = 2 * time.Second

// swapped is the name of the link that Kubernetes puts under a mounted ConfigMap or Secret: all files change at once
// when it is replaced. git-sync and others follow the same custom.
const swapped = "..data"

// Hint says why it is time to look, which tells how far the content can be trusted to be complete.
type Hint int

// The hints.
const (
	// Due: time has passed, or a directory is newly watched. A writer may be in the middle of its work.
	Due Hint = iota + 1
	// Quiet: something changed, and then nothing did for the settle time, or writing went on for too long to wait.
	Quiet
	// Whole: what changed was replaced in one step, so that there is no half-written state to see.
	Whole
)

// kind is what happened to a path.
type kind int

const (
	changed  kind = iota // any event that is none of the others
	appeared             // a name is there that was not, or now means another file
	vanished             // a name is gone by being renamed
	lost                 // events went missing, so anything may have changed
	ticked               // nothing happened, time has passed
	armed                // the list of what is watched is new
)

// observation is one thing that the edge saw.
type observation struct {
	at   time.Time
	kind kind
	path string // absolute; only for changed, appeared and vanished

	// For armed only: the paths whose appearance by rename is a whole edit, how often to poll (0: never), and whether
	// something is watched that was not before, so that a change may have been missed.
	whole []string
	poll  time.Duration
	fresh bool
}

// state is all that the watcher remembers from one observation to the next.
type state struct {
	settle time.Duration // how long it must be quiet; 0 looks at every event

	whole []string
	poll  time.Duration

	first, last time.Time // the oldest and the newest change not yet looked at; zero if there is none
	moved       string    // the path that vanished in the observation just before, else empty
	polled      time.Time // when the last look was, of whatever kind
}

// step takes one observation in. It returns the next state and a hint, 0 if there is no reason to look yet. It is a
// plain function of its arguments: the clock and the file system are the caller's.
func step(s state, o observation) (state, Hint) {
	moved := s.moved
	s.moved = ""
	switch o.kind {
	case armed:
		s.whole, s.poll = o.whole, o.poll
		if o.fresh {
			return s.looked(o.at), Due
		}
	case vanished:
		s.moved = o.path
		s = s.unsettled(o.at)
	case appeared:
		if s.replaces(moved, o.path) {
			return s.looked(o.at), Whole
		}
		s = s.unsettled(o.at)
	case changed, lost:
		s = s.unsettled(o.at)
	case ticked:
	}
	return s.due(o.at)
}

// deadline is when step wants to see a tick; the zero time means never.
func (s state) deadline() time.Time {
	switch {
	case !s.first.IsZero():
		quiet, end := s.last.Add(s.settle), s.first.Add(longest)
		if end.Before(quiet) {
			return end
		}
		return quiet
	case s.poll > 0:
		return s.polled.Add(s.poll)
	default:
		return time.Time{}
	}
}

// due looks if the time for it has come. A poll waits for what is unsettled, which is never long.
func (s state) due(now time.Time) (state, Hint) {
	at := s.deadline()
	if at.IsZero() || now.Before(at) {
		return s, 0
	}
	hint := Due
	if !s.first.IsZero() {
		hint = Quiet
	}
	return s.looked(now), hint
}

func (s state) looked(now time.Time) state {
	s.first, s.last, s.polled = time.Time{}, time.Time{}, now
	return s
}

func (s state) unsettled(now time.Time) state {
	if s.first.IsZero() {
		s.first = now
	}
	s.last = now
	return s
}

// replaces reports whether path appeared by a rename of moved, as the kernel tells a rename within one directory: the
// old name vanishes and, next, the new one appears. A rename from another directory looks like a file that is only
// being created, and has to settle.
func (s state) replaces(moved, path string) bool {
	return moved != "" && moved != path && filepath.Dir(moved) == filepath.Dir(path) &&
		(filepath.Base(path) == swapped || slices.Contains(s.whole, path))
}

// merge is what stays of two hints when the first has not been acted on yet: the newer one, but that time has passed
// says nothing new about the content.
func merge(pending, next Hint) Hint {
	if next == Due && pending != 0 {
		return pending
	}
	return next
}
