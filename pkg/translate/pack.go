package translate

import (
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// typeURLPrefix stands before the full name of a message in an Any.
const typeURLPrefix = "type.googleapis.com/"

// pack is m as an Any, the same bytes for the same content. anypb.New is not: the map in a JSON access log comes out in
// another order each time, and the version of the listener with it.
// It panics with an invalid if m breaks a rule of Envoy's API: Envoy looks into an Any only when it makes the filter, and
// then refuses the whole listener or cluster.
func pack(m proto.Message) *anypb.Any {
	check(m)
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(invalid{m, err})
	}
	return &anypb.Any{TypeUrl: typeURLPrefix + string(m.ProtoReflect().Descriptor().FullName()), Value: value}
}

// invalid is a message that Envoy would refuse. Only a bug of ours makes one: config lets nothing through that could.
type invalid struct {
	message proto.Message
	err     error
}

func (i invalid) error() error {
	return fmt.Errorf("a bug in l4xds: %s: %w", i.message.ProtoReflect().Descriptor().FullName(), i.err)
}

// check holds m against the rules of Envoy's API, and panics with an invalid if it breaks one. What is packed in m was
// checked when it was packed.
func check(m proto.Message) {
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			panic(invalid{m, err})
		}
	}
}

// extension is the configuration of a named extension.
func extension(name string, m proto.Message) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: pack(m)}
}

// duration is d for Envoy. 0 is written: to leave a field out would mean Envoy's default.
func duration(d config.Duration) *durationpb.Duration {
	return durationpb.New(time.Duration(d))
}

// seconds is d in whole seconds.
func seconds(d config.Duration) *wrapperspb.UInt32Value {
	return number(int(time.Duration(d) / time.Second))
}

// number is n, which is not negative, for a field that tells 0 from absent.
func number(n int) *wrapperspb.UInt32Value {
	return wrapperspb.UInt32(uint32(n))
}
