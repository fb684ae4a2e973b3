package conversation

import (
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestCapabilities: a listener that needs one is for the Envoys that say that they have it; the others have all else.
func TestCapabilities(t *testing.T) {
	for _, c := range []conversation{
		{
			name: "who does not say that it has it is given the rest",
			script: then(synced("l>a m!>b", "a", "l"), withheld("m needs_net_raw"),
				publish("l>a m!>b @b=2"), quiet, becomes(xds.Synced),
			),
		},
		{
			name:   "who says so has it from the start",
			script: append([]step{capable("net_raw")}, then(synced("l>a m!>b", "a b", "l m"), withheld())...),
		},
		{
			name:   "either of the two is enough, and what others mean is left to them",
			script: append([]step{capable("sys_time", "CAP_NET_ADMIN")}, then(synced("m!>b", "b", "m"), withheld())...),
		},
		{
			name: "who says so on its next stream is given it", only: ads.Delta,
			script: then(synced("l>a m!>b", "a", "l"), capable("net_raw"), reconnect,
				resume(cds), expect(cds, "b"), resume(eds, "a"), expect(eds, "a"), ack(cds, eds),
				subscribe(eds, "b"), expect(eds, "b"), ack(eds),
				resume(lds), expect(lds, "m"), ack(lds), withheld(), becomes(xds.Synced),
			),
		},
		{
			name: "who says so on its next stream is given it", only: ads.SotW,
			script: then(synced("l>a m!>b", "a", "l"), capable("net_raw"), reconnect,
				resume(cds), expect(cds, "a b"), resume(eds, "a", "b"), expect(eds, "a b"), ack(cds, eds),
				resume(lds), expect(lds, "l m"), ack(lds), withheld(), becomes(xds.Synced),
			),
		},
		{
			name: "who no longer says so loses it", only: ads.Delta,
			script: append([]step{capable("net_raw")}, then(synced("l>a m!>b", "a b", "l m"), capable(), reconnect,
				resume(cds), quiet, resume(eds, "a", "b"), expect(eds, "a -b"), ack(eds),
				resume(lds), expect(lds, "-m"), ack(lds), expect(cds, "-b"), ack(cds),
				withheld("m needs_net_raw"), becomes(xds.Synced),
			)...),
		},
		{
			name: "each reason is told", only: ads.SotW,
			script: then(synced("l>a", "a", "l"),
				publish("l>a m!>b@h3-1 n!>a"), quiet, withheld("m needs_delta", "m needs_net_raw", "n needs_net_raw"),
				publish("l>a m>b@h3-1"), quiet, withheld("m needs_delta"), becomes(xds.Synced),
			),
		},
	} {
		c.hold(t)
	}
}

// capable makes the current client say, from its next stream on, that it has these capabilities.
func capable(names ...any) step {
	return func(tk *talk) { tk.current.node = capableNode(tk.T, tk.current.node.GetId(), names...) }
}

// capableNode is a node that says that it has these capabilities.
func capableNode(t *testing.T, id string, names ...any) *corev3.Node {
	t.Helper()
	metadata, err := structpb.NewStruct(map[string]any{"l4xds": map[string]any{"capabilities": names}})
	if err != nil {
		t.Fatal(err)
	}
	return &corev3.Node{Id: id, Metadata: metadata}
}

// withheld waits until the server says that it keeps these listeners from the client, each with a reason: "m needs_delta".
func withheld(want ...string) step {
	return func(tk *talk) {
		tk.Helper()
		tk.tracked(func(s xds.StreamState) bool {
			var told []string
			for _, w := range s.Withheld {
				told = append(told, w.Listener+" "+w.Reason)
			}
			return slices.Equal(told, want)
		})
	}
}
