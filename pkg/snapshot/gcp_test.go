package snapshot_test

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// go-control-plane's own cache answers from a view what the view says.
func TestStockCacheServesAView(t *testing.T) {
	v := build(t, nil, world("a", "b")...).View(anyone, 0)
	stock, err := snapshot.ResourceSnapshot(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := stock.ConstructVersionMap(); err != nil {
		t.Fatal(err)
	}
	cache := cachev3.NewSnapshotCache(true, constantHash{}, nil)
	if err := cache.SetSnapshot(t.Context(), "all", stock); err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Sets {
		response, err := cache.Fetch(t.Context(), &discoveryv3.DiscoveryRequest{TypeUrl: s.Type.URL()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := response.GetDiscoveryResponse()
		if err != nil {
			t.Fatal(err)
		}
		if got.VersionInfo != s.Version || len(got.Resources) != len(s.Entries) {
			t.Errorf("%s: version %s with %d resources, want %s with %d", s.Type, got.VersionInfo, len(got.Resources), s.Version, len(s.Entries))
		}
		for _, e := range s.Entries {
			if stock.GetVersionMap(s.Type.URL())[e.Name] != e.Version || stock.GetResources(s.Type.URL())[e.Name] == nil {
				t.Errorf("%s %q is not served", s.Type, e.Name)
			}
		}
	}
	if stock.GetVersion("x") != "" || len(stock.GetResources("x")) != 0 || len(stock.GetVersionMap("x")) != 0 {
		t.Error("a type that we do not serve is served")
	}
}

func TestStockSnapshotOfBrokenEntries(t *testing.T) {
	unknown, err := proto.Marshal(&discoveryv3.DiscoveryRequest{VersionInfo: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, wire := range [][]byte{{0xff}, unknown} {
		v := &snapshot.View{}
		for typ := range v.Sets {
			v.Sets[typ] = snapshot.NewSet(snapshot.Type(typ), []*snapshot.Entry{{Name: "a", Wire: wire}})
		}
		if _, err := snapshot.ResourceSnapshot(v); err == nil {
			t.Errorf("%x is decoded", wire)
		}
	}
}

// constantHash puts every node under one key.
type constantHash struct{}

func (constantHash) ID(*corev3.Node) string { return "all" }
