package xds

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/pkg/config"
)

func TestNodeOf(t *testing.T) {
	metadata, err := structpb.NewStruct(map[string]any{
		"site": "core", "canary": true, "rack": 12.0, "weight": 0.5, "none": nil, "list": []any{"a"},
		"l4xds": map[string]any{"capabilities": map[string]any{"net_raw": "yes", "n": -1.0}, "empty": map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := nodeOf(&corev3.Node{
		Id: "edge-1", Cluster: "edge", Locality: &corev3.Locality{Region: "r", Zone: "z"}, Metadata: metadata,
	})
	want := config.Node{ID: "edge-1", Cluster: "edge", Zone: "z", Metadata: map[string]string{
		"site": "core", "canary": "true", "rack": "12", "weight": "0.5",
		"l4xds.capabilities.net_raw": "yes", "l4xds.capabilities.n": "-1",
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("nodeOf: %v, difference (-want +got):\n%s", err, diff)
	}
}

// TestNodeCapabilities: a node names its capabilities in a list, as `l4xds bootstrap` writes it, or in a text.
func TestNodeCapabilities(t *testing.T) {
	nested := func(value any) map[string]any {
		return map[string]any{"l4xds": map[string]any{"capabilities": value}}
	}
	both := []config.Capability{config.NetRaw, config.NetAdmin}
	for _, c := range []struct {
		metadata map[string]any
		want     []config.Capability
	}{
		{nil, nil},
		{map[string]any{"capabilities": []any{"net_raw"}}, nil},
		{map[string]any{"l4xds": "net_raw"}, nil},
		{nested([]any{}), nil},
		{nested([]any{"net_raw"}), both[:1]},
		{nested([]any{"CAP_NET_ADMIN", "net_raw", "later", 7.0, nil}), both},
		{nested("net_admin,net_raw"), both},
		{nested(true), nil},
		{map[string]any{"l4xds.capabilities": "net_admin"}, both[1:]},
	} {
		metadata, err := structpb.NewStruct(c.metadata)
		if err != nil {
			t.Fatal(err)
		}
		got, err := nodeOf(&corev3.Node{Metadata: metadata})
		if err != nil || !slices.Equal(got.Capabilities, c.want) {
			t.Errorf("capabilities of %v: %q, %v, want %q", c.metadata, got.Capabilities, err, c.want)
		}
	}
}

// TestNodeOfBounds holds nodeOf to memory of the order of what came in: nested keys, each written in full, are many
// times that.
func TestNodeOfBounds(t *testing.T) {
	nested := func(depth int, key string) *structpb.Struct {
		s := &structpb.Struct{}
		for range depth {
			s = &structpb.Struct{Fields: map[string]*structpb.Value{key: structpb.NewStructValue(s)}}
		}
		return s
	}
	under := func(prefix string, leaves int) *structpb.Struct {
		s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for i := range leaves {
			s.Fields[strings.Repeat("x", i)] = structpb.NewBoolValue(true)
		}
		return &structpb.Struct{Fields: map[string]*structpb.Value{prefix: structpb.NewStructValue(s)}}
	}
	for _, c := range []struct {
		name string
		node *corev3.Node
		fits bool
	}{
		{"nothing", &corev3.Node{}, true},
		{"much", &corev3.Node{Id: strings.Repeat("i", maxNodeBytes/2), Metadata: nested(100, "key")}, true},
		{"a huge id", &corev3.Node{Id: strings.Repeat("i", maxNodeBytes+1)}, false},
		{"a huge key", &corev3.Node{Metadata: nested(1, strings.Repeat("k", maxNodeBytes+1))}, false},
		{"deep", &corev3.Node{Metadata: nested(3000, strings.Repeat("k", 50))}, false},
		{"many under a long key", &corev3.Node{Metadata: under(strings.Repeat("p", 10_000), 100)}, false},
	} {
		if _, err := nodeOf(c.node); (err == nil) != c.fits {
			t.Errorf("%s: nodeOf: %v", c.name, err)
		}
	}
}

// TestIdentity says what of a node a client is held to.
func TestIdentity(t *testing.T) {
	full := &corev3.Node{
		Id: "i", Cluster: "c", Locality: &corev3.Locality{Zone: "z"},
		Metadata:      &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewBoolValue(true)}},
		UserAgentName: "envoy", Extensions: []*corev3.Extension{{Name: "envoy.tcp_proxy"}},
	}
	kept := identity(full)
	if kept.GetUserAgentName() != "" || len(kept.GetExtensions()) != 0 {
		t.Errorf("identity keeps %v", kept)
	}
	got, err := nodeOf(kept)
	if err != nil || got.ID != "i" || got.Cluster != "c" || got.Zone != "z" || !maps.Equal(got.Metadata, map[string]string{"a": "true"}) {
		t.Errorf("of identity there is left %+v, %v", got, err)
	}
}

func TestEnvoyVersion(t *testing.T) {
	build := func(v *typev3.SemanticVersion) *corev3.Node {
		return &corev3.Node{UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{
			UserAgentBuildVersion: &corev3.BuildVersion{Version: v},
		}}
	}
	for _, c := range []struct {
		node *corev3.Node
		want string
	}{
		{&corev3.Node{}, ""},
		{build(nil), ""},
		{build(&typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40, Patch: 2}), "1.40.2"},
		{&corev3.Node{UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: "7-custom"}}, "7-custom"},
	} {
		if got := envoyVersion(c.node); got != c.want {
			t.Errorf("envoyVersion(%v) = %q, want %q", c.node, got, c.want)
		}
	}
}
