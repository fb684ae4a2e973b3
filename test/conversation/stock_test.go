package conversation

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/ads"
	"github.com/l4xds/l4xds/test/certs"
)

// TestStockServerAgrees: go-control-plane's own server, on the same snapshot, gives a client the same resources, by name
// and byte for byte. The worlds are small ones, and all examples.
func TestStockServerAgrees(t *testing.T) {
	worlds := map[string]*snapshot.Generation{
		"small":       world("l>a,b m>b+s east:n>c b=2").build(t, nil),
		"one":         world("l>a").build(t, nil),
		"not for us":  world("east:l>a").build(t, nil),
		"has a large": large(1).build(t, nil),
	}
	if err := certs.ForExamples("../.."); err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../examples/*")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, path := range examples {
		worlds[filepath.Base(path)] = load(t, nil, path)
	}
	for name, g := range worlds {
		for _, v := range variants {
			t.Run(name+"/"+string(v), func(t *testing.T) {
				t.Parallel()
				var lacks translate.Needs
				if v == ads.SotW {
					lacks = translate.NeedsDelta
				}
				view := g.View(config.Node{ID: "n", Capabilities: config.Capabilities()}, lacks)
				ours, theirs := fetch(t, newServerOf(t, g), v, view), fetch(t, newStockServer(t, view), v, view)
				if diff := cmp.Diff(theirs, ours); diff != "" {
					t.Errorf("the stock server (-) and ours (+) differ:\n%s", diff)
				}
			})
		}
	}
}

// load is the generation of files, made as the daemon makes it.
func load(t testing.TB, prev *snapshot.Generation, paths ...string) *snapshot.Generation {
	t.Helper()
	c, messages := config.Load(config.NewSource(), nil, paths...)
	if messages.HasErrors() {
		t.Fatal(messages)
	}
	r, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := snapshot.Build(r, prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func newServerOf(t *testing.T, g *snapshot.Generation) *server {
	t.Helper()
	s := newServer(t)
	s.store.Publish(g)
	return s
}

// newStockServer serves view to node n, by the library's server and snapshot cache.
func newStockServer(t *testing.T, view *snapshot.View) *server {
	t.Helper()
	resources, err := snapshot.ResourceSnapshot(view)
	if err != nil {
		t.Fatal(err)
	}
	cache := cachev3.NewSnapshotCache(true, cachev3.IDHash{}, nil)
	if err := cache.SetSnapshot(t.Context(), "n", resources); err != nil {
		t.Fatal(err)
	}
	pipe := bufconn.Listen(64 << 10)
	s := &server{grpc: grpc.NewServer(), dial: func(ctx context.Context, _ string) (net.Conn, error) {
		return pipe.DialContext(ctx)
	}}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, serverv3.NewServer(t.Context(), cache, nil))
	s.serve(t, pipe)
	return s
}

// fetch is everything that a server has for node n, which can carry every listener, by type and name, encoded. Endpoints and secrets are asked for by
// the names that view has.
func fetch(t *testing.T, s *server, v ads.Variant, view *snapshot.View) map[string]map[string]string {
	t.Helper()
	stream := open(t, s, v)
	all := map[string]map[string]string{cds.String(): take(t, stream, capableNode(t, "n", "net_raw"), cds)}
	for _, typ := range []snapshot.Type{eds, sds, rds} {
		var names []string
		for _, e := range view.Sets[typ].Entries {
			names = append(names, e.Name)
		}
		if len(names) > 0 {
			all[typ.String()] = take(t, stream, nil, typ, names...)
		}
	}
	all[lds.String()] = take(t, stream, nil, lds)
	return all
}

// take asks for one type and accepts the answer.
func take(t *testing.T, stream *ads.Stream, node *corev3.Node, typ snapshot.Type, names ...string) map[string]string {
	t.Helper()
	try(t, stream.Hello(node, typ.URL(), nil, names...))
	r := receive(t, stream)
	try(t, stream.Ack(r))
	found := make(map[string]string)
	for _, res := range r.Resources {
		found[res.Name] = res.Body.GetTypeUrl() + " " + string(res.Body.GetValue())
	}
	return found
}
