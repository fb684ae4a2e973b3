package config

// Group names a set of Envoys, for `nodes:` of a listener.
type Group struct {
	Name string
	At   Place
	// Selector has exactly one term: all conditions of the group must fit.
	Selector Selector
}
