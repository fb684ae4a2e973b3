package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// spot is one address of a listener, as the conditions of its routes see it.
type spot struct {
	Bind
	// ends is whether TLS ends there, so that nothing else gets through.
	ends bool
	// captured are ports that clients dial at any address, and come here.
	captured []Ports
	// proxy is what tells the client's address there, and the one that it dialled; nil where the connection has them.
	proxy *ClientProxy
}

// spots are the addresses of l.
func (l *Listener) spots() []spot {
	made := make([]spot, len(l.Binds))
	for i, b := range l.Binds {
		made[i] = spot{Bind: b, ends: l.TLS != nil, proxy: l.ProxyProtocol}
		if l.knowsDialled() {
			made[i].captured = l.Captured()
		}
	}
	return made
}

var (
	every4 = Network{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	every6 = Network{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
)

// anyPort is every port.
var anyPort = Ports{1, 65535}

// ports are those that can be dialled there.
func (s spot) ports() []Ports {
	switch {
	case s.proxy != nil:
		return []Ports{anyPort}
	case s.Path != "":
		return nil
	}
	return append([]Ports{{s.Port, s.Last}}, s.captured...)
}

// dialled are the addresses that can be dialled there.
func (s spot) dialled() []Network {
	if s.proxy != nil || s.Path != "" || s.Address.IsUnspecified() || s.captured != nil {
		return s.clients()
	}
	return []Network{{netip.PrefixFrom(s.Address, s.Address.BitLen())}}
}

// clients are the addresses that clients can have there.
func (s spot) clients() []Network {
	if s.proxy != nil {
		return []Network{every4, every6}
	}
	return s.connecting()
}

// connecting are the addresses that connections can come from there.
func (s spot) connecting() []Network {
	switch {
	case s.Path != "":
		return nil
	case s.Address.Is4():
		return []Network{every4}
	case s.Address.IsUnspecified():
		return []Network{every4, every6}
	}
	return []Network{every6}
}

// peers are those of which a header is believed.
func (s spot) peers() []Network {
	if s.proxy == nil || s.proxy.From == nil {
		return s.connecting()
	}
	return s.proxy.From
}

// sources are where clients can be: a unix socket has local ones.
func (s spot) sources() []Client {
	var made []Client
	if s.Path != "" {
		made = append(made, Client{Origin: Local})
	}
	for _, n := range s.clients() {
		made = append(made, Client{Network: n.Prefix})
	}
	return made
}

// takesPort, takesAddress, takesClient, takesPeer, takesFromPort and takesTransport report whether some client there has what is asked for.
func (s spot) takesPort(p Ports) bool { return slices.ContainsFunc(s.ports(), p.meets) }

func (s spot) takesAddress(n Network) bool {
	return slices.ContainsFunc(s.dialled(), func(o Network) bool { return o.Overlaps(n.Prefix) })
}

func (s spot) takesClient(from Client) bool {
	if from.Origin == Local {
		return true
	}
	return slices.ContainsFunc(s.clients(), func(o Network) bool { return from.Origin == External || o.Overlaps(from.Network) })
}

func (s spot) takesPeer(peer Network) bool {
	overlaps := func(o Network) bool { return o.Overlaps(peer.Prefix) }
	return slices.ContainsFunc(s.peers(), overlaps) && slices.ContainsFunc(s.connecting(), overlaps)
}

func (s spot) takesFromPort(Ports) bool { return s.Path == "" || s.proxy != nil }

func (s spot) takesTransport(t Transport) bool { return t == TransportTLS || !s.ends }

// takes reports whether some client there can have all that m asks for.
func (s spot) takes(m *Match) bool {
	return someOf(m.Port, s.takesPort) && someOf(m.Address, s.takesAddress) && someOf(m.From, s.takesClient) &&
		someOf(m.Peer, s.takesPeer) && someOf(m.FromPort, s.takesFromPort) && someOf(m.Transport, s.takesTransport)
}

// someOf reports whether one of the values fits, or none is asked for.
func someOf[T any](list []T, fits func(T) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, fits)
}

// allOf reports whether each of the values fits, of which there are some.
func allOf[T any](list []T, fits func(T) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(x T) bool { return !fits(x) })
}

// covers reports whether m takes every connection at these addresses that o takes.
func (m *Match) covers(o *Match, spots []spot) bool {
	for _, s := range spots {
		if s.takes(o) && !m.coversAt(s, o) {
			return false
		}
	}
	return true
}

func (m *Match) coversAt(s spot, o *Match) bool {
	ports, fromPorts := orElse(o.Port, certain(s, s.ports()), s.takesPort), orElse(o.FromPort, certain(s, []Ports{anyPort}), s.takesFromPort)
	dialled, sources := orElse(o.Address, certain(s, s.dialled()), s.takesAddress), orElse(o.From, s.sources(), s.takesClient)
	peers := orElse(o.Peer, certain(s, s.peers()), s.takesPeer)
	return (len(m.Port) == 0 || allOf(ports, func(p Ports) bool { return allOf(p.within(s), func(p Ports) bool { return p.covered(m.Port) }) })) &&
		(len(m.FromPort) == 0 || allOf(fromPorts, func(p Ports) bool { return p.covered(m.FromPort) })) &&
		(len(m.Address) == 0 || allOf(dialled, func(n Network) bool { return n.within(s).covered(m.Address) })) &&
		(len(m.Peer) == 0 || allOf(peers, func(n Network) bool { return n.covered(m.Peer) })) &&
		(len(m.From) == 0 || allOf(sources, func(from Client) bool { return from.covered(m.From, s) })) &&
		(len(m.ALPN) == 0 || allOf(o.ALPN, func(name string) bool { return slices.Contains(m.ALPN, name) })) &&
		(len(m.Transport) == 0 || allOf(o.transports(s), func(t Transport) bool { return slices.Contains(m.Transport, t) })) &&
		(len(m.SNI) == 0 || m.coversNames(o, s))
}

