package config

// Severity says whether a message stops the configuration from being used.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one message about the files.
type Diagnostic struct {
	Severity Severity
	// ID is stable over versions: "L4X0107".
	ID string
	// Position is where the mistake stands; its File is always set, Line and Column may be 0 for a whole file.
	Position Position
	// Path is the key's path, "listeners.db.tcp"; empty for syntax errors.
	Path string
	// Message says in one line what is wrong, with the value as written and, after a semicolon, what would be right.
	Message string
	// Source is the line of the file, without its line end; Width is how many runes the caret underlines, at least 1.
	Source string
	Width  int
}

// Diagnostics are all messages of one look at the files, sorted by place.
type Diagnostics []Diagnostic
