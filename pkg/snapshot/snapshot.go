// Package snapshot turns resources into what is served: content-versioned sets, one view for all nodes that are given
// the same listeners, in immutable generations that a Store swaps atomically.
package snapshot

// Type is one of the xDS types that are served.
type Type int

// The types, in the order in which a node needs them.
const (
	CDS Type = iota
	EDS
	LDS
	SDS
	NumTypes
)

// Entry is one resource, encoded. It is immutable and shared by everything that holds the same content.
type Entry struct {
	Name string
	// Version is a short hash of the content.
	Version string
	// Wire is the resource as an encoded google.protobuf.Any. Empty in sets that only tell what a client claims to have.
	Wire []byte
}

// Set is all resources of one type in one view. It is immutable.
type Set struct {
	Type Type
	// Version is a hash of the names and versions of the entries: equal sets, equal versions, on every machine.
	Version string
	// Entries are sorted by name, each name once.
	Entries []*Entry
}

// View is what one kind of node is given: a set per type. It is immutable.
type View struct {
	// Key identifies the set of listeners that the nodes of the view are given.
	Key  string
	Sets [NumTypes]*Set
}