// certain is what clients at s can have, where each of them has it: those of a unix socket may have none.
func certain[T any](s spot, list []T) []T {
	if s.Path != "" {
		return nil
	}
	return list
}

// orElse is the values that fit, or the others where none is asked for.
func orElse[T any](list, otherwise []T, fits func(T) bool) []T {
	if len(list) == 0 {
		return otherwise
	}
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !fits(x) })
}

// within are the parts of p that can be dialled at s, which are some.
func (p Ports) within(s spot) []Ports {
	var parts []Ports
	for _, o := range s.ports() {
		if p.meets(o) {
			parts = append(parts, Ports{max(p.First, o.First), min(p.Last, o.Last)})
		}
	}
	return parts
}

// within is the part of n that can be dialled at s, which is some.
func (n Network) within(s spot) Network {
	if at := s.dialled(); len(at) == 1 && at[0].Bits() > n.Bits() {
		return at[0]
	}
	return n
}

// transports are what the clients of m speak at s.
func (m *Match) transports(s spot) []Transport {
	switch {
	case len(m.Transport) > 0:
		return m.Transport
	case m.tls() || s.ends:
		return []Transport{TransportTLS}
	}
	return []Transport{TransportTLS, TransportPlain}
}

// coversNames reports whether the names of m take those of o; "*" of m takes every client of o that speaks TLS.
func (m *Match) coversNames(o *Match, s spot) bool {
	if slices.Contains(m.SNI, "*") {
		return !slices.Contains(o.transports(s), TransportPlain)
	}
	return allOf(o.SNI, func(name ServerName) bool { return slices.ContainsFunc(m.SNI, name.covered) })
}

// covered reports whether by takes n, where by is not "*".
func (n ServerName) covered(by ServerName) bool {
	below, wild := strings.CutPrefix(string(by), "*")
	return n == by || wild && strings.HasSuffix(string(n), below)
}

// covered reports whether each client of c at s is one of these.
func (c Client) covered(by []Client, s spot) bool {
	var networks []Network
	origins := map[Origin]bool{}
	for _, o := range by {
		if o.Origin != "" {
			origins[o.Origin] = true
		} else {
			networks = append(networks, Network{o.Network})
		}
	}
	all := s.Path == "" && allOf(s.clients(), func(n Network) bool { return n.covered(networks) })
	switch {
	case all, origins[Local] && origins[External], origins[c.Origin]:
		return true
	case c.Origin != "":
		return false
	}
	return origins[Local] && c.Network.Addr().IsLoopback() && c.Network.Bits() >= 8 || Network{c.Network}.covered(networks)
}

// checkMatch says which values of the conditions of a route, which stand in v, no connection can have.
func (r *reading) checkMatch(m *Match, v *value, l *Listener) {
	spots := l.spots()
	if len(spots) == 0 {
		return // an error was said
	}
	never(r, m.Port, v.get("port"), spots, spot.takesPort)
	never(r, m.Address, v.get("address"), spots, spot.takesAddress)
	never(r, m.From, v.get("from"), spots, spot.takesClient)
	if at := v.pair("peer"); at != nil && l.ProxyProtocol == nil {
		r.errorf(idNoEffect, at.key, "without proxy_protocol on the listener who connects is the client; write from")
	} else {
		never(r, m.Peer, v.get("peer"), spots, spot.takesPeer)
	}
	never(r, m.FromPort, v.get("from_port"), spots, spot.takesFromPort)
	plain := v.get("transport")
	switch {
	case !slices.Contains(m.Transport, TransportPlain):
	case m.tls():
		r.errorf(idUnreachable, plain, "plain never fits beside %s, which only TLS clients tell", tellers(v))
	case l.TLS != nil:
		r.errorf(idUnreachable, plain, "plain never fits: the listener ends TLS, and takes nothing else")
	}
}

// tellers are the conditions of v that only TLS clients can have.
func tellers(v *value) string {
	var names []string
	for _, name := range []string{"sni", "alpn"} {
		if v.get(name) != nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// never says which values of one condition nobody at these addresses has.
func never[T fmt.Stringer](r *reading, list []T, at *value, spots []spot, takes func(spot, T) bool) {
	for i, x := range list {
		if !slices.ContainsFunc(spots, func(s spot) bool { return takes(s, x) }) {
			r.errorf(idUnreachable, at.elements()[i], "%s never fits: the listener is at %s", x, addressesOf(spots))
		}
	}
}

// addressesOf are those of spots, as messages name them.
func addressesOf(spots []spot) string {
	var texts []string
	for _, s := range spots {
		text := s.String()
		if s.Last != s.Port {
			text += "-" + strconv.Itoa(int(s.Last))
		}
		texts = append(texts, text)
	}
	for _, p := range spots[0].captured { // the same for all
		texts = append(texts, "captured "+p.String())
	}
	return strings.Join(texts, ", ")
}
