package conversation

import (
	"fmt"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

// TestNode is about who speaks, and about requests that make no sense.
func TestNode(t *testing.T) {
	withNode := func(n *corev3.Node) step { return send(ads.Request{Node: n, Type: lds.URL()}) }
	for _, c := range []conversation{
		{
			rules: "C1", name: "the node is in the first request, and may be in others",
			script: []step{
				publish("l>a"), hello(cds), expect(cds, "a"), ack(cds),
				withNode(&corev3.Node{Id: "n"}), expect(lds, "l"),
			},
		},
		{
			rules: "C1", name: "what does not say who it is may change",
			script: []step{
				publish("l>a"), hello(cds), expect(cds, "a"), ack(cds),
				withNode(&corev3.Node{Id: "n", UserAgentName: "envoy"}), expect(lds, "l"),
			},
		},
		{
			rules: "C2", name: "another id ends the stream",
			script: []step{hello(cds), withNode(&corev3.Node{Id: "m"}), ends(codes.InvalidArgument, "node changed")},
		},
		{
			rules: "C2", name: "another cluster ends the stream",
			script: []step{hello(cds), withNode(&corev3.Node{Id: "n", Cluster: "c"}), ends(codes.InvalidArgument, "node changed")},
		},
		{
			rules: "C2", name: "other metadata ends the stream",
			script: []step{
				hello(cds), withNode(&corev3.Node{Id: "n", Metadata: nested(1, 1)}), ends(codes.InvalidArgument, "node changed"),
			},
		},
		{
			rules: "C3", name: "no node",
			script: []step{
				func(tk *talk) { tk.current.said = true }, hello(cds), ends(codes.InvalidArgument, "node.id is missing"),
			},
		},
		{
			rules: "C3", name: "no id",
			script: []step{withNode(&corev3.Node{Cluster: "c"}), ends(codes.InvalidArgument, "node.id is missing")},
		},
		{
			rules: "C3", name: "metadata as large as somebody may have it",
			script: []step{publish("l>a"), withNode(&corev3.Node{Id: "n", Metadata: nested(5, 5000)}), expect(lds, "l")},
		},
		{
			rules: "C3", name: "metadata that is far too large",
			script: []step{withNode(&corev3.Node{Id: "n", Metadata: nested(1, 1<<20)}), ends(codes.InvalidArgument, "too large")},
		},
		{
			rules: "C3", name: "metadata whose keys, written in full, are far too large",
			script: []step{withNode(&corev3.Node{Id: "n", Metadata: nested(3000, 50)}), ends(codes.InvalidArgument, "too large")},
		},
		{
			rules: "C4", name: "no type URL",
			script: []step{hello(cds), send(ads.Request{}), ends(codes.InvalidArgument, "type_url is missing")},
		},
		{
			rules: "C5", name: "types that nobody has heard of",
			script: then(synced("l>a", "a", "l"),
				func(tk *talk) {
					for i := range 2000 {
						send(ads.Request{Type: fmt.Sprint("type.googleapis.com/nobody.v3.Knows", i)})(tk)
					}
				},
				quiet,
				publish("l>a a=2"), expect(cds, "a=2"), expect(eds, "a"),
			),
		},
		{
			rules: "C5", name: "an unknown type before any other",
			script: []step{
				publish("l>a"), send(ads.Request{Type: "type.googleapis.com/nobody.v3.Knows"}), quiet,
				hello(cds), expect(cds, "a"),
			},
		},
		{
			rules: "C6", name: "a nonce from an older stream",
			script: []step{
				publish("l>a"), send(ads.Request{Type: cds.URL(), Nonce: "1"}), expect(cds, "a"), ack(cds), accepted(cds),
			},
		},
		{
			rules: "C6 C9", name: "a refusal of something on an older stream",
			script: []step{
				publish("l>a"), send(ads.Request{Type: cds.URL(), Nonce: "1", Refusal: new(string)}), expect(cds, "a"), ack(cds),
				accepted(cds),
			},
		},
		{
			rules: "C52", name: "the control plane says who it is and what it serves",
			script: []step{
				publish("l>a"), hello(cds), expect(cds, "a"), identifies, ack(cds),
				publish("l>a a=2"), expect(cds, "a=2"), identifies,
			},
		},
	} {
		c.hold(t)
	}
}

// TestFirstGeneration is about a daemon that has nothing to serve yet, and about nodes that nothing is for.
func TestFirstGeneration(t *testing.T) {
	stranger := ads.Held{Version: "7", Versions: map[string]string{"x": "7"}}
	for _, c := range []conversation{
		{
			rules: "C49", name: "nothing is answered before the first generation",
			script: []step{
				hello(cds), hello(eds, "a"), hello(lds), quiet, becomes(xds.Pending),
				publish("l>a"), expect(cds, "a"), expect(eds, "a"), quiet, ack(cds), expect(lds, "l"),
			},
		},
		{
			rules: "C40 C49", name: "a new node that matches nothing can start",
			script: []step{
				publish("east:l>a"),
				hello(cds), expect(cds, ""), ack(cds), hello(lds), expect(lds, ""), ack(lds), becomes(xds.Synced),
				publish("east:l>a a=2"), quiet,
				publish("east:l>a n:m>b"), expect(cds, "b"), ack(cds), expect(lds, "m"), ack(lds), becomes(xds.Synced),
			},
		},
		{
			rules: "C40", name: "an empty configuration is an answer",
			script: []step{
				publish(""), hello(cds), expect(cds, ""), ack(cds), hello(lds), expect(lds, ""), ack(lds), becomes(xds.Synced),
			},
		},
		{
			rules: "C49", name: "a node with content that matches nothing is left alone, and shown",
			script: []step{
				publish("east:l>a"), claim(cds, stranger), claim(lds, stranger), quiet, becomes(xds.Stale),
				publish("east:l>a a=2"), quiet, becomes(xds.Stale),
				publish("n:l>a"), expect(cds, "a"), ack(cds), expectBy(lds, "l", "l -x"), ack(lds),
				removedOnly(cds, "-x"), becomes(xds.Synced), // delta said which clusters it has
			},
		},
		{
			rules: "C49", name: "a node that loses its last listener on an open stream is emptied",
			script: then(synced("n:l>a east:m>b", "a", "l"),
				publish("east:m>b"), expectBy(lds, "", "-l"), ack(lds), expectBy(cds, "", "-a"), ack(cds),
				removedOnly(eds, "-a"), becomes(xds.Synced),
			),
		},
	} {
		c.hold(t)
	}
}

// nested is metadata with one value inside of that many maps, each under a key of that many bytes.
func nested(depth, key int) *structpb.Struct {
	value := structpb.NewStringValue("v")
	for range depth - 1 {
		value = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{strings.Repeat("k", key): value}})
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{strings.Repeat("k", key): value}}
}

// identifies makes sure that the last response names the generation in force.
func identifies(tk *talk) {
	tk.Helper()
	hash := tk.server.store.Current().Hash
	if got, want := tk.response(cds).ControlPlane, "l4xds/"+hash[:8]; got != want {
		tk.Errorf("the control plane is %q, want %q", got, want)
	}
}
