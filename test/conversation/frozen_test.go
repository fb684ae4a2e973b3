package conversation

import (
	"testing"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestFrozen is about clusters over HTTP/3, which no client may lose: Envoy 1.40 can crash when one goes. a@h3-1 and
// a@h3-2 are two versions of one.
func TestFrozen(t *testing.T) {
	for _, c := range []conversation{
		{
			name: "one that is replaced stays", only: ads.Delta,
			script: then(synced("l>a@h3-1", "a@h3-1", "l"),
				publish("l>a@h3-2"), expect(cds, "a@h3-2"), subscribe(eds, "a@h3-2"), expect(eds, "a@h3-2"), ack(cds, eds),
				expect(lds, "l"), quiet, ack(lds), expect(eds, "-a@h3-1"), ack(eds), quiet, becomes(xds.Synced),
			),
		},
		{
			name: "one that comes back needs no more than its endpoints", only: ads.Delta,
			script: then(synced("l>a@h3-1", "a@h3-1", "l"),
				publish("l>b"), expect(cds, "b"), subscribe(eds, "b"), expect(eds, "b"), ack(cds, eds),
				expect(lds, "l"), ack(lds), expect(eds, "-a@h3-1"), ack(eds), becomes(xds.Synced),
				publish("l>a@h3-1"), expect(eds, "a@h3-1"), expect(lds, "l"), ack(eds, lds), expect(cds, "-b"), expect(eds, "-b"),
			),
		},
		{
			name: "one from before a restart stays", only: ads.Delta,
			script: then(synced("l>a@h3-1", "a@h3-1", "l"),
				reconnect, publish("l>b"),
				resume(cds), expect(cds, "b"), resume(eds, "a@h3-1"), expect(eds, "-a@h3-1"), // Envoy keeps the endpoints then
				subscribe(eds, "b"), ack(eds), expect(eds, "b"), ack(cds, eds),
				resume(lds), expect(lds, "l"), ack(lds), quiet, becomes(xds.Synced),
			),
		},
		{
			name: "one that nothing has needed for long stays after a restart, too", only: ads.Delta,
			script: []step{
				publish("l>b"),
				claim(cds, ads.Held{Versions: map[string]string{"a@h3-1": "1", "c": "1"}}), expect(cds, "b"),
				hello(lds), hello(eds, "a@h3-1", "b"), expect(eds, "b -a@h3-1"), ack(cds, eds),
				expect(lds, "l"), ack(lds), expect(cds, "-c"), ack(cds), quiet, becomes(xds.Synced),
			},
		},
		{
			name: "without delta there is none", only: ads.SotW,
			script: then(synced("l>a", "a", "l"),
				publish("l>a m>b@h3-1"), quiet, withheld("m needs_delta"), becomes(xds.Synced),
				publish("l>a"), quiet, withheld(),
			),
		},
	} {
		c.hold(t)
	}
}
