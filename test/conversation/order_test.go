package conversation

import (
	"testing"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestOrder is about what must come before what, and about things that cross on the wire.
func TestOrder(t *testing.T) {
	for _, c := range []conversation{
		{
			rules: "C44", name: "clusters, endpoints, listeners once the clusters are accepted, and removals last",
			script: then(synced("l>a", "a", "l"),
				publish("l>b"), expectBy(cds, "a b", "b"), quiet, becomes(xds.Pending),
				subscribe(eds, "b"), expect(eds, "b"), ack(eds), quiet,
				ack(cds), expect(lds, "l"), quiet,
				ack(lds), expectBy(cds, "b", "-a"), removedOnly(eds, "-a"), becomes(xds.Pending),
				unsubscribe(eds, "a"), ack(cds), becomes(xds.Synced),
			),
		},
		{
			rules: "C44", name: "clusters of a new client come before its listeners",
			script: []step{
				publish("l>a"), hello(cds), hello(lds), expect(cds, "a"), quiet,
				hello(eds, "a"), expect(eds, "a"), quiet, ack(cds), expect(lds, "l"),
			},
		},
		{
			rules: "C44", name: "secrets come before the listeners that need them",
			script: then(synced("l>a", "a", "l"),
				publish("l>a+s"), expect(lds, "l"), ack(lds), hello(sds, "s"), expect(sds, "s"), ack(sds), becomes(xds.Synced),
				publish("l>a+s s=2 l=2 a=2"), expect(cds, "a=2"), expect(eds, "a"), expect(sds, "s=2"), ack(cds), expect(lds, "l=2"),
			),
		},
		{
			rules: "C44", name: "an edit that is taken back before the clusters may go",
			script: then(synced("l>a", "a", "l"),
				publish("l>b"), expectBy(cds, "a b", "b"), ack(cds), expect(lds, "l"),
				publish("l>a"), quiet, ack(lds), expect(lds, "l"), quiet, ack(lds), expectBy(cds, "a", "-b"), ack(cds),
				becomes(xds.Synced),
			),
		},
		{
			rules: "C44 C47", name: "clusters of listeners under way stay, also those of listeners that were skipped",
			script: then(synced("l>a", "a", "l"),
				publish("l>b"), expectBy(cds, "a b", "b"), quiet,
				publish("l>c"), quiet, ack(cds), expectBy(cds, "a c", "c -b"), ack(cds), expect(lds, "l"),
				ack(lds), expectBy(cds, "c", "-a"), removedOnly(eds, "-a"),
			),
		},
		{
			rules: "C45", name: "a changed cluster is followed by its endpoints, unasked",
			script: then(synced("l>a,b", "a b", "l"),
				publish("l>a,b a=2"), expectBy(cds, "a=2 b", "a=2"), expect(eds, "a"), ack(cds, eds),
				publish("l>a,b a=3 @a=2 @b=2"), expectBy(cds, "a=3 b", "a=3"), expect(eds, "a=2 b=2"),
			),
		},
		{
			rules: "C45", name: "without waiting for the answer to the clusters",
			script: then(synced("l>a", "a", "l"),
				publish("l>a @a=2"), expect(eds, "a=2"), // not answered: endpoints for the changed cluster must wait
				publish("l>a @a=2 a=2"), expect(cds, "a=2"), quiet, ack(eds), expect(eds, "a=2"), ack(eds, cds),
			),
		},
		{
			rules: "C47", name: "what was skipped is never sent",
			script: then(synced("l>a", "a", "l"),
				publish("l>a @a=2 l=2"), expect(eds, "a=2"), expect(lds, "l=2"),
				publish("l>a @a=3 l=3"), quiet, publish("l>a @a=4 l=4"), quiet,
				ack(eds), expect(eds, "a=4"), quiet, ack(lds), expect(lds, "l=4"), ack(eds, lds), becomes(xds.Synced),
			),
		},
		{
			rules: "C47", name: "nothing is sent if all was taken back meanwhile",
			script: then(synced("l>a", "a", "l"),
				publish("l>a l=2"), expect(lds, "l=2"), publish("l>a l=3"), quiet, publish("l>a l=2"), quiet, ack(lds), quiet,
				becomes(xds.Synced),
			),
		},
		{
			rules: "C46", name: "a request that crosses a push is no refusal",
			script: then(synced("l>a,b", "a b", "l"),
				unsubscribe(eds, "b"), quiet,
				publish("l>a,b @a=2"),
				subscribe(eds, "b"), // with the nonce of the response before
				expectBy(eds, "a=2", "a=2"), ack(eds), expect(eds, "b"), ack(eds), accepted(eds), becomes(xds.Synced),
			),
		},
		{
			rules: "C43", name: "types do not wait for each other's answers",
			script: then(synced("l>a", "a", "l"),
				publish("l>a l=2"), expect(lds, "l=2"),
				publish("l>a l=2 a=2"), expect(cds, "a=2"), expect(eds, "a"),
				publish("l>a l=2 a=2 @a=2"), quiet, ack(eds), expect(eds, "a=2"), ack(lds), quiet, ack(cds), ack(eds),
				becomes(xds.Synced),
			),
		},
		{
			rules: "C13", name: "a stale nonce changes nothing", only: ads.SotW,
			script: then(synced("l>a,b", "a b", "l"),
				publish("l>a,b @a=2"), expect(eds, "a=2"), ack(eds), accepted(eds),
				send(ads.Request{Type: eds.URL(), Nonce: "0", Version: "x", Names: []string{"a"}}), quiet,
				publish("l>a,b @a=2 @b=2"), expect(eds, "b=2"), // it is still wanted
				send(ads.Request{Type: eds.URL(), Nonce: "0", Refusal: new(string)}), quiet, ack(eds), accepted(eds),
			),
		},
	} {
		c.hold(t)
	}
}

// TestReconnect is about what a client says that it has from an earlier stream.
func TestReconnect(t *testing.T) {
	for _, c := range []conversation{
		{
			rules: "C27 C39", name: "what is current is not sent again, but for endpoints and secrets",
			script: then(synced("l>a+s", "a", "l"),
				hello(sds, "s"), expect(sds, "s"), ack(sds),
				reconnect, resume(cds), quiet, resume(lds), quiet, becomes(xds.Synced),
				resume(eds, "a"), expect(eds, "a"), resume(sds, "s"), expect(sds, "s"), ack(eds, sds), becomes(xds.Synced),
			),
		},
		{
			rules: "C27", name: "endpoints are asked for first, clusters once they have come",
			script: then(synced("l>a", "a", "l"),
				reconnect, resume(lds), quiet, resume(eds, "a"), expect(eds, "a"), ack(eds), resume(cds), quiet, becomes(xds.Synced),
			),
		},
		{
			rules: "C39", name: "what changed meanwhile is sent",
			script: then(synced("l>a m>b", "a b", "l m"),
				reconnect, publish("l>a m>b b=2"),
				resume(cds), expectBy(cds, "a b=2", "b=2"), ack(cds), resume(eds, "a", "b"), expect(eds, "a b"), ack(eds),
				resume(lds), quiet, becomes(xds.Synced),
			),
		},
		{
			rules: "C44", name: "clusters of listeners from an earlier stream stay until these are replaced",
			script: then(synced("l>a", "a", "l"),
				reconnect, resume(cds), quiet, resume(lds), quiet,
				publish("l>b"), expectBy(cds, "a b", "b"), ack(cds), expect(lds, "l"), ack(lds), expectBy(cds, "b", "-a"),
			),
		},
		{
			rules: "C39", name: "what is gone is said to be gone, once no listener needs it", only: ads.Delta,
			script: then(synced("l>a m>b", "a b", "l m"),
				reconnect, publish("l>a"),
				resume(cds), quiet, resume(eds, "a", "b"), expect(eds, "a -b"), ack(eds),
				resume(lds), expect(lds, "-m"), ack(lds), expect(cds, "-b"), ack(cds), becomes(xds.Synced),
			),
		},
		{
			rules: "C41", name: "nothing is left of an earlier stream",
			script: then(synced("l>a", "a", "l"),
				reconnect, resume(cds), quiet, publish("l>a @a=2 l=2"), quiet, resume(eds, "a"), expect(eds, "a=2"),
			),
		},
		{
			rules: "C27", name: "a client that knows nothing is told everything",
			script: then(synced("l>a", "a", "l"), then([]step{reconnect}, synced("l>a", "a", "l")...)...),
		},
	} {
		c.hold(t)
	}
}

// TestTwoStreams is about streams of one node, which know nothing of each other.
func TestTwoStreams(t *testing.T) {
	conversation{
		rules: "C48", name: "two streams of one node",
		script: then(synced("l>a", "a", "l"),
			on("n/second"), hello(cds), expect(cds, "a"), ack(cds), hello(eds, "a"), expect(eds, "a"), ack(eds),
			publish("l>a @a=2"), expect(eds, "a=2"), on("n"), expect(eds, "a=2"), ack(eds),
			on("n/second"), reconnect,
			on("n"), publish("l>a @a=3"), expect(eds, "a=3"), ack(eds),
			on("n/second"), hello(eds, "a"), expect(eds, "a=3"),
		),
	}.hold(t)
	conversation{
		rules: "C48", name: "nodes of two groups have their own",
		script: then(synced("n:l>a m:l>b", "a", "l"),
			on("m"), hello(cds), expect(cds, "b"), ack(cds), hello(lds), expect(lds, "l"), ack(lds), becomes(xds.Synced),
			publish("n:l>a m:l>b b=2"), expect(cds, "b=2"), on("n"), quiet,
		),
	}.hold(t)
}
