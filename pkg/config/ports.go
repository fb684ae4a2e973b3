package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// claim is one address that some Envoys are to listen on: a bind of a listener, for one term of its audience.
type claim struct {
	listener *Listener
	bind     *Bind
	term     Term
	kind     claimKind
}

// claimKind is how an address is claimed.
type claimKind uint8

const (
	// binds is to listen there.
	binds claimKind = iota
	// captures is to take what is for these ports, whatever the address.
	captures
	// expects is to get what comes there from the network.
	expects
)

// checkPorts says which listeners want the same address on an Envoy that would be given both.
func (l *loader) checkPorts(listeners []*Listener) {
	listeners = slices.DeleteFunc(slices.Clone(listeners), func(o *Listener) bool { return l.unclear[o] })
	for _, protocol := range []Protocol{TCP, UDP} {
		l.checkClaims(claims(listeners, protocol), l.sayClash)
		for _, from := range []CaptureFrom{FromNetwork, FromHost} {
			l.checkClaims(captured(listeners, protocol, from), l.sayCaptured)
		}
	}
}

// checkClaims says which of the claims, by port, meet another.
func (l *loader) checkClaims(sorted []claim, say func(c, other claim)) {
	w := newWindow()
	for _, c := range sorted {
		if other, ok := w.clash(c); ok {
			say(c, other)
		}
		w.add(c)
	}
}

func (l *loader) sayClash(c, other claim) {
	at, first := l.binds[c.bind], l.binds[other.bind]
	if at == nil || first == nil { // a listener was taken over
		l.unsure = true
		return
	}
	if at.doc == first.doc && (at.line < first.line || at.line == first.line && at.column < first.column) {
		c, other, at, first = other, c, first, at
	}
	what := "port " + c.bind.Ports()
	switch {
	case c.bind.Path != "":
		what = c.bind.String()
	case c.bind.Port != c.bind.Last:
		what = "range " + c.bind.Ports()
	}
	who := "listener " + quote(other.listener.Name)
	if c.listener == other.listener {
		who = "this listener"
	}
	if other.bind.Ports() != c.bind.Ports() {
		who += " with " + other.bind.Ports()
	}
	l.errorf(idPortTaken, at, "%s is already bound by %s (%s)", what, who, first.position())
}

// sayCaptured says that what comes to one listener is captured for another.
func (l *loader) sayCaptured(c, other claim) {
	if other.kind != captures {
		c, other = other, c
	}
	at, first, is := l.binds[c.bind], l.binds[&other.listener.Binds[0]], "is"
	if c.kind == captures {
		at, is = l.binds[&c.listener.Binds[0]], "is captured here, and"
	}
	if at == nil || first == nil { // a listener was taken over
		l.unsure = true
		return
	}
	l.errorf(idPortTaken, at, "port %s %s captured by listener %s with %s (%s)",
		c.bind.Ports(), is, quote(other.listener.Name), other.bind.Ports(), first.position())
}

