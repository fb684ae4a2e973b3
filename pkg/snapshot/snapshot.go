// Package snapshot turns resources into what is served: content-versioned sets, one view for all nodes that are given
// the same listeners, in immutable generations that a Store swaps atomically.
//
//	*translate.Resources -> Build -> *Generation -> Store.Publish -> View of a node -> Sets -> encoded responses
//
// It knows resources, their names and what they refer to; no YAML, no backends, no streams.
package snapshot

import (
	"slices"
	"strings"
	"sync"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// Type is one of the xDS types that are served.
type Type int

// The types. Clusters stand before what is looked up by them.
const (
	CDS Type = iota
	EDS
	LDS
	SDS
	RDS
	NumTypes
)

// typeNames and typeURLs are indexed by Type.
var (
	typeNames = [NumTypes]string{CDS: "cds", EDS: "eds", LDS: "lds", SDS: "sds", RDS: "rds"}
	typeURLs  = [NumTypes]string{
		CDS: resourcev3.ClusterType,
		EDS: resourcev3.EndpointType,
		LDS: resourcev3.ListenerType,
		SDS: resourcev3.SecretType,
		RDS: resourcev3.RouteType,
	}
)

// String is the short name of t, as in metrics and commands: "cds", "eds", "lds", "sds", "rds".
func (t Type) String() string { return typeNames[t] }

// URL is the type URL of t's resources.
func (t Type) URL() string { return typeURLs[t] }

// TypeOf is the type whose resources have this type URL; false if it is none of ours.
func TypeOf(url string) (Type, bool) {
	t := slices.Index(typeURLs[:], url)
	return Type(t), t >= 0
}

// Entry is one resource, encoded. It is immutable and shared by everything that holds the same content.
type Entry struct {
	Name string
	// Version is a short hash of the content. That of an endpoint assignment also covers the versions of the clusters
	// of its view that name it: Envoy waits for the assignment to come again after such a cluster changed.
	Version string
	// Wire is the resource as an encoded google.protobuf.Any. Empty in sets that only tell what a client claims to have.
	Wire []byte
	// Frozen is whether it must not be taken from a client that has it: see [translate.Frozen].
	Frozen bool
	// Service is, for a cluster, the name of the endpoint assignment that it waits for; empty if it waits for none.
	Service string
}

// Set is all resources of one type in one view. It is immutable, and must not be copied.
type Set struct {
	Type Type
	// Version is a hash of the names and versions of the entries: equal sets, equal versions, on every machine.
	Version string
	// Entries are sorted by name, each name once.
	Entries []*Entry

	body   body
	diffs  memo[Change]
	unions memo[Set]
}

// NewSet makes a set of entries whose names differ. It takes the slice over and sorts it. Entries without Wire are
// allowed: such a set tells what a client claims to hold.
func NewSet(t Type, entries []*Entry) *Set {
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Name, b.Name) })
	return &Set{Type: t, Version: setVersion(entries), Entries: entries}
}

// Get is the entry of that name, nil if s has none.
func (s *Set) Get(name string) *Entry {
	i, ok := slices.BinarySearchFunc(s.Entries, name, func(e *Entry, name string) int {
		return strings.Compare(e.Name, name)
	})
	if !ok {
		return nil
	}
	return s.Entries[i]
}

// Body is s as an encoded DiscoveryResponse without nonce and control plane, which the caller appends. It is encoded
// once; the bytes are shared and must not be changed.
func (s *Set) Body() []byte {
	return s.body.get(func() []byte { return EncodeSotW(s.Type, s.Version, s.Entries) })
}

// View is what one kind of node is given: a set per type. It is immutable.
type View struct {
	// Key identifies the groups of listeners that the nodes of the view are given. It stays the same over generations
	// for as long as the selectors of those listeners do.
	Key  string
	Sets [NumTypes]*Set

	// items are the resources behind the entries, sorted by type and name.
	items []*item
	// withheld are the listeners that the nodes are meant to have, and are not given.
	withheld []withheld
}

// withheld is a listener that nodes are not given, and what they lack of what it needs.
type withheld struct {
	item  *item
	lacks translate.Needs
}

// Withheld is a listener that a node is not given, although it is for it, and one reason for that.
type Withheld struct {
	// Listener is the name of the resource.
	Listener string
	// Reason is what the node cannot do, in a word: "needs_delta", "needs_net_raw".
	Reason string
	// Places are where it stands in the files.
	Places []config.Position
}

// Resources are the translated resources of v, sorted by type and name, in the order of [Type].
func (v *View) Resources() []*translate.Resource {
	list := make([]*translate.Resource, len(v.items))
	for i, it := range v.items {
		list[i] = it.resource
	}
	return list
}

// body is bytes that are made when they are first asked for.
type body struct {
	once  sync.Once
	bytes []byte
}

func (b *body) get(encode func() []byte) []byte {
	b.once.Do(func() { b.bytes = encode() })
	return b.bytes
}
