package kit

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// forServer is the kit of the servers that see the clients' addresses: their answers go back by Envoy's host.
func forServer(listeners []*config.Listener, o Options) (*Kit, error) {
	k := &Kit{Side: ServerSide}
	for _, l := range listeners {
		if l.Source == config.SourceClient {
			k.Listeners = append(k.Listeners, l.Name)
			k.Answers = append(k.Answers, answers(l, o.Envoy)...)
		}
	}
	k.sort()
	slices.SortFunc(k.Answers, func(a, b Answer) int {
		return cmp.Or(compareBool(a.V6, b.V6), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Ports.Last, b.Ports.Last))
	})
	k.Answers = slices.Compact(k.Answers)
	for _, a := range k.Answers {
		envoy, ok := of(o.Envoy, a.V6)
		if !ok {
			return nil, &NoEnvoyError{Answer: a}
		}
		if !slices.Contains(k.Envoy, envoy) {
			k.Envoy = append(k.Envoy, envoy)
		}
	}
	return k, nil
}

// NoEnvoyError says that answers cannot go back by Envoy's host, because its address is not known.
type NoEnvoyError struct{ Answer Answer }

// Error implements error.
func (e *NoEnvoyError) Error() string {
	return fmt.Sprintf("answers from %s port %s go back by Envoy's host, whose %s address is not known",
		e.Answer.Protocol, e.Answer.Ports, familyName(e.Answer.V6))
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// of is the address of one family.
func of(list []netip.Addr, v6 bool) (netip.Addr, bool) {
	i := slices.IndexFunc(list, func(a netip.Addr) bool { return a.Is6() == v6 })
	if i < 0 {
		return netip.Addr{}, false
	}
	return list[i], true
}

// answers are those of the servers of l: from the ports of the endpoints, and from the captured ones where it goes to where the
// client was going. A server on Envoy's own host needs none.
func answers(l *config.Listener, envoy []netip.Addr) []Answer {
	var all []Answer
	for _, r := range l.Routes {
		if r.Original {
			all = append(all, originalAnswers(l)...)
		}
	}
	for _, b := range l.Backends() {
		for _, e := range b.Endpoints {
			port := config.Ports{First: e.Port, Last: e.Port}
			switch {
			case e.Host != "": // it may have both; what is known of Envoy's host decides
				for _, a := range envoy {
					all = append(all, Answer{l.Protocol, a.Is6(), port})
				}
				if len(envoy) == 0 {
					all = append(all, Answer{l.Protocol, false, port})
				}
			case e.Address.IsValid() && !e.Address.IsLoopback():
				all = append(all, Answer{l.Protocol, e.Address.Is6(), port})
			}
		}
	}
	return all
}

// originalAnswers are those of where clients of captured traffic were going.
func originalAnswers(l *config.Listener) []Answer {
	var all []Answer
	for _, b := range l.Binds {
		for _, v6 := range families(b) {
			for _, p := range join(l.Captured()) {
				all = append(all, Answer{l.Protocol, v6, p})
			}
		}
	}
	return all
}
