package xds

import (
	"fmt"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/pkg/config"
)

// maxNodeBytes is how much a node may say of itself, once as it is encoded and once as [nodeOf] writes it. It bounds what
// one request can make the server hold: a few megabytes of nested keys, each written in full, would be gigabytes.
const maxNodeBytes = 256 << 10

var errNodeTooLarge = fmt.Errorf("node is too large; its id, cluster, locality and metadata may have %d KiB", maxNodeBytes>>10)

// nodeOf is what selectors can ask of an Envoy's node. An error means that there is too much of it.
func nodeOf(n *corev3.Node) (config.Node, error) {
	node := config.Node{ID: n.GetId(), Cluster: n.GetCluster(), Zone: n.GetLocality().GetZone(), Metadata: map[string]string{}}
	if proto.Size(n) > maxNodeBytes {
		return config.Node{}, errNodeTooLarge
	}
	f := flattener{flat: node.Metadata, left: maxNodeBytes}
	if !f.flatten("", n.GetMetadata()) {
		return config.Node{}, errNodeTooLarge
	}
	node.Capabilities = capabilities(n.GetMetadata(), node.Metadata[config.CapabilitiesKey])
	return node, nil
}

// capabilities are those that a node names, in a list or in a text.
func capabilities(metadata *structpb.Struct, text string) []config.Capability {
	names := []string{text}
	outer, inner, _ := strings.Cut(config.CapabilitiesKey, ".")
	list := metadata.GetFields()[outer].GetStructValue().GetFields()[inner].GetListValue()
	for _, value := range list.GetValues() {
		names = append(names, value.GetStringValue())
	}
	return config.ParseCapabilities(names...)
}

// flattener writes nested maps as one, as long as there are bytes left for the keys.
type flattener struct {
	flat map[string]string
	left int
}

// flatten writes the scalar values of s, nested keys joined by dots. It reports whether there was room for all.
func (f *flattener) flatten(prefix string, s *structpb.Struct) bool {
	for key, value := range s.GetFields() {
		if f.left -= len(prefix) + len(key); f.left < 0 {
			return false
		}
		switch v := value.GetKind().(type) {
		case *structpb.Value_StringValue:
			f.flat[prefix+key] = v.StringValue
		case *structpb.Value_BoolValue:
			f.flat[prefix+key] = strconv.FormatBool(v.BoolValue)
		case *structpb.Value_NumberValue:
			f.flat[prefix+key] = strconv.FormatFloat(v.NumberValue, 'f', -1, 64)
		case *structpb.Value_StructValue:
			if !f.flatten(prefix+key+".", v.StructValue) {
				return false
			}
		}
	}
	return true
}

// envoyVersion is the version that a node says it runs, "1.40.0"; empty if it does not say.
func envoyVersion(n *corev3.Node) string {
	v := n.GetUserAgentBuildVersion().GetVersion()
	if v == nil {
		return n.GetUserAgentVersion()
	}
	return fmt.Sprintf("%d.%d.%d", v.GetMajorNumber(), v.GetMinorNumber(), v.GetPatch())
}
