package snapshot

import (
	"fmt"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// stockSnapshot is a view behind the interface of go-control-plane's snapshot cache.
type stockSnapshot struct {
	sets      [NumTypes]*Set
	resources [NumTypes]map[string]types.ResourceWithTTL
}

var _ cachev3.ResourceSnapshot = (*stockSnapshot)(nil)

// ResourceSnapshot is v for go-control-plane's snapshot cache and stock server: a second witness in tests, and the
// baseline in benchmarks. It decodes every resource. An error means that an entry's Wire is not a known message.
func ResourceSnapshot(v *View) (cachev3.ResourceSnapshot, error) {
	s := &stockSnapshot{sets: v.Sets}
	for t, set := range v.Sets {
		s.resources[t] = make(map[string]types.ResourceWithTTL, len(set.Entries))
		for _, e := range set.Entries {
			m, err := decodeAny(e.Wire)
			if err != nil {
				return nil, fmt.Errorf("%s %q: %w", set.Type, e.Name, err)
			}
			s.resources[t][e.Name] = types.ResourceWithTTL{Resource: m}
		}
	}
	return s, nil
}

// GetVersion is the version of the set of that type; empty for a type that is not served.
func (s *stockSnapshot) GetVersion(typeURL string) string {
	t, ok := TypeOf(typeURL)
	if !ok {
		return ""
	}
	return s.sets[t].Version
}

// GetResourcesAndTTL is the resources of that type by name; none has a time to live.
func (s *stockSnapshot) GetResourcesAndTTL(typeURL string) map[string]types.ResourceWithTTL {
	t, ok := TypeOf(typeURL)
	if !ok {
		return nil
	}
	return s.resources[t]
}

// GetResources is the resources of that type by name.
func (s *stockSnapshot) GetResources(typeURL string) map[string]types.Resource {
	resources := make(map[string]types.Resource)
	for name, r := range s.GetResourcesAndTTL(typeURL) {
		resources[name] = r.Resource
	}
	return resources
}

// ConstructVersionMap has nothing to do: every entry knows its version.
func (s *stockSnapshot) ConstructVersionMap() error { return nil }

// GetVersionMap is the versions of that type's resources by name.
func (s *stockSnapshot) GetVersionMap(typeURL string) map[string]string {
	versions := make(map[string]string)
	if t, ok := TypeOf(typeURL); ok {
		for _, e := range s.sets[t].Entries {
			versions[e.Name] = e.Version
		}
	}
	return versions
}

func decodeAny(wire []byte) (proto.Message, error) {
	var packed anypb.Any
	if err := proto.Unmarshal(wire, &packed); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	m, err := packed.UnmarshalNew()
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return m, nil
}
