package ads

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// Request is a discovery request of either variant. The zero value of a field leaves it out.
type Request struct {
	Node *corev3.Node
	// Type is the type URL.
	Type string
	// Nonce is that of the response that the request answers.
	Nonce string
	// Refusal is why that response is refused; nil accepts it.
	Refusal *string

	// Version and Names are of the state of the world: the version held, and all names wanted.
	Version string
	Names   []string

	// Subscribe, Unsubscribe and Initial are of delta: names to add and to drop, and the versions held, by name.
	Subscribe, Unsubscribe []string
	Initial                map[string]string
}

func (r Request) sotw() *discoveryv3.DiscoveryRequest {
	return &discoveryv3.DiscoveryRequest{
		Node: r.Node, TypeUrl: r.Type, ResponseNonce: r.Nonce, ErrorDetail: r.errorDetail(),
		VersionInfo: r.Version, ResourceNames: r.Names,
	}
}

func (r Request) delta() *discoveryv3.DeltaDiscoveryRequest {
	return &discoveryv3.DeltaDiscoveryRequest{
		Node: r.Node, TypeUrl: r.Type, ResponseNonce: r.Nonce, ErrorDetail: r.errorDetail(),
		ResourceNamesSubscribe: r.Subscribe, ResourceNamesUnsubscribe: r.Unsubscribe, InitialResourceVersions: r.Initial,
	}
}

// errorDetail has the code that Envoy gives to every refusal.
func (r Request) errorDetail() *rpcstatus.Status {
	if r.Refusal == nil {
		return nil
	}
	return &rpcstatus.Status{Code: int32(codes.Internal), Message: *r.Refusal}
}

// Response is a discovery response of either variant.
type Response struct {
	// Type is the type URL.
	Type           string
	Version, Nonce string
	// ControlPlane is who the server says it is; empty if it does not.
	ControlPlane string
	Resources    []Resource
	// Removed are the names that are gone: delta only.
	Removed []string
}

// Resource is one resource of a response.
type Resource struct {
	Name string
	// Version is empty in the state of the world, where only the response has one.
	Version string
	// Body is the resource as it came.
	Body *anypb.Any
}

// String is r in short, for messages: "envoy.config.cluster.v3.Cluster nonce 3: a b -c".
func (r *Response) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s nonce %s:", r.Type[strings.LastIndex(r.Type, "/")+1:], r.Nonce)
	for _, res := range r.Resources {
		b.WriteString(" " + res.Name)
	}
	for _, name := range r.Removed {
		b.WriteString(" -" + name)
	}
	return b.String()
}

func sotwResponse(m *discoveryv3.DiscoveryResponse) *Response {
	r := &Response{
		Type: m.GetTypeUrl(), Version: m.GetVersionInfo(), Nonce: m.GetNonce(),
		ControlPlane: m.GetControlPlane().GetIdentifier(),
	}
	for _, body := range m.GetResources() {
		r.Resources = append(r.Resources, Resource{Name: nameOf(body.GetValue()), Body: body})
	}
	return r
}

func deltaResponse(m *discoveryv3.DeltaDiscoveryResponse) *Response {
	r := &Response{
		Type: m.GetTypeUrl(), Version: m.GetSystemVersionInfo(), Nonce: m.GetNonce(),
		ControlPlane: m.GetControlPlane().GetIdentifier(), Removed: m.GetRemovedResources(),
	}
	for _, res := range m.GetResources() {
		r.Resources = append(r.Resources, Resource{Name: res.GetName(), Version: res.GetVersion(), Body: res.GetResource()})
	}
	return r
}

// nameField is where listeners, clusters, endpoint assignments and secrets have their name, all of them.
const nameField = 1

// nameOf finds the name in an encoded resource without decoding the rest; empty if there is none.
func nameOf(resource []byte) string {
	for len(resource) > 0 {
		number, typ, n := protowire.ConsumeField(resource)
		if n < 0 {
			return ""
		}
		if number == nameField && typ == protowire.BytesType {
			name, _ := protowire.ConsumeString(resource[protowire.SizeTag(number):])
			return name
		}
		resource = resource[n:]
	}
	return ""
}
