package xds

import (
	"fmt"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/pkg/config"
)

// nodeOf is what selectors can ask of an Envoy's node.
func nodeOf(n *corev3.Node) config.Node {
	node := config.Node{ID: n.GetId(), Cluster: n.GetCluster(), Zone: n.GetLocality().GetZone(), Metadata: map[string]string{}}
	flatten(node.Metadata, "", n.GetMetadata())
	return node
}

// flatten writes the scalar values of s into flat, nested keys joined by dots.
func flatten(flat map[string]string, prefix string, s *structpb.Struct) {
	for key, value := range s.GetFields() {
		switch v := value.GetKind().(type) {
		case *structpb.Value_StringValue:
			flat[prefix+key] = v.StringValue
		case *structpb.Value_BoolValue:
			flat[prefix+key] = strconv.FormatBool(v.BoolValue)
		case *structpb.Value_NumberValue:
			flat[prefix+key] = strconv.FormatFloat(v.NumberValue, 'f', -1, 64)
		case *structpb.Value_StructValue:
			flatten(flat, prefix+key+".", v.StructValue)
		}
	}
}

// envoyVersion is the version that a node says it runs, "1.40.0"; empty if it does not say.
func envoyVersion(n *corev3.Node) string {
	v := n.GetUserAgentBuildVersion().GetVersion()
	if v == nil {
		return n.GetUserAgentVersion()
	}
	return fmt.Sprintf("%d.%d.%d", v.GetMajorNumber(), v.GetMinorNumber(), v.GetPatch())
}
