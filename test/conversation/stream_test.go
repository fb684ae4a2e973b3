package conversation

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/test/ads"
)

var variants = []ads.Variant{ads.SotW, ads.Delta}

// open begins a stream of node n on a connection of its own.
func open(t testing.TB, s *server, v ads.Variant) *ads.Stream {
	t.Helper()
	stream, err := ads.Open(t.Context(), s.connect(t), v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	return stream
}

// greet asks for clusters and returns the answer.
func greet(t testing.TB, stream *ads.Stream, id string) *ads.Response {
	t.Helper()
	if err := stream.Hello(&corev3.Node{Id: id}, cds.URL(), nil); err != nil {
		t.Fatal(err)
	}
	return receive(t, stream)
}

func receive(t testing.TB, stream *ads.Stream) *ads.Response {
	t.Helper()
	r, err := stream.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNothingElseIsServed: what is not there needs no protection (C53).
func TestNothingElseIsServed(t *testing.T) {
	s := newServer(t)
	s.publish(t, "l>a")
	conn := s.connect(t)
	_, err := clusterservice.NewClusterDiscoveryServiceClient(conn).FetchClusters(t.Context(), &discoveryv3.DiscoveryRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("unary clusters: %v", err)
	}
	stream, err := listenerservice.NewListenerDiscoveryServiceClient(conn).StreamListeners(t.Context())
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a stream of listeners alone: %v", err)
	}
	for name := range s.grpc.GetServiceInfo() {
		if name != discoveryv3.AggregatedDiscoveryService_ServiceDesc.ServiceName {
			t.Errorf("%s is served too", name)
		}
	}
}

// TestTrackerIsTold everything about a stream that a page of it shows.
func TestTrackerIsTold(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			s := newTCPServer(t)
			s.publish(t, "l>a")
			stream := open(t, s, v)
			began := time.Now()
			if err := stream.Hello(&corev3.Node{
				Id: "n", Cluster: "c", Locality: &corev3.Locality{Zone: "z"},
				UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: "1.40.0"},
			}, cds.URL(), nil); err != nil {
				t.Fatal(err)
			}
			sent := receive(t, stream).Version
			got := s.tracker.stream(t, "n", func(s xds.StreamState) bool { return s.Types[cds].Sent == sent })
			if got.Node.Cluster != "c" || got.Node.Zone != "z" || got.EnvoyVersion != "1.40.0" || got.Variant != xds.Variant(v) {
				t.Errorf("the node is %+v, Envoy %s, %s", got.Node, got.EnvoyVersion, got.Variant)
			}
			if !strings.HasPrefix(got.Address, "127.0.0.1:") || got.ConnectedAt.Before(began.Add(-patience)) {
				t.Errorf("it connected from %s at %s", got.Address, got.ConnectedAt)
			}
			if cdsState := got.Types[cds]; !cdsState.Subscribed || cdsState.Acked != "" || got.Types[lds].Subscribed {
				t.Errorf("types: %+v", got.Types)
			}
		})
	}
}

// TestGenerationIsTold: the tracker knows the newest generation that a node has completely.
func TestGenerationIsTold(t *testing.T) {
	generation := func(id uint64) step {
		return func(tk *talk) {
			tk.Helper()
			tk.tracked(func(s xds.StreamState) bool { return s.Generation == id })
		}
	}
	conversation{
		rules: "status", name: "the generation that a node has",
		script: []step{
			publish("l>a east:m>b"), hello(cds), expect(cds, "a"), ack(cds), generation(0),
			hello(lds), expect(lds, "l"), generation(0), ack(lds), generation(1), becomes(xds.Synced),
			publish("l>a east:m>b b=2"), generation(2), // nothing of it is for this node
			publish("l>a l=2"), expect(lds, "l=2"), becomes(xds.Pending), generation(2),
			nack(lds, badL), becomes(xds.Rejected), generation(2),
			publish("l>a"), generation(4),
		},
	}.hold(t)
}

