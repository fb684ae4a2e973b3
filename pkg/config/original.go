package config

import (
	"reflect"
	"slices"
	"strings"
)

// Reach are addresses and ports that `to: original` may go to; the zero Reach is all of them.
// Envoy: DestinationIPInput and DestinationPortInput of the filter_chain_matcher.
type Reach struct {
	// Network holds the addresses; none is any.
	Network Network
	// Ports are the ports; none is any.
	Ports Ports
}

// String is c as it is written.
func (c Reach) String() string {
	network, ports := "*", ""
	if c.Network.IsValid() {
		network = c.Network.String()
	}
	if c.Ports != (Ports{}) {
		ports = ":" + c.Ports.String()
	}
	switch {
	case c == Reach{}:
		return "any"
	case strings.Contains(network, ":"):
		network = "[" + network + "]"
	}
	return network + ports
}

// reaches is `targets` of a listener or a route.
type reaches struct {
	// list is nil where the key is not written.
	list []Reach
}

func (t *reaches) decode(d *decoder, v *value) {
	*t = reaches{list: []Reach{}}
	for _, item := range v.elements() {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		made, err := parseReach(text)
		if err != nil {
			d.wrong(item, err)
			continue
		}
		t.list = append(t.list, made)
	}
	if len(v.elements()) == 0 {
		d.errorf(idKind, v, "is empty; write what may be reached, as 10.0.0.0/8:5432")
	}
}

// parseReach reads ADDRESS:PORTS, NETWORK, NETWORK:PORTS, "[V6 NETWORK]:PORTS", *:PORTS or any.
func parseReach(text string) (Reach, error) {
	if text == "any" {
		return Reach{}, nil
	}
	made := Reach{}
	address, ports := text, ""
	switch colon := strings.LastIndexByte(text, ':'); {
	case strings.HasPrefix(text, "["):
		inner, rest, closed := strings.Cut(text[1:], "]")
		after, colon := strings.CutPrefix(rest, ":")
		if !closed || rest != "" && !colon {
			return Reach{}, wrongf(idAddress, "%s is not [IPV6]:PORT", quote(text))
		}
		address, ports = inner, after
	case strings.Count(text, ":") == 1:
		address, ports = text[:colon], text[colon+1:]
	}
	var err error
	if ports != "" || strings.HasSuffix(text, ":") {
		if made.Ports.First, made.Ports.Last, err = parsePorts(ports); err != nil {
			return Reach{}, err
		}
	}
	if address == "*" {
		if ports == "" {
			return Reach{}, wrongf(idNoPort, "* has no port; for every address and port write any")
		}
		return made, nil
	}
	if _, hostErr := parseHost(address); hostErr == nil && strings.ContainsFunc(address, isLetter) {
		return Reach{}, wrongf(idAddress, "%s is a name, and what clients dial is an address; write addresses or networks", quote(address))
	}
	if made.Network.Prefix, err = parseNetwork(address); err != nil {
		return Reach{}, err
	}
	return made, nil
}

func isLetter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// original is the word for where the client was going.
const original = "original"

// dialledForm is the long form of `to: original`: what holds for how that is reached.
type dialledForm struct {
	// Endpoints is the word `original`.
	// Envoy: envoy.config.cluster.v3.Cluster.type, ORIGINAL_DST
	Endpoints      originalWord `yaml:"endpoints,main" required:"true"`
	dialledBackend `yaml:",inline"`
}

// dialledBackend are the keys of a backend that hold for one address that is not known before.
type dialledBackend struct {
	Backend `yaml:",inline" without:"endpoints,balance,check,tls"`
}

type originalWord struct{}

func (*originalWord) decode(*decoder, *value) {}

var dialledType = reflect.TypeFor[dialledForm]()

