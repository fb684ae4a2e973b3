package daemon

import "time"

// trust is how far the content of a look can be taken to be complete.
type trust int

const (
	// unsure: the look came by time alone, so somebody may be in the middle of writing.
	unsure trust = iota
	// quiet: something changed and has been quiet since.
	quiet
	// replaced: a file was replaced in one step.
	replaced
	// certain: a person says that it is time, or it is the first look.
	certain
)

// verdict is what to do with the content of a look.
type verdict int

const (
	// nothingNew: it was taken or reported before.
	nothingNew verdict = iota
	// wait: it may be incomplete; look again at patience.next.
	wait
	// settled: it is what somebody wanted to write. Put it in force, or say what is wrong with it.
	settled
)

// Half-written content is most often invalid, so that waiting costs only the report of real mistakes.
const (
	// grace is how old content has to be before a mistake in it is reported. It is also how long the second of two files
	// that belong together may take to follow the first.
	grace = 2 * time.Second
	// pause is how long content that was found by polling has to stay the same.
	pause = 100 * time.Millisecond
)

// patience decides when changed content is settled. It is plain state: the clock is the caller's.
type patience struct {
	grace, pause time.Duration // see the constants

	judged string // the sum of the content that was settled last
	waiting
}

// waiting is content that is not settled yet. The zero value is none.
type waiting struct {
	seen   string    // the sum of the latest look
	seenAt time.Time // when that was first seen
	since  time.Time // when the first content was seen that had to wait
	next   time.Time // when to look again; zero if nothing waits
}

// judge takes in a look: the sum of its content, whether it is good, and how far to trust that it is complete.
func (p *patience) judge(now time.Time, sum string, good bool, t trust) verdict {
	if sum != p.seen {
		p.seen, p.seenAt = sum, now
	}
	stays := now.Sub(p.seenAt) >= p.pause
	if sum == p.judged {
		p.next = p.seenAt.Add(p.pause)
		if stays || t > unsure || p.since.IsZero() {
			p.waiting = waiting{} // what was seen in between was on its way to this
		}
		return nothingNew
	}
	if p.since.IsZero() {
		p.since = now
	}
	switch old := now.Sub(p.since) >= p.grace; {
	case t >= replaced, old, good && (stays || t == quiet):
		p.judged, p.waiting = sum, waiting{}
		return settled
	case good:
		p.next = p.seenAt.Add(p.pause)
	default:
		p.next = p.since.Add(p.grace)
	}
	return wait
}
