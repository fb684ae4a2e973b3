package raw

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// TestClient: a client of either variant gets all types, in Envoy's order, and the server knows that it has them.
func TestClient(t *testing.T) {
	for _, delta := range []bool{true, false} {
		address, synced := serve(t)
		var got []snapshot.Type
		var traffic Traffic
		client := Client{
			Server: address, ID: "a", Cluster: "edge", Delta: delta, Assignments: NewNames([]string{"db"}),
			Traffic: &traffic, Received: func(r Response) { got = append(got, r.Type) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- client.Run(ctx) }()
		select {
		case <-synced:
		case <-time.After(15 * time.Second):
			t.Fatalf("delta %v: the server does not see that the client has everything", delta)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("delta %v: %v", delta, err)
		}
		if len(got) != 3 || got[0] != snapshot.CDS || got[1] != snapshot.EDS || got[2] != snapshot.LDS {
			t.Errorf("delta %v: received %v", delta, got)
		}
		if traffic.Received.Load() < 500 || traffic.Sent.Load() < 100 {
			t.Errorf("delta %v: %d bytes received, %d sent", delta, traffic.Received.Load(), traffic.Sent.Load())
		}
	}
}

// serve serves one listener in process. The channel tells once a client has it.
func serve(t *testing.T) (address string, synced <-chan struct{}) {
	t.Helper()
	source := config.NewSource()
	source.Stdin(strings.NewReader("listeners: {db: {tcp: 15000, to: \"127.0.0.1:9000\"}}\n"))
	c, messages := config.Load(source, nil, "-")
	if c == nil {
		t.Fatal(messages)
	}
	resources, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	generation, err := snapshot.Build(resources, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := snapshot.NewStore()
	store.Publish(generation)
	tracker := make(tracker, 1)
	server := grpc.NewServer(xds.ServerOptions()...)
	xds.New(store, tracker, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)).Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String(), tracker
}

// tracker tells when a stream is synced.
type tracker chan struct{}

func (c tracker) Update(s xds.StreamState) {
	if s.State == xds.Synced {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (tracker) Closed(uint64, string) {}

func TestScan(t *testing.T) {
	for _, m := range []proto.Message{
		&discoveryv3.DiscoveryResponse{VersionInfo: "v", TypeUrl: snapshot.EDS.URL(), Nonce: "n", Canary: true},
		&discoveryv3.DeltaDiscoveryResponse{
			SystemVersionInfo: "v", TypeUrl: snapshot.EDS.URL(), Nonce: "n", RemovedResources: []string{"x"},
			Resources: []*discoveryv3.Resource{{Name: "y", Version: "z"}},
		},
	} {
		got, err := scan(encode(m))
		if want := (head{snapshot.EDS, "v", "n"}); err != nil || got != want {
			t.Errorf("scan(%T) = %v, %v, want %v", m, got, err, want)
		}
	}
	for _, bad := range []string{"", "\xff", "\x0a\x05v", "\x22\x01x"} {
		if _, err := scan([]byte(bad)); err == nil {
			t.Errorf("scan(%q) is no error", bad)
		}
	}
}
