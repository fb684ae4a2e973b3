package conversation

import (
	"testing"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// Envoy's words for a cluster, a listener and an assignment that it cannot take.
const (
	badA    = "Error adding/updating cluster(s) a: The table size of maglev must be prime number"
	badB    = "Error adding/updating cluster(s) b: The table size of maglev must be prime number"
	badL    = "Error adding/updating listener(s) l: cannot bind '0.0.0.0:80': Address already in use\n"
	badHost = "malformed IP address: localhost" // does not say whose
)

// TestRefusal is about NACKs. What was refused must not come again, and the rest must.
func TestRefusal(t *testing.T) {
	for _, c := range []conversation{
		{
			rules: "C9", name: "a refusal is known by its error, not by its version",
			script: []step{
				publish("l>a"), hello(cds), expect(cds, "a"),
				func(tk *talk) {
					answer(cds, ads.Request{Version: tk.response(cds).Version, Refusal: new(string)})(tk)
				},
				refused(cds, "a"), quiet,
			},
		},
		{
			rules: "C9", name: "an older version without an error is no refusal",
			script: []step{
				publish("l>a"), hello(cds), expect(cds, "a"), answer(cds, ads.Request{Version: "older"}), accepted(cds),
			},
		},
		{
			rules: "C10 C12", name: "silence until something changes, and the node is not in sync",
			script: then(synced("l>a", "a", "l"),
				publish("l>a l=2"), expect(lds, "l=2"), nack(lds, badL), quiet, refused(lds, "l"), becomes(xds.Rejected),
				publish("l>a l=2 @a=2"), expect(eds, "a=2"), ack(eds), quiet, becomes(xds.Rejected),
			),
		},
		{
			rules: "C11", name: "a newer version is delivered",
			script: then(synced("l>a", "a", "l"),
				publish("l>a a=2"), expect(cds, "a=2"), expect(eds, "a"), nack(cds, badA), ack(eds), becomes(xds.Rejected),
				publish("l>a a=3"), expect(cds, "a=3"), expect(eds, "a"), ack(cds, eds), accepted(cds), becomes(xds.Synced),
				publish("l>a a=2"), expect(eds, "a"), ack(eds), quiet, becomes(xds.Rejected), // refused is refused
			),
		},
		{
			rules: "C11", name: "the version before is there already if the refused one is known",
			script: then(synced("l>a", "a", "l"),
				publish("l>a a=2"), expect(cds, "a=2"), expect(eds, "a"), ack(eds), nack(cds, badA), becomes(xds.Rejected),
				publish("l>a"), expect(eds, "a"), ack(eds), quiet, becomes(xds.Synced),
			),
		},
		{
			rules: "C11", name: "the version before is delivered again where the client may have a mix",
			script: []step{
				publish("l>a,b"), hello(eds, "a", "b"), expect(eds, "a b"), ack(eds),
				publish("l>a,b @a=2 @b=2"), expect(eds, "a=2 b=2"), nack(eds, badHost), expect(eds, "a=2"),
				publish("l>a,b"), quiet, nack(eds, badHost), expect(eds, "a b"), ack(eds), accepted(eds),
			},
		},
		{
			rules: "C10", name: "the good ones of a refused response are made sure of, once",
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), nack(cds, badB), expect(cds, "a"), ack(cds), quiet,
				refused(cds, "b"),
				publish("l>a m>b b=2"), expectBy(cds, "a b=2", "b=2"), ack(cds), accepted(cds),
			},
		},
		{
			rules: "C10", name: "a client that refuses whatever comes is not asked for ever",
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), nack(cds, badB), expect(cds, "a"), nack(cds, badA), quiet,
				refused(cds, "a"),
			},
		},
		{
			rules: "C44", name: "listeners wait while a cluster is refused",
			script: then(synced("l>a", "a", "l"),
				publish("l>b"), expectBy(cds, "a b", "b"), nack(cds, badB), quiet, becomes(xds.Rejected),
				publish("l>b b=2"), expectBy(cds, "a b=2", "b=2"), ack(cds), expect(lds, "l"), ack(lds), expectBy(cds, "b=2", "-a"),
				removedOnly(eds, "-a"),
			),
		},
		{
			rules: "C43", name: "a refused listener does not hold clusters back",
			script: then(synced("l>a", "a", "l"),
				publish("l>a l=2"), expect(lds, "l=2"), nack(lds, badL), becomes(xds.Rejected),
				publish("l>a l=2 a=2"), expect(cds, "a=2"), expect(eds, "a"), ack(cds, eds), quiet, becomes(xds.Rejected),
			),
		},
		{
			rules: "C44", name: "clusters of a listener that stands in for a refused one stay",
			script: then(synced("l>a", "a", "l"),
				publish("l>b"), expectBy(cds, "a b", "b"), ack(cds), expect(lds, "l"), nack(lds, badL), quiet, becomes(xds.Rejected),
				publish("l>b l=2"), expect(lds, "l=2"), ack(lds), expectBy(cds, "b", "-a"), removedOnly(eds, "-a"),
			),
		},
		{
			rules: "C10", name: "an offender that has no name is looked for",
			script: []step{
				publish("l>a,b,c"), hello(eds, "a", "b", "c"), expect(eds, "a b c"), nack(eds, badHost), refused(eds),
				expect(eds, "a"), ack(eds), expect(eds, "b"), nack(eds, badHost), refused(eds, "b"), expect(eds, "c"), ack(eds), quiet,
				publish("l>a,b,c @b=2"), expect(eds, "b=2"), ack(eds), accepted(eds),
			},
		},
		{
			rules: "C10", name: "delta looks for a cluster too", only: ads.Delta,
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), nack(cds, "duplicate name"), expect(cds, "a"), ack(cds),
				expect(cds, "b"), nack(cds, "duplicate name"), quiet, refused(cds, "b"),
			},
		},
		{
			rules: "C10", name: "even of what it had", only: ads.Delta,
			script: []step{
				publish("l>a"), hello(cds, "*", "a"), expect(cds, "a"), ack(cds), unsubscribe(cds, "a"), expect(cds, "a"),
				nack(cds, "for no reason"), quiet, refused(cds, "a"),
			},
		},
		{
			rules: "C10", name: "a full state in which something nameless is bad waits for a change", only: ads.SotW,
			script: []step{
				publish("l>a m>b"), hello(cds), expect(cds, "a b"), nack(cds, "duplicate name"), quiet, refused(cds),
				publish("l>a m>b b=2"), expect(cds, "a b=2"), ack(cds), accepted(cds),
			},
		},
		{
			rules: "C23", name: "what was refused is not taken away from a client that may have an older one", only: ads.SotW,
			script: []step{
				publish("l>a m>a l=2"), claim(cds, ads.Held{Version: "old"}), expect(cds, "a"), ack(cds),
				claim(lds, ads.Held{Version: "old"}), expect(lds, "l=2 m"), nack(lds, badL), quiet, becomes(xds.Rejected),
				publish("l>a m>a l=2 m=2"), quiet, // without l this would be the end of it
				publish("l>a m>a l=3 m=2"), expect(lds, "l=3 m=2"), ack(lds), becomes(xds.Synced),
			},
		},
		{
			rules: "C23", name: "and is taken away once it is gone", only: ads.SotW,
			script: []step{
				publish("l>a l=2"), claim(cds, ads.Held{Version: "old"}), expect(cds, "a"), ack(cds),
				claim(lds, ads.Held{Version: "old"}), expect(lds, "l=2"), nack(lds, badL), quiet,
				publish("east:l>a"), expect(lds, ""), ack(lds), expect(cds, ""), ack(cds), becomes(xds.Synced),
			},
		},
		{
			rules: "C12", name: "what was refused is sent again on a new stream, once",
			script: then(synced("l>a", "a", "l"),
				publish("l>a l=2"), expect(lds, "l=2"), nack(lds, badL), quiet, becomes(xds.Rejected),
				reconnect, resume(cds), quiet, resume(lds), expect(lds, "l=2"), nack(lds, badL), quiet, becomes(xds.Rejected),
			),
		},
	} {
		c.hold(t)
	}
}
