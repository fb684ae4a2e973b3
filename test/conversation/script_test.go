package conversation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/test/ads"
)

// The types, as the scripts call them.
const (
	cds = snapshot.CDS
	eds = snapshot.EDS
	rds = snapshot.RDS
	lds = snapshot.LDS
	sds = snapshot.SDS
)

// quietTime is how long nothing may come where nothing may come. The server answers within a few milliseconds.
const quietTime = 300 * time.Millisecond

// conversation is one script. It holds in both variants unless only names one.
type conversation struct {
	// rules are the numbers of research that it shows: "C8 C47".
	rules, name string
	only        ads.Variant
	script      []step
}

// step is one thing that happens in a conversation.
type step func(*talk)

// talk is a conversation that is under way.
type talk struct {
	*testing.T
	variant ads.Variant
	server  *server
	clients map[string]*client
	current *client
}

// client is one Envoy: a node with one stream.
type client struct {
	node   *corev3.Node
	stream *ads.Stream
	// said is whether the stream knows the node already; former is the stream before it.
	said   bool
	former *ads.Stream
	last   [snapshot.NumTypes]*ads.Response
	// nonces are all that came on the stream.
	nonces []string
}

// hold runs c in all its variants.
func (c conversation) hold(t *testing.T) {
	for _, v := range []ads.Variant{ads.SotW, ads.Delta} {
		if c.only != "" && c.only != v {
			continue
		}
		t.Run(fmt.Sprintf("%s/%s: %s", v, c.rules, c.name), func(t *testing.T) {
			t.Parallel()
			tk := &talk{T: t, variant: v, server: newServer(t), clients: map[string]*client{}}
			on("n")(tk)
			at := 0
			defer func() {
				if t.Failed() {
					t.Logf("this was step %d", at)
				}
			}()
			for i, s := range c.script {
				at = i + 1
				s(tk)
			}
			for _, cl := range tk.clients {
				tk.current = cl
				if cl.stream != nil {
					quiet(tk)
					cl.stream.Close()
				}
			}
		})
	}
}

// on goes on with another client; a new one gets a stream. It is called by its node's id; after a slash may follow what
// tells two clients of one node apart. Scripts begin with n.
func on(name string) step {
	return func(tk *talk) {
		tk.Helper()
		tk.current = tk.clients[name]
		if tk.current == nil {
			node, _, _ := strings.Cut(name, "/")
			tk.current = &client{node: &corev3.Node{Id: node}}
			tk.clients[name] = tk.current
			tk.open()
		}
	}
}

func (tk *talk) open() {
	tk.Helper()
	stream, err := ads.Open(tk.Context(), tk.server.connect(tk), tk.variant)
	if err != nil {
		tk.Fatal(err)
	}
	c := tk.current
	c.stream, c.said, c.nonces, c.last = stream, false, nil, [snapshot.NumTypes]*ads.Response{}
}

// reconnect ends the stream and begins another.
func reconnect(tk *talk) {
	tk.Helper()
	tk.current.stream.Close()
	tk.current.former = tk.current.stream
	tk.open()
}

// publish puts a world in force.
func publish(w world) step {
	return func(tk *talk) { tk.server.publish(tk, w) }
}

// hello is the first request for a type. No names means all.
func hello(typ snapshot.Type, names ...string) step {
	return func(tk *talk) { tk.try(tk.current.stream.Hello(tk.node(), typ.URL(), nil, names...)) }
}

// resume is the first request for a type after a reconnect: it says what was accepted before.
func resume(typ snapshot.Type, names ...string) step {
	return func(tk *talk) {
		c := tk.current
		tk.try(c.stream.Hello(tk.node(), typ.URL(), c.former.Held(typ.URL()), names...))
	}
}

// claim is the first request for a type by a client that says it has something: a version of the state of the world, or
// versions of resources.
func claim(typ snapshot.Type, held ads.Held, names ...string) step {
	return func(tk *talk) { tk.try(tk.current.stream.Hello(tk.node(), typ.URL(), &held, names...)) }
}

// node is what the next request must say of the node.
func (tk *talk) node() *corev3.Node {
	if tk.current.said {
		return nil
	}
	tk.current.said = true
	return tk.current.node
}

// send sends a request as it is, but for the node.
func send(request ads.Request) step {
	return func(tk *talk) {
		r := request
		if r.Node == nil {
			r.Node = tk.node()
		}
		tk.try(tk.current.stream.Send(r))
	}
}

// answer sends a request with the nonce of the last response of its type.
func answer(typ snapshot.Type, request ads.Request) step {
	return func(tk *talk) {
		r := request
		r.Type, r.Nonce = typ.URL(), tk.response(typ).Nonce
		tk.try(tk.current.stream.Send(r))
	}
}

func subscribe(typ snapshot.Type, names ...string) step {
	return func(tk *talk) { tk.try(tk.current.stream.Subscribe(typ.URL(), names...)) }
}

func unsubscribe(typ snapshot.Type, names ...string) step {
	return func(tk *talk) { tk.try(tk.current.stream.Unsubscribe(typ.URL(), names...)) }
}

// ack accepts the last response of each type.
func ack(types ...snapshot.Type) step {
	return func(tk *talk) {
		tk.Helper()
		for _, typ := range types {
			tk.try(tk.current.stream.Ack(tk.response(typ)))
		}
	}
}

