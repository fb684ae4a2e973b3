package xds

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// TestFrames: what is put together from bytes is what the library reads as the same message.
func TestFrames(t *testing.T) {
	cluster := entry(t, "a", "v1", "type.googleapis.com/envoy.config.cluster.v3.Cluster", []byte("\n\x01a"))
	plane := &corev3.ControlPlane{Identifier: "l4xds/12345678"}
	for _, c := range []struct {
		name    string
		variant Variant
		body    []byte
		got     proto.Message
		want    proto.Message
	}{
		{
			"state of the world", SotW, snapshot.EncodeSotW(snapshot.CDS, "v", []*snapshot.Entry{cluster}),
			&discoveryv3.DiscoveryResponse{},
			&discoveryv3.DiscoveryResponse{
				VersionInfo: "v", TypeUrl: snapshot.CDS.URL(), Nonce: "17", ControlPlane: plane, Resources: []*anypb.Any{packed(t, cluster)},
			},
		},
		{
			"nothing in the state of the world", SotW, snapshot.EncodeSotW(snapshot.LDS, "v", nil),
			&discoveryv3.DiscoveryResponse{},
			&discoveryv3.DiscoveryResponse{VersionInfo: "v", TypeUrl: snapshot.LDS.URL(), Nonce: "17", ControlPlane: plane},
		},
		{
			"delta", Delta, snapshot.EncodeDelta(snapshot.CDS, "v", []*snapshot.Entry{cluster}, []string{"b", "c"}),
			&discoveryv3.DeltaDiscoveryResponse{},
			&discoveryv3.DeltaDiscoveryResponse{
				SystemVersionInfo: "v", TypeUrl: snapshot.CDS.URL(), Nonce: "17", ControlPlane: plane,
				Resources:        []*discoveryv3.Resource{{Name: "a", Version: "v1", Resource: packed(t, cluster)}},
				RemovedResources: []string{"b", "c"},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts, err := newCodec().Marshal(newFrame(c.variant, send{nonce: "17", body: c.body}, plane.GetIdentifier()))
			if err != nil {
				t.Fatal(err)
			}
			if err := proto.Unmarshal(parts.Materialize(), c.got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.got, protocmp.Transform()); diff != "" {
				t.Errorf("the message (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFramesShareTheirBody: a response to a thousand streams is in memory once.
func TestFramesShareTheirBody(t *testing.T) {
	body := []byte("body")
	parts, err := newCodec().Marshal(newFrame(SotW, send{nonce: "1", body: body}, "l4xds/1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := parts[0].ReadOnlyData(); &got[0] != &body[0] {
		t.Error("the body was copied")
	}
}

// TestOtherMessages are left to the stock codec, in both directions.
func TestOtherMessages(t *testing.T) {
	want := &discoveryv3.DiscoveryRequest{TypeUrl: "t", ResourceNames: []string{"a"}}
	parts, err := newCodec().Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &discoveryv3.DiscoveryRequest{}
	if err := newCodec().Unmarshal(parts, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the message (-want +got):\n%s", diff)
	}
	if name := newCodec().Name(); name != "proto" {
		t.Errorf("the codec calls itself %q", name)
	}
}

// entry is a resource with that content.
func entry(t *testing.T, name, version, url string, value []byte) *snapshot.Entry {
	t.Helper()
	wire, err := proto.Marshal(&anypb.Any{TypeUrl: url, Value: value})
	if err != nil {
		t.Fatal(err)
	}
	return &snapshot.Entry{Name: name, Version: version, Wire: wire}
}

func packed(t *testing.T, e *snapshot.Entry) *anypb.Any {
	t.Helper()
	var a anypb.Any
	if err := proto.Unmarshal(e.Wire, &a); err != nil {
		t.Fatal(err)
	}
	return &a
}
