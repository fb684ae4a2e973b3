package xds

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that this one stands before
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// frame is a discovery response that is encoded already: a body that many streams share, and a tail of this stream.
type frame struct {
	body, tail []byte
}

// codec passes frames to the wire as they are and leaves all other messages to the stock codec.
type codec struct {
	encoding.CodecV2
}

func newCodec() codec {
	return codec{encoding.GetCodecV2("proto")}
}

// Marshal implements encoding.CodecV2. The bytes of a frame are shared and never change.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.body), mem.SliceBuffer(f.tail)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// The fields of a discovery response that differ from stream to stream. The nonce has one number in both variants.
const (
	nonceField             = 5
	sotwControlPlaneField  = 6
	deltaControlPlaneField = 7
)

// newFrame adds to a shared body what is this stream's own: the nonce, and who we are, which Envoy shows in its
// statistics as control_plane.identifier.
func newFrame(v Variant, s send, identifier string) *frame {
	field := protowire.Number(sotwControlPlaneField)
	if v == Delta {
		field = deltaControlPlaneField
	}
	plane, err := proto.Marshal(&corev3.ControlPlane{Identifier: identifier})
	if err != nil {
		panic("a control plane's identifier cannot be encoded: " + err.Error())
	}
	tail := protowire.AppendTag(nil, nonceField, protowire.BytesType)
	tail = protowire.AppendString(tail, s.nonce)
	tail = protowire.AppendTag(tail, field, protowire.BytesType)
	tail = protowire.AppendBytes(tail, plane)
	return &frame{body: s.body, tail: tail}
}
