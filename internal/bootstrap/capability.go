package bootstrap

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/pkg/config"
)

// metadataKey and capabilitiesKey are where a node names its capabilities.
var metadataKey, capabilitiesKey, _ = strings.Cut(config.CapabilitiesKey, ".")

// capabilities is the value of metadataKey.
func capabilities(list []config.Capability) *structpb.Value {
	names := &structpb.ListValue{}
	for _, c := range list {
		names.Values = append(names.Values, structpb.NewStringValue(string(c)))
	}
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		capabilitiesKey: structpb.NewListValue(names),
	}})
}

// aboutCapabilities is the comment for an Envoy that names some, empty for others.
func aboutCapabilities(list []config.Capability) string {
	if len(list) == 0 {
		return ""
	}
	var upper, plus []string
	for _, c := range list {
		upper, plus = append(upper, strings.ToUpper(string(c))), append(plus, "+"+string(c))
	}
	return fmt.Sprintf(`#
# By its capabilities l4xds knows that it can carry listeners that need them. The words grant nothing: as root Envoy has
# what they say, and as another user only if it is started with it, by one of
#
#   systemd  AmbientCapabilities=%s
#   setpriv  --inh-caps=-all,%s --ambient-caps=-all,%[2]s --bounding-set=-all,%[2]s
#   docker   %s and root inside (ENVOY_UID=0): another user keeps none of a container's capabilities
`, "CAP_"+strings.Join(upper, " CAP_"), strings.Join(plus, ","), "--cap-add "+strings.Join(upper, " --cap-add "))
}