// TestStreamsLeaveNothing: streams that end in any way, on a connection that stays, leave no goroutine, are told to the
// tracker and are no longer counted (C54).
func TestStreamsLeaveNothing(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			s := newServer(t)
			s.publish(t, "l>a")
			conn := s.connect(t)
			endings := []func(*ads.Stream){
				(*ads.Stream).Close, // reset
				func(stream *ads.Stream) { // half-closed: the server ends it
					if err := stream.HalfClose(); err != nil {
						t.Error(err)
					}
					if _, err := stream.Receive(patience); err == nil || status.Code(err) == codes.Unavailable {
						t.Errorf("after a half-close: %v", err)
					}
					stream.Close()
				},
				func(stream *ads.Stream) { // reset while much is on its way
					for range 100 {
						if err := stream.Subscribe(eds.URL(), "a"); err != nil {
							break
						}
					}
					stream.Close()
				},
			}
			one := func(i int) {
				stream, err := ads.Open(t.Context(), conn, v)
				if err != nil {
					t.Fatal(err)
				}
				greet(t, stream, fmt.Sprint("n", i))
				endings[i%len(endings)](stream)
			}
			one(0) // what a connection needs is there from now on
			s.tracker.awaitClosed(t, 1)
			before := runtime.NumGoroutine()
			const n = 60
			for i := range n {
				one(i)
			}
			for reason := range slices.Values(s.tracker.awaitClosed(t, n+1)) {
				if reason != "client" {
					t.Errorf("a stream ended for %q", reason)
				}
			}
			awaitGoroutines(t, before)
			if got := metric(t, s, "l4xds_xds_streams", string(v)); got != 0 {
				t.Errorf("%v streams are counted", got)
			}
			if got := metric(t, s, "l4xds_xds_stream_closes_total", "client"); got != n+1 {
				t.Errorf("%v streams are counted as ended by clients, want %d", got, n+1)
			}
		})
	}
}

// awaitGoroutines waits until there are no more goroutines than at an earlier time; gRPC ends some of its own later.
func awaitGoroutines(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestShutdownEndsStreams with a word of why, and sends nothing empty before; new streams are not served (C55).
func TestShutdownEndsStreams(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			s := newTCPServer(t)
			s.publish(t, "l>a")
			var streams []*ads.Stream
			for i := range 10 {
				stream := open(t, s, v)
				greet(t, stream, fmt.Sprint("n", i))
				streams = append(streams, stream)
			}
			s.xds.Shutdown()
			stopped := make(chan struct{})
			go func() {
				s.grpc.GracefulStop()
				close(stopped)
			}()
			for _, stream := range streams {
				if r, err := stream.Receive(patience); status.Code(err) != codes.Unavailable {
					t.Errorf("response %v, %v; want the end of the stream", r, err)
				}
			}
			select {
			case <-stopped:
			case <-time.After(patience):
				t.Error("the server does not stop")
			}
			for _, reason := range s.tracker.awaitClosed(t, len(streams)) {
				if reason != "shutdown" {
					t.Errorf("a stream ended for %q", reason)
				}
			}
		})
	}
}

// TestClientThatDoesNotRead holds up nobody else, though the connection takes no more for it.
func TestClientThatDoesNotRead(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			s := newTCPServer(t)
			s.publish(t, large(1))
			deaf, keen := open(t, s, v), open(t, s, v)
			var names []string
			for i := range largeSize {
				names = append(names, fmt.Sprint("c", i))
			}
			try(t,
				deaf.Hello(&corev3.Node{Id: "deaf"}, cds.URL(), nil),
				deaf.Hello(nil, eds.URL(), nil, names...), // gRPC queues one response whatever its size, and no further one
				keen.Ack(greet(t, keen, "keen")),
			)
			s.tracker.stream(t, "deaf", func(s xds.StreamState) bool { return s.Types[eds].Sent != "" })
			for revision := 2; revision < 8; revision++ {
				s.publish(t, large(revision))
				began := time.Now()
				r := receive(t, keen)
				if took := time.Since(began); took > patience/2 {
					t.Errorf("revision %d took %s", revision, took)
				}
				try(t, keen.Ack(r))
			}
			if state := s.tracker.stream(t, "deaf", func(xds.StreamState) bool { return true }); state.State != xds.Pending {
				t.Errorf("the client that does not read is %s", state.State)
			}
		})
	}
}

