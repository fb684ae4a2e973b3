package daemon

import (
	"reflect"

	"github.com/l4xds/l4xds/pkg/config"
)

// changedStanzas is how many listeners and backends came, went or now mean something else, for the log. A listener
// whose backend changed counts too. before may be nil.
func changedStanzas(before, after *config.Config) int {
	if before == nil {
		before = &config.Config{}
	}
	return changes(stanzas(before), stanzas(after)) + changes(backends(before), backends(after))
}

// stanzas are the listeners of c by name: one that has both protocols stands in the model twice.
func stanzas(c *config.Config) map[string][]*config.Listener {
	byName := make(map[string][]*config.Listener, len(c.Listeners))
	for _, l := range c.Listeners {
		byName[l.Name] = append(byName[l.Name], l)
	}
	return byName
}

func backends(c *config.Config) map[string]*config.Backend {
	byName := make(map[string]*config.Backend, len(c.Backends))
	for _, b := range c.Backends {
		byName[b.Name] = b
	}
	return byName
}

// changes is how many names of either map stand for something else, or for nothing, in the other one.
func changes[V any](before, after map[string]V) int {
	n := 0
	for name, value := range after {
		if old, ok := before[name]; !ok || !reflect.DeepEqual(old, value) {
			n++
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			n++
		}
	}
	return n
}
