package conversation

import (
	"testing"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestSubscriptions is about what a client asks for, where both variants say it in their own way.
func TestSubscriptions(t *testing.T) {
	for _, c := range []conversation{
		{
			rules: "C8", name: "silence when nothing changed",
			script: then(synced("l>a east:m>b", "a", "l"),
				quiet,
				publish("l>a east:m>b"), quiet, becomes(xds.Synced),
				publish("l>a east:m>b b=2 @b=3"), quiet, becomes(xds.Synced),
			),
		},
		{
			rules: "C17", name: "some of the names",
			script: []step{
				publish("l>a,b+s"), hello(eds, "a"), expect(eds, "a"), ack(eds), hello(sds, "s"), expect(sds, "s"), ack(sds),
				publish("l>a,b+s @a=2 s=2"), expect(eds, "a=2"), expect(sds, "s=2"), ack(eds, sds),
				publish("l>a,b+s @a=2 @b=2 s=2"), quiet,
			},
		},
		{
			rules: "C16 C18", name: "a further name at the same version",
			script: []step{
				publish("l>a,b"), hello(eds, "a"), expect(eds, "a"), ack(eds),
				subscribe(eds, "b"), expect(eds, "b"), ack(eds), quiet,
				publish("l>a,b @a=2 @b=2"), expect(eds, "a=2 b=2"),
			},
		},
		{
			rules: "C18", name: "a name that was dropped is asked for again",
			script: []step{
				publish("l>a,b"), hello(eds, "a", "b"), expect(eds, "a b"), ack(eds),
				unsubscribe(eds, "b"), quiet, subscribe(eds, "b"), expect(eds, "b"), ack(eds),
			},
		},
		{
			rules: "C19", name: "no names are all listeners and clusters",
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), ack(cds), hello(lds), expect(lds, "l m"), ack(lds),
				publish("l>a m>b n>c"), expectBy(cds, "a b c", "c"),
			},
		},
		{
			rules: "C19", name: "there is no asking for all endpoints",
			script: []step{publish("l>a"), hello(eds), quiet, subscribe(eds, "a"), expect(eds, "a")},
		},
		{
			rules: "C40", name: "all that does not exist, after a name that does not",
			script: []step{
				publish("east:l>a"), hello(lds, "x"), expectBy(lds, "", "-x"), ack(lds), subscribe(lds, "*"), expect(lds, ""), ack(lds),
			},
		},
		{
			rules: "C25 C31", name: "what does not exist is sent once it does",
			script: []step{
				publish("l>a"), hello(eds, "b"), removedOnly(eds, "-b"), quiet,
				publish("l>a,b"), expect(eds, "b"), ack(eds),
			},
		},
		{
			rules: "C25", name: "a cluster asked for by name that does not exist yet",
			script: []step{
				publish("l>a"), hello(cds, "b"), expectBy(cds, "", "-b"), ack(cds), quiet,
				publish("l>a,b"), expect(cds, "b"), ack(cds),
			},
		},
		{
			rules: "C28 C35", name: "dropped names are not pushed",
			script: []step{
				publish("l>a,b"), hello(eds, "a", "b"), expect(eds, "a b"), ack(eds),
				unsubscribe(eds, "b"), quiet,
				publish("l>a,b @b=2"), quiet,
				publish("l>a,b @b=3 @a=2"), expect(eds, "a=2"), ack(eds),
			},
		},
	} {
		c.hold(t)
	}
}

// TestSotWSubscriptions is about lists of names that replace each other.
func TestSotWSubscriptions(t *testing.T) {
	wants := func(names ...string) step { return answer(cds, ads.Request{Version: "x", Names: names}) }
	for _, c := range []conversation{
		{
			rules: "C20", name: "a star is all",
			script: []step{
				publish("l>a m>b"), hello(cds, "*"), expect(cds, "a b"), ack(cds),
				publish("l>a m>b n>c"), expect(cds, "a b c"),
			},
		},
		{
			rules: "C21", name: "a star goes, a name stays",
			script: []step{
				publish("l>a m>b"), hello(cds, "*", "a"), expect(cds, "a b"), wants("a"), quiet,
				publish("l>a m>b b=2"), quiet,
				publish("l>a m>b a=2 b=2"), expect(cds, "a=2"),
			},
		},
		{
			rules: "C21", name: "a star comes to a name",
			script: []step{publish("l>a m>b"), hello(cds, "a"), expect(cds, "a"), wants("a", "*"), expect(cds, "a b")},
		},
		{
			rules: "C22", name: "no names after some are none",
			script: []step{
				publish("l>a m>b"), hello(cds, "a"), expect(cds, "a"), wants(), quiet,
				publish("l>a m>b a=2"), quiet,
			},
		},
		{
			rules: "C22", name: "no endpoints after some are none",
			script: []step{
				publish("l>a"), hello(eds, "a"), expect(eds, "a"), ack(eds), unsubscribe(eds, "a"), quiet,
				publish("l>a @a=2"), quiet,
			},
		},
		{
			rules: "C23", name: "what is absent is gone, and nothing is an answer",
			script: then(synced("l>a m>b", "a b", "l m"),
				publish("l>a"), expect(lds, "l"), ack(lds), expect(cds, "a"), ack(cds),
				publish(""), expect(lds, ""), ack(lds), expect(cds, ""), ack(cds), becomes(xds.Synced),
			),
		},
		{
			rules: "C24", name: "endpoints and secrets are told alone, and their absence is not told",
			script: []step{
				publish("l>a,b+s"), hello(eds, "a", "b"), expect(eds, "a b"), hello(sds, "s"), expect(sds, "s"), ack(eds, sds),
				publish("l>a,b+s @b=2"), expect(eds, "b=2"), ack(eds),
				publish("l>a"), quiet,
				publish("l>a,b+s @b=2"), expect(eds, "b=2"), expect(sds, "s"), // it may have let go of them meanwhile
			},
		},
	} {
		c.only = ads.SotW
		c.hold(t)
	}
}

