package raw

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// message is an encoded request or response.
type message []byte

// request is an encoded request in parts, the last of which clients may share.
type request [2][]byte

// codec passes messages to the wire, and from it, as they are.
type codec struct{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	r, ok := v.(request)
	if !ok {
		return nil, fmt.Errorf("cannot encode %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(r[0]), mem.SliceBuffer(r[1])}, nil
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return fmt.Errorf("cannot decode %T", v)
	}
	*m = data.Materialize()
	return nil
}

// Names are resource names, encoded once for all clients that ask for them.
type Names struct {
	sotw, delta []byte
}

// NewNames encodes names.
func NewNames(names []string) *Names {
	return &Names{
		sotw:  encode(&discoveryv3.DiscoveryRequest{ResourceNames: names}),
		delta: encode(&discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: names}),
	}
}

// first is the request that subscribes to a type: to all of it, or by name to endpoints. The first of a stream says who
// asks.
func (c Client) first(t snapshot.Type, introduce bool) request {
	var node *corev3.Node
	if introduce {
		node = &corev3.Node{Id: c.ID, Cluster: c.Cluster}
	}
	if c.Delta {
		r := request{encode(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: t.URL()})}
		if t == snapshot.EDS {
			r[1] = c.Assignments.delta
		}
		return r
	}
	return c.withNames(t, &discoveryv3.DiscoveryRequest{Node: node, TypeUrl: t.URL()})
}

// ack acknowledges a response. In state of the world that repeats all names.
func (c Client) ack(h head) request {
	if c.Delta {
		return request{encode(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: h.typ.URL(), ResponseNonce: h.nonce})}
	}
	return c.withNames(h.typ, &discoveryv3.DiscoveryRequest{
		TypeUrl: h.typ.URL(), ResponseNonce: h.nonce, VersionInfo: h.version,
	})
}

// withNames adds the names of the assignments to a request for them.
func (c Client) withNames(t snapshot.Type, m *discoveryv3.DiscoveryRequest) request {
	r := request{encode(m)}
	if t == snapshot.EDS {
		r[1] = c.Assignments.sotw
	}
	return r
}

// encode encodes a request; those made here can always be encoded.
func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// head is what must be known of a response to acknowledge it.
type head struct {
	typ            snapshot.Type
	version, nonce string
}

// The field numbers that DiscoveryResponse and DeltaDiscoveryResponse have in common.
const (
	versionField = 1
	typeField    = 4
	nonceField   = 5
)

// scan reads the head of an encoded response, of either variant, and skips the resources.
func scan(b []byte) (head, error) {
	var h head
	var url string
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return h, protowire.ParseError(n)
		}
		b = b[n:]
		switch number {
		case versionField:
			h.version, n = protowire.ConsumeString(b)
		case typeField:
			url, n = protowire.ConsumeString(b)
		case nonceField:
			h.nonce, n = protowire.ConsumeString(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return h, protowire.ParseError(n)
		}
		b = b[n:]
	}
	var known bool
	if h.typ, known = snapshot.TypeOf(url); !known {
		return h, fmt.Errorf("a response of the unknown type %q", url)
	}
	return h, nil
}
