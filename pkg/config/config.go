// Package config is the first stage of the picture: it reads the operator's files, checks them, and returns the
// complete model of what they say, or every mistake in them with its place.
//
//	file(s) -> config.Load -> *config.Config -> translate -> snapshot -> Envoy fleet
//
// The package knows YAML, units, names and the rules of the file. It does not know Envoy's protos.
package config

// Config is everything one set of files says: checked, with every default filled in and every name resolved to a
// pointer. It is never changed after [Load] returned it, so it may be shared between goroutines.
type Config struct {
	// Listeners are sorted by name; a stanza with both tcp and udp stands here twice, TCP first. The exit of a tunnel is
	// one, too, and bears the tunnel's name; it stands behind a stanza of the same name.
	Listeners []*Listener
	// Backends are those of `backends:`, sorted by name. Private ones (inline in a `to`) hang on their targets.
	Backends []*Backend
	// Tunnels are those of `tunnels:`, sorted by name. Their exits stand among the listeners.
	Tunnels []*Tunnel
	// Groups are those of `groups:`, sorted by name.
	Groups []*Group
	// Hash identifies the content of all files together: equal bytes, equal hash, on every machine.
	Hash string
	// Files are the paths that were read, sorted.
	Files []string

	// bases are the file and line on which each stanza starts, by Place.Stanza.
	bases map[string]Position
	// memory is what the next Load can take over.
	memory *memory
}

// Position is a spot in a file as an editor counts it.
type Position struct {
	// File is the path as it was given or found.
	File string `json:"file"`
	// Line and Column start at 1; columns count runes. 0 means unknown.
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Place is a spot inside a stanza. It is relative, so that a stanza which only moved in its file keeps its content;
// [Config.Position] turns it into a spot in the file of that Config.
type Place struct {
	// Stanza is the path of the stanza: "listeners.edge", "backends.web", "groups.branch".
	Stanza string
	// Line counts from the line of the stanza's name, which is 0.
	Line int
	// Column starts at 1 and counts runes.
	Column int
}

// Position is where p stands in the files of c. A place of a stanza that c does not have gives the zero Position.
func (c *Config) Position(p Place) Position {
	base, ok := c.bases[p.Stanza]
	if !ok {
		return Position{}
	}
	return Position{File: base.File, Line: base.Line + p.Line, Column: p.Column}
}
