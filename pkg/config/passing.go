package config

import (
	"net/netip"
	"slices"
	"strings"
)

// passed is a tunnel to which an exit passes requests on.
type passed struct {
	*tunnel
	via *value
	// targets are what is passed on; none for whatever is asked for. What is in before was taken by an earlier route.
	targets, before []Allowed
}

// passOn lets the tunnels to which exits pass requests on know what they are asked for.
func (l *loader) passOn(exits []*far) {
	next := map[*tunnel][]passed{}
	for _, e := range exits {
		next[e.tunnel] = e.onwards
	}
	for _, e := range exits {
		for _, first := range e.onwards {
			t := &trail{from: e.tunnel, next: next, seen: map[*tunnel]bool{}}
			if t.follow(first, []Allowed{{}}, nil) {
				l.errorf(idTunnel, first.via, "what goes through this tunnel would go in a circle")
			}
		}
	}
}

// trail is the way of what the exit of one tunnel passes on.
type trail struct {
	from *tunnel
	next map[*tunnel][]passed
	seen map[*tunnel]bool
}

// follow notes that some of these targets are passed on to a tunnel, and what that one passes on of them. It reports whether
// some come back to where they came from. What is in without was taken on the way. A tunnel that was seen is followed again
// only for what is new.
func (t *trail) follow(to passed, asked, without []Allowed) bool {
	without = append(slices.Clip(without), to.before...)
	asked = to.among(asked, without)
	switch {
	case len(asked) == 0:
		return false
	case to.tunnel == t.from:
		return true
	}
	news := to.pass(t.from, asked)
	if t.seen[to.tunnel] && !news {
		return false
	}
	t.seen[to.tunnel] = true
	back := false
	for _, further := range t.next[to.tunnel] {
		back = t.follow(further, asked, without) || back
	}
	return back
}

// among are those of the targets that p takes, and that were not taken before.
func (p passed) among(asked, without []Allowed) []Allowed {
	var taken []Allowed
	for _, a := range asked {
		for _, target := range orElse(p.targets, []Allowed{{}}, func(Allowed) bool { return true }) {
			if both, ok := a.and(target); ok && !slices.ContainsFunc(without, both.covered) {
				taken = append(taken, both)
			}
		}
	}
	return taken
}

// pass notes that the exit of from goes through t, at last, with what it is asked for of these targets. It reports whether
// some of that is new.
func (t *tunnel) pass(from *tunnel, targets []Allowed) (news bool) {
	t.passed = true
	for protocol := range from.users {
		t.carries[protocol] = true
	}
	for ask := range from.asks {
		if !t.asks[ask] && slices.ContainsFunc(targets, ask.allowed().covered) {
			t.asks[ask], news = true, true
		}
	}
	if from.vague != nil {
		t.vague = from.vague
	}
	return news
}

// allowed is a as what may be asked for.
func (a Ask) allowed() Allowed { return Allowed{Host: a.Host, Port: a.Port, Last: a.Port} }

// Allows reports whether a near end may ask for this where a is what may be asked for.
func (a Allowed) Allows(ask Ask) bool { return ask.allowed().covered(a) }

// and is what a and o both hold; false for nothing.
func (a Allowed) and(o Allowed) (Allowed, bool) {
	first, last := o, a
	if a.anyPort().covered(o.anyPort()) {
		first, last = a, o
	} else if !o.anyPort().covered(a.anyPort()) {
		return Allowed{}, false
	}
	switch {
	case last.Port == 0:
		return first, true
	case first.Port == 0:
		first.Port, first.Last = last.Port, last.Last
	default:
		first.Port, first.Last = max(first.Port, last.Port), min(first.Last, last.Last)
	}
	return first, first.Port <= first.Last
}

// anyPort is a on every port.
func (a Allowed) anyPort() Allowed {
	a.Port, a.Last = 0, 0
	return a
}

// covered reports whether by holds all that a holds.
func (a Allowed) covered(by Allowed) bool {
	if by.Port != 0 && (a.Port < by.Port || a.Last > by.Last) {
		return false
	}
	switch below, wild := strings.CutPrefix(by.Host, "*"); {
	case by.Network.IsValid():
		return by.Network.Overlaps(a.network()) && by.Network.Bits() <= a.network().Bits()
	case by.Host == "":
		return true
	case wild:
		return strings.HasSuffix(a.Host, below)
	}
	return a.Host == by.Host
}

// network is that of a, or its address; invalid where it is a name.
func (a Allowed) network() netip.Prefix {
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	return a.Network
}