// toOriginal makes a route that goes where the client was going, by a cluster of its own.
func (r *reading) toOriginal(route *Route, t target, o origin, cluster string) {
	if !r.mayDial(route, t.value, o) {
		return
	}
	b := r.dialled(t, o)
	b.At = r.place(r.path, t.value)
	route.Original = true
	route.To = Target{Cluster: cluster, Parts: []Part{{Backend: b, Weight: 1, At: b.At}}}
	r.own(cluster, t.value)
}

// mayDial says why at, `to: original`, cannot be; it reports whether it can.
func (r *reading) mayDial(route *Route, at *value, o origin) bool {
	switch l := o.listener; {
	case o.protocol == UDP:
		r.errorf(idNoEffect, at, "original does not work for UDP: Envoy has no cluster for where a datagram was going; choose by routes with address and port")
	case o.tunnel != nil:
		r.errorf(idTransparent, at, `original does not go through a tunnel; ask for it, as to: "%%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%%:%%DOWNSTREAM_LOCAL_PORT%%"`)
	case l == nil || l.Transparent == nil:
		r.errorf(idTransparent, at, "original is known only where traffic is captured; write transparent: redirect, or tproxy, on the listener")
	case l.Inspects && !l.InOrder:
		r.errorf(idExclusive, at, "original cannot stand in or beside sni; write routes, with sni as their condition")
	case route.Targets == nil:
		r.errorf(idTransparent, at, "original without targets would be an open proxy; write what may be reached, as targets: 10.0.0.0/8:5432, or any")
	case slices.ContainsFunc(l.Captured(), func(p Ports) bool { return slices.ContainsFunc(l.ports(), p.meets) }):
		r.errorf(idTransparent, at, "original with a captured port that the listener itself has would go in a circle; "+
			"listen on another port, as tcp: 15001, and write transparent: {mode: %s, ports: …}", l.Transparent.Mode)
	default:
		return true
	}
	return false
}

// dialled is how the original destination is reached.
func (r *reading) dialled(t target, o origin) *Backend {
	s, all := shapeOf(dialledType), shapeOf(backendType)
	written := all.overlay(o.private, t.dialled)
	var own []pair
	if written != nil {
		for _, p := range written.pairs {
			if s.index[p.key.text] == nil && all.index[p.key.text] != nil {
				r.errorf(idNoEffect, p.key, "has no effect on original, which is one address for each connection; leave it out")
			} else {
				own = append(own, p)
			}
		}
	}
	word := *t.value
	word.kind, word.text = scalar, original
	own = append(own, pair{&value{text: "endpoints"}, &word})
	var form dialledForm
	base := s.prune(s.known(r.backendDefaults), onEach(onTCP), ignore)
	if o.listener.Source == SourceClient { // which is nearer
		base = base.without("source")
	}
	r.mapping(s.overlay(base, t.value.with(own)), &form)
	r.tells(form.ProxyProtocol, written)
	return &form.Backend
}

// checkReaches says which targets of l, or of one of its routes, nobody can dial there.
func (r *reading) checkReaches(l *Listener, at *pair, routes []*Route) {
	if at == nil || len(l.Binds) == 0 {
		return // or an error was said
	}
	if !slices.ContainsFunc(routes, func(route *Route) bool { return route.Original }) {
		r.errorf(idNoEffect, at.key, "has no effect: targets are what to: original may reach")
		return
	}
	for _, item := range at.value.elements() {
		c, err := parseReach(item.text)
		switch {
		case err != nil || l.ProxyProtocol != nil: // a header may lead everywhere
		case c.Ports != (Ports{}) && !slices.ContainsFunc(l.Captured(), c.Ports.meets):
			r.errorf(idUnreachable, item, "%s is never dialled: no such port is captured", quote(item.text))
		case c.Network.IsValid() && !slices.ContainsFunc(l.spots(), func(s spot) bool { return s.takesAddress(c.Network) }):
			r.errorf(idUnreachable, item, "%s is never dialled: the listener is at %s, and takes the other family only", quote(item.text), l.Binds[0])
		}
	}
}
