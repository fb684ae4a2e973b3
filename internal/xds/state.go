// Package xds serves generations to Envoys: an ADS handler, state of the world and delta.
package xds

import (
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// Variant is the form of ADS that a stream speaks.
type Variant string

// The variants.
const (
	SotW  Variant = "sotw"
	Delta Variant = "delta"
)

// State is how a node stands to what it should have.
type State string

// The states, from best to worst.
const (
	// Synced: it has acknowledged all of the newest generation that it asked for.
	Synced State = "synced"
	// Pending: something is on its way to it, or waits for its turn.
	Pending State = "pending"
	// Rejected: it refused something that the newest generation still holds.
	Rejected State = "rejected"
	// Stale: it keeps what it had, for it matches no listener, or never acknowledges.
	Stale State = "stale"
)

// StreamState is what one ADS stream looks like at one moment. It is immutable.
type StreamState struct {
	// ID is unique while the daemon runs, starting at 1.
	ID   uint64
	Node config.Node
	// EnvoyVersion is "1.40.0", or empty where the client does not say.
	EnvoyVersion string
	// Address is the client's, host:port.
	Address     string
	Variant     Variant
	ConnectedAt time.Time
	State       State
	// Generation is the newest one that the node has completely; 0 means none yet.
	Generation uint64
	Types      [snapshot.NumTypes]TypeState
	// Withheld are the listeners that it is not given, although they are for it.
	Withheld []snapshot.Withheld
}

// TypeState is how far one type has come on one stream.
type TypeState struct {
	// Subscribed is whether the client has asked for the type.
	Subscribed bool
	// Sent and Acked are the versions of the sets last sent and last acknowledged on this stream, or known to be held
	// when it opened; empty means none.
	Sent, Acked string
	// Nack is the refusal that still stands, nil if none.
	Nack *Nack
}

// Nack is one refused response.
type Nack struct {
	// Version is the version of the refused response.
	Version string
	// Message is Envoy's own text, private keys redacted.
	Message string
	// Advice says what to do about it, in plain sentences, for each cause that is known by Envoy's text.
	Advice []string
	At     time.Time
	// Resources are the names of the refused resources, empty while they are unknown.
	Resources []string
	// Places are where those resources stand in the files.
	Places []config.Position
}

// Tracker is told how streams do. It is called from many goroutines, and must not block: streams wait for it.
type Tracker interface {
	// Update replaces what is known of the stream s.ID.
	Update(s StreamState)
	// Closed says that the stream is gone, and why: "client", "shutdown", "node_changed", "unresponsive", ...
	Closed(id uint64, reason string)
}
