package conversation

import (
	"testing"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestRoutesTravel is about routes that listeners name: they come after the clusters that they lead to, and these go when
// nobody can have the former routes any more. Listeners are left alone.
func TestRoutesTravel(t *testing.T) {
	begin := []step{
		publish("l>r>a"), hello(cds), expect(cds, "a"), hello(eds, "a"), expect(eds, "a"), ack(cds, eds), hello(lds), expect(lds, "l"),
		ack(lds), hello(rds, "r"), expect(rds, "r"), ack(rds), becomes(xds.Synced),
	}
	for _, c := range []conversation{
		{
			name:   "a change of them touches no listener",
			script: then(begin, publish("l>r>a r=2"), expect(rds, "r=2"), quiet, becomes(xds.Pending), ack(rds), quiet, becomes(xds.Synced)),
		},
		{
			name: "the cluster that they lead to comes before them, and the former one goes behind them",
			script: then(begin,
				publish("l>r>b"), expectBy(cds, "a b", "b"), subscribe(eds, "b"), expect(eds, "b"), ack(eds), quiet,
				ack(cds), expect(rds, "r"), quiet, ack(rds), expectBy(cds, "b", "-a"), removedOnly(eds, "-a"), ack(cds), becomes(xds.Synced),
			),
		},
		{
			name: "two changes before the first is answered keep the clusters of both",
			script: then(begin,
				publish("l>r>b"), expectBy(cds, "a b", "b"), subscribe(eds, "b"), expect(eds, "b"), ack(eds, cds), expect(rds, "r"),
				publish("l>r>c"), expectBy(cds, "a b c", "c"), subscribe(eds, "c"), expect(eds, "c"), ack(eds, cds), quiet,
				ack(rds), expect(rds, "r"), quiet, ack(rds), expectBy(cds, "c", "-a -b"), removedOnly(eds, "-a -b"), ack(cds),
			),
		},
		{
			name: "what was never asked for is not taken for told", only: ads.Delta,
			script: then(begin,
				publish("l>r>a m>s>b"), expect(cds, "b"), subscribe(eds, "b"), expect(eds, "b"), ack(eds, cds), expect(lds, "m"), ack(lds),
				publish("l>r>a m>s>c"), expect(cds, "c"), quiet, // its answer is out, and s is not asked for
				publish("l>r>a m>s>d"), quiet, subscribe(rds, "s"), quiet,
				publish("l>r>a"), quiet, ack(cds), expect(cds, "-c"), // b is what s leads to, while m may run
			),
		},
		{
			name: "after a restart they are told again, and the former cluster stays until they are there", only: ads.Delta,
			script: then(begin,
				reconnect, publish("l>r>b"),
				resume(cds), expect(cds, "b"), resume(eds, "a"), expect(eds, "-a"), // Envoy keeps the endpoints then
				subscribe(eds, "b"), ack(eds), expect(eds, "b"), ack(cds, eds),
				resume(lds), quiet, resume(rds, "r"), expect(rds, "r"), quiet, ack(rds), expect(cds, "-a"), ack(cds), becomes(xds.Synced),
			),
		},
	} {
		c.hold(t)
	}
}