// captured are the claims of one protocol, by port, where something is captured from there: those ports, and what all other
// listeners expect from the network. What a host sends to itself is not captured.
func captured(listeners []*Listener, protocol Protocol, from CaptureFrom) []claim {
	var all []claim
	for _, l := range listeners {
		if l.Protocol != protocol || l.Transparent == nil || l.Transparent.From != from {
			continue
		}
		for _, b := range l.Binds {
			for _, p := range l.Captured() {
				for _, t := range l.terms() {
					all = append(all, claim{l, &Bind{Address: b.Address, Port: p.First, Last: p.Last}, t, captures})
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, c := range claims(listeners, protocol) {
		if from == FromNetwork && c.bind.Path == "" && !c.bind.Address.IsLoopback() {
			c.kind = expects
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return cmp.Compare(a.bind.Port, b.bind.Port) })
	return all
}

// terms are those of the audience of l, of which there is one at least.
func (l *Listener) terms() []Term {
	if len(l.Audience.Terms) == 0 {
		return []Term{{}}
	}
	return l.Audience.Terms
}

// claims are all addresses of one protocol, by port; unix sockets have port 0.
func claims(listeners []*Listener, protocol Protocol) []claim {
	var all []claim
	for _, l := range listeners {
		if l.Protocol != protocol {
			continue
		}
		for i := range l.Binds {
			for _, t := range l.terms() {
				all = append(all, claim{l, &l.Binds[i], t, binds})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return cmp.Compare(a.bind.Port, b.bind.Port) })
	return all
}

// window holds the claims that may still meet the next one, in the order of ports. Its indexes keep the cost from growing
// with the pairs: thousands of listeners may share a port on as many addresses, or on as many Envoys.
type window struct {
	port uint16
	// singles are the claims of this one port, ranges those that began at it or before.
	singles, ranges index
}

// index holds claims by what they are bound to.
type index map[where]*crowd

// where is an IP address, or the path of a unix socket.
type where struct {
	address netip.Addr
	path    string
}

// crowd is the claims on one address.
type crowd struct {
	all []claim
	// byID are the same by the node's id, empty where that is a pattern or not asked for.
	byID map[string][]claim
}

func newWindow() *window { return &window{singles: index{}, ranges: index{}} }

func (w *window) add(c claim) {
	in := w.singles
	if c.bind.Last != c.bind.Port {
		in = w.ranges
	}
	cr := in[c.where()]
	if cr == nil {
		cr = &crowd{byID: map[string][]claim{}}
		in[c.where()] = cr
	}
	cr.all = append(cr.all, c)
	cr.byID[c.id()] = append(cr.byID[c.id()], c)
}

// clash is a claim in w that meets c.
func (w *window) clash(c claim) (claim, bool) {
	if c.bind.Port != w.port {
		w.port = c.bind.Port
		clear(w.singles)
	}
	for _, in := range []index{w.singles, w.ranges} {
		for _, at := range in.near(c.where()) {
			if other, ok := in[at].clash(c); ok {
				return other, true
			}
		}
	}
	return claim{}, false
}

// near are the places of the index that meet the one given.
func (in index) near(at where) []where {
	any4, any6 := where{address: netip.IPv4Unspecified()}, where{address: netip.IPv6Unspecified()}
	var places []where
	switch {
	case at.path != "":
		places = []where{at}
	case at == any6, at == any4:
		for o := range in {
			if o.path == "" && (at == any6 || o == any6 || o.address.Is4()) {
				places = append(places, o)
			}
		}
		slices.SortFunc(places, func(a, b where) int { return a.address.Compare(b.address) })
	case at.address.Is4():
		places = []where{at, any4, any6}
	default:
		places = []where{at, any6}
	}
	return places
}

// clash is a claim of the crowd, which may be nil, that meets c.
func (cr *crowd) clash(c claim) (claim, bool) {
	if cr == nil {
		return claim{}, false
	}
	id := c.id()
	if id == "" {
		return among(&cr.all, c)
	}
	for _, key := range []string{id, ""} {
		live := cr.byID[key]
		other, ok := among(&live, c)
		if cr.byID[key] != nil {
			cr.byID[key] = live
		}
		if ok {
			return other, true
		}
	}
	return claim{}, false
}

// among is one of the claims that meets c. If there is none it drops those that c has passed: no later one meets them.
func among(live *[]claim, c claim) (claim, bool) {
	passed := func(o claim) bool { return o.bind.Last < c.bind.Port }
	for _, o := range *live {
		if !passed(o) && o.contends(c) && o.term.meets(c.term) {
			return o, true
		}
	}
	*live = slices.DeleteFunc(*live, passed)
	return claim{}, false
}

// contends reports whether c and o cannot both have a port of theirs.
func (c claim) contends(o claim) bool {
	if c.kind == binds {
		return c.bind != o.bind
	}
	return (c.kind == captures || o.kind == captures) && c.listener != o.listener
}

// where is the place of c; where something is captured, all addresses of a family are one place.
func (c claim) where() where {
	switch a := c.bind.Address; {
	case c.kind == binds || a == netip.IPv6Unspecified():
		return where{a, c.bind.Path}
	case a.Is4():
		return where{address: netip.IPv4Unspecified()}
	}
	return where{address: netip.IPv6Loopback()}
}

// id is the one node id that c is for; empty where there may be several.
func (c claim) id() string {
	if strings.Contains(c.term.ID, "*") {
		return ""
	}
	return c.term.ID
}
