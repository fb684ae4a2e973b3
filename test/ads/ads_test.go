package ads

import (
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestNameOf(t *testing.T) {
	for _, m := range []proto.Message{
		&clusterv3.Cluster{Name: "a", ConnectTimeout: &durationpb.Duration{Seconds: 1}},
		&endpointv3.ClusterLoadAssignment{ClusterName: "a"},
		&listenerv3.Listener{Name: "a", StatPrefix: "b"},
		&tlsv3.Secret{Name: "a"},
	} {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := nameOf(wire); got != "a" {
			t.Errorf("nameOf(%T) = %q, want \"a\"", m, got)
		}
	}
	for _, wire := range []string{"", "\x12\x01b", "\xff", "\n\x05a"} { // none, another field, no message, cut off
		if got := nameOf([]byte(wire)); got != "" {
			t.Errorf("nameOf(%q) = %q, want nothing", wire, got)
		}
	}
}

func TestResponseString(t *testing.T) {
	r := &Response{
		Type: "type.googleapis.com/envoy.config.cluster.v3.Cluster", Nonce: "3",
		Resources: []Resource{{Name: "a"}, {Name: "b"}}, Removed: []string{"c"},
	}
	if got, want := r.String(), "envoy.config.cluster.v3.Cluster nonce 3: a b -c"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