// nack refuses the last response of a type.
func nack(typ snapshot.Type, reason string) step {
	return func(tk *talk) { tk.try(tk.current.stream.Nack(tk.response(typ), reason)) }
}

// expect receives the next response, which must say the same in both variants: see expectBy.
func expect(typ snapshot.Type, says string) step {
	return expectBy(typ, says, says)
}

// expectBy receives the next response. It must be of that type and say, sorted: "a b=2 -c" for resource a in revision 1,
// b in revision 2, and that c is gone.
func expectBy(typ snapshot.Type, sotw, delta string) step {
	return func(tk *talk) {
		tk.Helper()
		want := sotw
		if tk.variant == ads.Delta {
			want = delta
		}
		r, err := tk.current.stream.Receive(patience)
		if err != nil {
			tk.Fatalf("%s %q was expected: %v", typ, want, err)
		}
		if slices.Contains(tk.current.nonces, r.Nonce) || r.Nonce == "" {
			tk.Fatalf("nonce %q came twice", r.Nonce)
		}
		got, _ := snapshot.TypeOf(r.Type)
		if got != typ || tk.says(r) != want {
			tk.Fatalf("%s %q came, want %s %q", got, tk.says(r), typ, want)
		}
		tk.current.nonces = append(tk.current.nonces, r.Nonce)
		tk.current.last[typ] = r
	}
}

// removedOnly receives and accepts a response that only takes away, which the state of the world cannot say but by the
// full state of clusters and listeners: there it expects nothing.
func removedOnly(typ snapshot.Type, says string) step {
	return func(tk *talk) {
		tk.Helper()
		if tk.variant == ads.Delta {
			expect(typ, says)(tk)
			ack(typ)(tk)
		}
	}
}

// says is what a response says, in the words of worlds.
func (tk *talk) says(r *ads.Response) string {
	tk.Helper()
	var words []string
	for _, res := range r.Resources {
		m, err := res.Body.UnmarshalNew()
		if err != nil {
			tk.Fatal(err)
		}
		if n := revisionOf(tk, m); n > 1 {
			words = append(words, fmt.Sprintf("%s=%d", res.Name, n))
		} else {
			words = append(words, res.Name)
		}
	}
	slices.Sort(words)
	for _, name := range slices.Sorted(slices.Values(r.Removed)) {
		words = append(words, "-"+name)
	}
	return strings.Join(words, " ")
}

// quiet makes sure that nothing comes.
func quiet(tk *talk) {
	tk.Helper()
	tk.try(tk.current.stream.Silence(quietTime))
}

// ends waits for the end of the stream, with that status and a message that holds text.
func ends(code codes.Code, text string) step {
	return func(tk *talk) {
		tk.Helper()
		r, err := tk.current.stream.Receive(patience)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		got := status.Convert(err)
		if r != nil || got.Code() != code || !strings.Contains(got.Message(), text) {
			tk.Fatalf("response %v, %v; want the end of the stream with %s and %q", r, err, code, text)
		}
		tk.current.stream.Close()
		tk.current.stream = nil
	}
}

// becomes waits until the server shows the current client's stream in that state.
func becomes(want xds.State) step {
	return func(tk *talk) {
		tk.Helper()
		tk.tracked(func(s xds.StreamState) bool { return s.State == want })
	}
}

// accepted waits until the server has the last response of a type as accepted, and no refusal.
func accepted(typ snapshot.Type) step {
	return func(tk *talk) {
		tk.Helper()
		want := tk.response(typ).Version
		tk.tracked(func(s xds.StreamState) bool { return s.Types[typ].Acked == want && s.Types[typ].Nack == nil })
	}
}

// refused waits until the server shows a refusal of just these resources.
func refused(typ snapshot.Type, names ...string) step {
	return func(tk *talk) {
		tk.Helper()
		tk.tracked(func(s xds.StreamState) bool {
			n := s.Types[typ].Nack
			return n != nil && slices.Equal(n.Resources, names)
		})
	}
}

// tracked waits until the server shows the current client's stream as is wants it.
func (tk *talk) tracked(is func(xds.StreamState) bool) xds.StreamState {
	tk.Helper()
	return tk.server.tracker.stream(tk, tk.current.node.GetId(), is)
}

// synced brings the current client to rest with a world: clusters, their endpoints, listeners, each asked for, received
// and accepted.
func synced(w world, clusters, listeners string) []step {
	return []step{
		publish(w),
		hello(cds), expect(cds, clusters), ack(cds),
		hello(eds, strings.Fields(clusters)...), expect(eds, clusters), ack(eds),
		hello(lds), expect(lds, listeners), ack(lds),
		becomes(xds.Synced),
	}
}

// then appends steps to those of a prelude.
func then(prelude []step, steps ...step) []step {
	return append(slices.Clip(prelude), steps...)
}

func (tk *talk) response(typ snapshot.Type) *ads.Response {
	tk.Helper()
	if tk.current.last[typ] == nil {
		tk.Fatalf("no %s response has come yet", typ)
	}
	return tk.current.last[typ]
}

func (tk *talk) try(err error) {
	tk.Helper()
	if err != nil {
		tk.Fatal(err)
	}
}
