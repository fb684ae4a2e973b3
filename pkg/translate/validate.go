package translate

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// validate holds r against the rules of Envoy's API, in every message packed inside of it too: Envoy checks those only
// when it makes the filter, and then refuses the whole listener or cluster.
func validate(r *Resource) error {
	if err := validateMessage(r.Msg); err != nil {
		return fail(r, err)
	}
	return nil
}

func validateMessage(m proto.Message) error {
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			return fmt.Errorf("a bug in l4xds: %w", err)
		}
	}
	return forEachMessage(m.ProtoReflect(), validatePacked)
}

// validatePacked validates what is packed in m, if m is an Any.
func validatePacked(m protoreflect.Message) error {
	packed, ok := m.Interface().(*anypb.Any)
	if !ok {
		return nil
	}
	inner, err := packed.UnmarshalNew()
	if err != nil {
		return fmt.Errorf("a bug in l4xds: %w", err)
	}
	return validateMessage(inner)
}

// forEachMessage calls visit for each message inside of m, however deep, until one call fails. What is packed in an Any
// is not seen.
func forEachMessage(m protoreflect.Message, visit func(protoreflect.Message) error) error {
	var failed error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		for _, inner := range messagesIn(f, v) {
			if failed = visit(inner); failed == nil {
				failed = forEachMessage(inner, visit)
			}
			if failed != nil {
				return false
			}
		}
		return true
	})
	return failed
}

// messagesIn is the messages that a field holds.
func messagesIn(f protoreflect.FieldDescriptor, v protoreflect.Value) []protoreflect.Message {
	var list []protoreflect.Message
	switch {
	case f.IsMap():
		if f.MapValue().Message() != nil {
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				list = append(list, v.Message())
				return true
			})
		}
	case f.Message() == nil:
	case f.IsList():
		for i := range v.List().Len() {
			list = append(list, v.List().Get(i).Message())
		}
	default:
		list = []protoreflect.Message{v.Message()}
	}
	return list
}