// TestDeltaSubscriptions is about names that come and go one by one.
func TestDeltaSubscriptions(t *testing.T) {
	for _, c := range []conversation{
		{
			rules: "C29 C30", name: "only what changed, and what is gone by name",
			script: then(synced("l>a m>b", "a b", "l m"),
				publish("l>a m>b b=2"), expect(cds, "b=2"), expect(eds, "b"), ack(cds, eds), quiet,
				publish("l>a m>b b=2 @a=2"), expect(eds, "a=2"), ack(eds), quiet,
				publish("l>a l=2 @a=2"), expect(lds, "l=2 -m"), ack(lds), expect(cds, "-b"), expect(eds, "-b"),
			),
		},
		{
			rules: "C31", name: "what does not exist is said to be gone",
			script: []step{
				publish("l>a"), hello(eds, "a", "x"), expect(eds, "a -x"), ack(eds), hello(sds, "y"), expect(sds, "-y"), ack(sds),
				subscribe(eds, "z"), expect(eds, "-z"),
			},
		},
		{
			rules: "C32", name: "a name that is asked for again is sent again",
			script: []step{
				publish("l>a"), hello(eds, "a"), expect(eds, "a"), ack(eds), subscribe(eds, "a"), expect(eds, "a"), ack(eds),
				subscribe(eds, "x"), expect(eds, "-x"), ack(eds), subscribe(eds, "x"), expect(eds, "-x"),
			},
		},
		{
			rules: "C32", name: "also while it is under way",
			script: []step{
				publish("l>a"), hello(eds, "a"), expect(eds, "a"), subscribe(eds, "a"), quiet, ack(eds), expect(eds, "a"),
			},
		},
		{
			rules: "C33", name: "dropped and asked for in one request",
			script: []step{
				publish("l>a"), hello(eds, "a"), expect(eds, "a"), ack(eds),
				send(ads.Request{Type: eds.URL(), Subscribe: []string{"a"}, Unsubscribe: []string{"a"}}), expect(eds, "a"), ack(eds),
				publish("l>a @a=2"), expect(eds, "a=2"),
			},
		},
		{
			rules: "C34", name: "dropped but never asked for",
			script: then(synced("l>a", "a", "l"),
				unsubscribe(eds, "x"), unsubscribe(cds, "x"), unsubscribe(sds, "x"), quiet,
				publish("l>a a=2"), expect(cds, "a=2"), expect(eds, "a"),
			),
		},
		{
			rules: "C36", name: "a name that is dropped while a star holds is told",
			script: []step{
				publish("l>a m>b"), hello(cds, "*", "a", "x"), expect(cds, "a b -x"), ack(cds),
				unsubscribe(cds, "a"), expect(cds, "a"), ack(cds), unsubscribe(cds, "x"), expect(cds, "-x"), ack(cds),
				publish("l>a m>b a=2"), expect(cds, "a=2"),
			},
		},
		{
			rules: "C37", name: "a star goes, a name stays",
			script: []step{
				publish("l>a m>b"), hello(cds, "*", "a"), expect(cds, "a b"), ack(cds), unsubscribe(cds, "*"), quiet,
				publish("l>a m>b a=2 b=2"), expect(cds, "a=2"),
			},
		},
		{
			rules: "C20 C37", name: "a star comes to a name",
			script: []step{
				publish("l>a m>b"), hello(cds, "a"), expect(cds, "a"), ack(cds), subscribe(cds, "*"), expect(cds, "a b"), ack(cds),
				publish("l>a m>b n>c"), expect(cds, "c"),
			},
		},
		{
			rules: "C37", name: "a star comes while an answer is due, and what was named goes",
			script: []step{
				publish("l>a m>b"), hello(lds, "l"), expect(lds, "l"), publish("m>b"), quiet,
				subscribe(lds, "*"), quiet, ack(lds), expect(lds, "m -l"), ack(lds),
			},
		},
		{
			rules: "C38", name: "no names are all, also when names are added",
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), ack(cds), subscribe(cds, "a"), expect(cds, "a"), ack(cds),
				publish("l>a m>b n>c"), expect(cds, "c"),
			},
		},
		{
			rules: "C42 C14", name: "an answer, a wish, and both at once",
			script: []step{
				publish("l>a,b,c"), hello(eds, "a"), expect(eds, "a"),
				answer(eds, ads.Request{Subscribe: []string{"b"}}), expect(eds, "b"), ack(eds), accepted(eds),
			},
		},
		{
			rules: "C14", name: "a wish with a stale nonce",
			script: []step{
				publish("l>a,b"), hello(eds, "a"), expect(eds, "a"), ack(eds),
				send(ads.Request{Type: eds.URL(), Nonce: "nobody's", Subscribe: []string{"b"}}), expect(eds, "b"),
				send(ads.Request{Type: eds.URL(), Nonce: "nobody's", Unsubscribe: []string{"a"}}), ack(eds), quiet,
				publish("l>a,b @a=2 @b=2"), expect(eds, "b=2"),
			},
		},
	} {
		c.only = ads.Delta
		c.hold(t)
	}
}
