package translate

import "github.com/l4xds/l4xds/pkg/config"

// Needs are things that not every Envoy can do, as a set of bits.
type Needs uint8

const (
	// NeedsDelta is that it is told of changes one by one: a cluster can then stay with it that no listener names any
	// more. In the state of the world what is not told is deleted.
	NeedsDelta Needs = 1 << iota
	// NeedsNetRaw is that its process may take and use addresses that are not its host's: it has CAP_NET_RAW or
	// CAP_NET_ADMIN.
	NeedsNetRaw

	// NeedsAll is all of them.
	NeedsAll = NeedsDelta | NeedsNetRaw
)

// needWords are the needs in words, in the order in which they are told.
var needWords = []struct {
	need Needs
	word string
}{
	{NeedsDelta, "needs_delta"},
	{NeedsNetRaw, "needs_net_raw"},
}

// Words are the needs of n, a word for each, as in status and metrics.
func (n Needs) Words() []string {
	var words []string
	for _, w := range needWords {
		if n&w.need != 0 {
			words = append(words, w.word)
		}
	}
	return words
}

// Lacks is what n cannot do, by its own account. Whether it is told of changes one by one is not among it: that is a
// matter of its stream.
func Lacks(n config.Node) Needs {
	if len(n.Capabilities) == 0 { // either is enough
		return NeedsNetRaw
	}
	return 0
}