// largeSize is how many clusters a large world has: more than the 64 KiB that HTTP/2 lets a client leave unread.
const largeSize = 1000

// large is a world whose clusters are all of that revision.
func large(revision int) world {
	var b strings.Builder
	for i := range largeSize {
		fmt.Fprintf(&b, "l%d>c%d c%d=%d ", i, i, i, revision)
	}
	return world(b.String())
}

// TestMetricsMove with what happens on a stream.
func TestMetricsMove(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			s := newServer(t)
			s.publish(t, "l>a")
			stream := open(t, s, v)
			first := greet(t, stream, "n")
			moved(t, s, map[string]float64{
				"l4xds_xds_streams/" + string(v): 1, "l4xds_xds_responses_total/cds": 1, "l4xds_xds_acks_total/cds": 0,
			})
			if bytes := metric(t, s, "l4xds_xds_response_bytes_total", "cds"); bytes < 50 || bytes > 500 {
				t.Errorf("%v bytes of one cluster", bytes)
			}
			try(t, stream.Ack(first), stream.Send(ads.Request{Type: "unknown"}), stream.Hello(nil, lds.URL(), nil))
			try(t, stream.Nack(receive(t, stream), badL))
			s.tracker.stream(t, "n", func(s xds.StreamState) bool { return s.State == xds.Rejected })
			moved(t, s, map[string]float64{
				"l4xds_xds_acks_total/cds": 1, "l4xds_xds_acks_total/lds": 0, "l4xds_xds_nacks_total/lds": 1,
				"l4xds_xds_responses_total/lds": 1, "l4xds_xds_requests_dropped_total/unknown_type": 1,
			})
			if n := testutil.CollectAndCount(s.registry, "l4xds_xds_push_to_ack_seconds"); n != 1 {
				t.Errorf("%d histograms of the time to the answer", n)
			}
		})
	}
}

// TestStaleNonceIsCounted, for it is ignored.
func TestStaleNonceIsCounted(t *testing.T) {
	s := newServer(t)
	s.publish(t, "l>a")
	stream := open(t, s, ads.SotW)
	greet(t, stream, "n")
	try(t, stream.Send(ads.Request{Type: cds.URL(), Nonce: "0"}), stream.Hello(nil, lds.URL(), nil))
	s.tracker.stream(t, "n", func(s xds.StreamState) bool { return s.Types[lds].Subscribed })
	moved(t, s, map[string]float64{"l4xds_xds_requests_dropped_total/stale_nonce": 1})
}

func try(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
}

// moved compares counters, each called by its name, a slash and its label.
func moved(t *testing.T, s *server, want map[string]float64) {
	t.Helper()
	for key, n := range want {
		name, label, _ := strings.Cut(key, "/")
		if got := metric(t, s, name, label); got != n {
			t.Errorf("%s is %v, want %v", key, got, n)
		}
	}
}

// metric is the value of a counter or gauge with one label.
func metric(t *testing.T, s *server, name, label string) float64 {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s of %s", name, label)
	return 0
}

// TestRequestTooLarge: a client that sends without end is let go of.
func TestRequestTooLarge(t *testing.T) {
	s := newServer(t)
	stream := open(t, s, ads.Delta)
	try(t, stream.Hello(&corev3.Node{Id: "n"}, eds.URL(), nil, strings.Repeat("n", 17<<20)))
	if _, err := stream.Receive(patience); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the stream ended with %v", err)
	}
}
