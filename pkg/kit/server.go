package kit

import (
	"cmp"
	"errors"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// forServer is the kit of the servers that see the clients' addresses: their answers go back by Envoy's host.
func forServer(listeners []*config.Listener, o Options) (*Kit, error) {
	k := &Kit{Side: ServerSide, Envoy: slices.Clone(o.Envoy)}
	for _, l := range listeners {
		if l.Source == config.SourceClient {
			k.Listeners = append(k.Listeners, l.Name)
			k.Answers = append(k.Answers, answers(l)...)
		}
	}
	k.sort()
	slices.SortFunc(k.Answers, func(a, b Answer) int {
		return cmp.Or(compareBool(a.V6, b.V6), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Ports.Last, b.Ports.Last))
	})
	k.Answers = slices.Compact(k.Answers)
	return k, errors.New("not yet")
}

// answers are those of the servers of l.
func answers(l *config.Listener) []Answer {
	var all []Answer
	for _, b := range backends(l) {
		for _, e := range b.Endpoints {
			if e.Port > 0 {
				all = append(all, Answer{l.Protocol, e.Address.Is6(), config.Ports{First: e.Port, Last: e.Port}})
			}
		}
	}
	return all
}
