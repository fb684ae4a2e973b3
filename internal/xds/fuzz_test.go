package xds

import (
	"slices"
	"testing"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// FuzzRequests plays any client at all: requests of every kind, with nonces, names and versions that may be right or
// not, between edits, as time goes by. Whatever it does, the session must not panic, not have two unanswered responses
// of a type where one is allowed, and send nothing that is not well formed.
func FuzzRequests(f *testing.F) {
	worlds := fuzzWorlds(f)
	f.Add(false, []byte("\x01\x00\x00\x00\x02\x40\x00\x00"))
	f.Add(true, []byte("\x00\x10\x00\x00\x07\x05\x00\x01\x0b\x0f\x01\x02"))
	f.Add(true, []byte("every byte is a request, a world, or a while"))
	f.Add(false, []byte("and state of the world is no better than delta: it says less, and means more"))
	f.Fuzz(func(t *testing.T, delta bool, script []byte) {
		v := SotW
		if delta {
			v = Delta
		}
		c := &chaos{T: t, variant: v, session: newSession(v, config.Node{ID: "n"}), now: time.Unix(1_700_000_000, 0), worlds: worlds}
		for len(script) > 0 {
			script = c.play(script)
		}
	})
}

// fuzzWorlds are generations of different shape, the later made from the earlier ones.
func fuzzWorlds(t testing.TB) []*snapshot.Generation {
	t.Helper()
	var worlds []*snapshot.Generation
	var prev *snapshot.Generation
	for _, w := range []world{
		{},
		{clusters: map[string]int64{"a": 1}, listeners: map[string]string{"l": "a"}},
		{clusters: map[string]int64{"a": 2, "b": 1}, listeners: map[string]string{"l": "a", "m": "b"}},
		{clusters: map[string]int64{"a": 2, "b": 2}, listeners: map[string]string{"l": "b"}, endpoints: map[string]uint32{"b": 1}},
		{clusters: map[string]int64{"a": 1, "b": 2, "c": 1}, listeners: map[string]string{"l": "c", "m": "b", "n": "a"}},
	} {
		prev = w.build(t, prev)
		worlds = append(worlds, prev)
	}
	return worlds
}

// chaos is a client that follows no rule, and keeps account of what it was sent.
type chaos struct {
	*testing.T
	variant Variant
	session *session
	now     time.Time
	worlds  []*snapshot.Generation
	nonces  []string
	// due are the nonces without an answer, oldest first, and when each came; newest is the last of each type.
	due    [snapshot.NumTypes][]due
	newest [snapshot.NumTypes]string
}

type due struct {
	nonce string
	at    time.Time
}

// play takes one event from script and returns the rest.
func (c *chaos) play(script []byte) []byte {
	var args [4]byte
	n := copy(args[:], script)
	switch script = script[n:]; args[0] % 8 {
	case 0:
		c.step(event{published: c.worlds[int(args[1])%len(c.worlds)]})
	case 1:
		c.now = c.now.Add(time.Duration(args[1]) * time.Second / 4)
		c.step(event{})
	default:
		r := c.request(args)
		c.answer(r)
		c.step(event{request: r})
	}
	return script
}

// request makes a request of three bytes: type and nonce, names, and everything else.
func (c *chaos) request(args [4]byte) *request {
	typ := snapshot.Type(args[0]/8) % snapshot.NumTypes
	r := &request{typ: typ, names: fuzzNames(args[2]), subscribe: fuzzNames(args[2]), unsubscribe: fuzzNames(args[2] >> 4)}
	switch args[1] % 4 {
	case 1, 2:
		r.nonce = c.newest[typ]
	case 3:
		if len(c.nonces) > 0 {
			r.nonce = c.nonces[int(args[1]/4)%len(c.nonces)]
		}
	}
	if view := c.session.view; view != nil && args[3]&1 != 0 {
		r.version = view.Sets[typ].Version
	}
	if args[3]&2 != 0 {
		r.version = "old"
	}
	if args[3]&4 != 0 {
		r.initial = map[string]string{"a": "old", "l": "old", "x": "old"}
	}
	if args[3]&8 != 0 {
		texts := []string{"", "nothing that is known", listPrefix[typ] + "a: because" + listSeparator[typ] + "l: because", "name: \"a\""}
		r.refusal = &texts[args[3]/16%4]
	}
	return r
}

// fuzzNames are the names whose bits are set.
func fuzzNames(bits byte) []string {
	var names []string
	for i, name := range []string{"a", "b", "x", wildcard, "c", "l", "m"} {
		if bits>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}

// answer takes note of which responses r answers: in delta that of its nonce and all before it, in the state of the world
// the newest or none.
func (c *chaos) answer(r *request) {
	i := slices.IndexFunc(c.due[r.typ], func(d due) bool { return d.nonce == r.nonce })
	if i >= 0 && (c.variant == Delta || r.nonce == c.newest[r.typ]) {
		c.due[r.typ] = c.due[r.typ][i+1:]
	}
}

func (c *chaos) step(ev event) {
	c.Helper()
	for _, s := range c.session.step(c.now, ev).sends {
		c.check(s)
		c.due[s.typ] = append(c.due[s.typ], due{s.nonce, c.now})
		c.nonces, c.newest[s.typ] = append(c.nonces, s.nonce), s.nonce
	}
	c.session.state()
}

// check holds a response to what must be true of every one.
func (c *chaos) check(s send) {
	c.Helper()
	if waiting := c.due[s.typ]; len(waiting) > 0 {
		waited := c.now.Sub(waiting[len(waiting)-1].at)
		if s.typ != snapshot.CDS || waited < patienceOf(c.variant) || len(waiting) >= maxUnanswered {
			c.Fatalf("a response of %s was sent with %d unanswered", s.typ, len(waiting))
		}
	}
	if slices.Contains(c.nonces, s.nonce) || s.nonce == "" {
		c.Fatalf("nonce %q twice", s.nonce)
	}
	seen := map[string]bool{}
	for _, name := range c.names(s) {
		if seen[name] {
			c.Fatalf("%s %q twice in one response", s.typ, name)
		}
		seen[name] = true
	}
}

// names are all names that a response speaks of.
func (c *chaos) names(s send) []string {
	c.Helper()
	response := decode(c, c.variant, s)
	names := slices.Clone(response.removed)
	for _, res := range response.resources {
		names = append(names, res.name)
	}
	return names
}
