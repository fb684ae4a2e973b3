package translate

import (
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
)

// Resource is one Envoy resource and what must be known about it besides.
type Resource struct {
	// Type is the type URL, one of go-control-plane's resource/v3 constants.
	Type string
	// Name is unique among the resources of this type that one node is given.
	Name string
	// Msg is the resource. It is not changed after Translate returned it.
	Msg proto.Message
	// Shown is what people may see in place of Msg: a secret that names its files, where Msg has their content. An Envoy
	// that has these files can be given it as well. nil: Msg itself may be seen.
	Shown proto.Message
	// Origins are the places of the file that it was made from, the most telling one first.
	Origins []config.Place
	// Audience says which nodes are given it. Only listeners have one; the rest follows by reference.
	Audience config.Selector
	// Needs is what an Envoy must be able to do to be given it; only listeners need something. What they refer to needs
	// nothing more.
	Needs Needs
	// Refs are the resources that it names: clusters and secrets of a listener, secrets and endpoint assignment of a cluster.
	Refs []Ref
}

// Ref is the name of a resource that another one needs.
type Ref struct {
	Type, Name string
}

// Resources are all resources of a configuration.
type Resources struct {
	// Config is what they were made from.
	Config *config.Config
	// List is sorted by type, name and place. Two listeners may have one name if no node can be given both.
	List []*Resource

	// plan is what they were made by, for the next Translate.
	plan plan
}
