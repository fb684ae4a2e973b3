package config

import (
	"net/netip"
	"slices"
)

// Transparent says how a listener gets traffic that was on its way to somebody else.
// Envoy: transparent and the original_dst filter of a listener; the rest are rules of the kernel, which package kit makes.
type Transparent struct {
	// Mode is how it is captured. `redirect` is NAT: the Envoy needs no privilege, and of TCP learns where the client was going, of
	// UDP not. `tproxy` leaves the packets as they are, so that Envoy knows of both, and needs CAP_NET_RAW or CAP_NET_ADMIN.
	// Envoy: envoy.config.listener.v3.Listener.transparent, for tproxy
	Mode CaptureMode `yaml:"mode,main" required:"true"`
	// Ports are those that are captured, whatever the address: a port, a range, or a list. Of UDP under `tproxy` they are the ports of
	// the listener, from which the answers are sent.
	// Default: the ports of the listener.
	// Envoy: nothing; it is for the rules that `l4xds kit` prints
	Ports []Ports `yaml:"ports"`
	// From is whose traffic is captured: `network` for what comes to the Envoy's host or through it, `host` for what programs on this
	// host send out, as beside an application (sidecar). With `host` the Envoy runs as a user of its own, which
	// `l4xds kit --envoy-user` lets through.
	// Default: network.
	// Envoy: nothing; it is for the rules that `l4xds kit` prints
	From CaptureFrom `yaml:"from" default:"network"`
}

// CaptureMode is how traffic is captured.
type CaptureMode string

// The ways to capture traffic.
const (
	TProxy   CaptureMode = "tproxy"
	Redirect CaptureMode = "redirect"
)

func (CaptureMode) words() []string { return []string{string(TProxy), string(Redirect)} }

// CaptureFrom is whose traffic is captured.
type CaptureFrom string

// The places that captured traffic comes from.
const (
	FromNetwork CaptureFrom = "network"
	FromHost    CaptureFrom = "host"
)

func (CaptureFrom) words() []string { return []string{string(FromNetwork), string(FromHost)} }

// The ports that Linux takes for outgoing traffic, unless told otherwise (net.ipv4.ip_local_port_range).
var ephemeral = Ports{32768, 60999}

// ConntrackUDPTimeout is how long Linux remembers a UDP session in which only one side has spoken, unless told otherwise
// (net.netfilter.nf_conntrack_udp_timeout).
const ConntrackUDPTimeout = Duration(30e9)

// Captured are the ports that are captured for l, sorted; nil if none are.
func (l *Listener) Captured() []Ports {
	if l.Transparent == nil {
		return nil
	}
	ports := slices.Clone(l.Transparent.Ports)
	if len(ports) == 0 {
		ports = l.ports()
	}
	slices.SortFunc(ports, func(a, b Ports) int { return int(a.First) - int(b.First) })
	return slices.Compact(ports)
}

// ports are those that l listens on.
func (l *Listener) ports() []Ports {
	var list []Ports
	for _, b := range l.Binds {
		if b.Path == "" {
			list = append(list, Ports{b.Port, b.Last})
		}
	}
	return list
}

// knowsDialled reports whether Envoy learns where the clients of captured traffic were going.
func (l *Listener) knowsDialled() bool {
	return l.Transparent != nil && (l.Protocol == TCP || l.Transparent.Mode == TProxy)
}

// NeedsNetRaw reports whether the Envoy of l needs CAP_NET_RAW or CAP_NET_ADMIN.
func (l *Listener) NeedsNetRaw() bool {
	return l.Source == SourceClient || l.Transparent != nil && l.Transparent.Mode == TProxy
}

// checkTransparent says which addresses and ports of made, whose keys are in merged, cannot get captured traffic.
func (r *reading) checkTransparent(made *Listener, merged *value) {
	t := made.Transparent
	if t == nil || t.Mode == "" || len(made.Binds) == 0 {
		return
	}
	at := merged.pair("transparent")
	before := len(r.report.list)
	for i := range made.Binds {
		if why := t.unbound(made.Binds[i]); why != "" {
			r.errorf(idTransparent, r.loader.binds[&made.Binds[i]], "%s", why)
		}
	}
	if len(r.report.list) > before {
		return
	}
	if made.Protocol == UDP && t.Mode == TProxy {
		r.checkCapturedUDP(made, at)
		return
	}
	if first := made.Binds[0]; len(t.Ports) > 0 && slices.ContainsFunc(made.Binds, func(b Bind) bool { return b.Port != first.Port || b.Last != b.Port }) {
		r.errorf(idTransparent, at.key, "ports are captured for one port of the listener, and it has several; write a listener for each, or leave ports out")
	}
}

// checkFreebind says where freebind, if it is written, changes nothing for made.
func (r *reading) checkFreebind(made *Listener, written *value) {
	if !made.Freebind || len(made.Binds) == 0 {
		return // or an error was said
	}
	r.idle(written, "freebind", !slices.ContainsFunc(made.Binds, func(b Bind) bool { return b.Path == "" && !b.Address.IsUnspecified() }),
		"no address here could be missing")
	r.idle(written, "freebind", made.Transparent != nil && made.Transparent.Mode == TProxy, "tproxy listens on every address, missing or not")
}

// unbound says why nothing that is captured comes to b; empty where it does.
func (t *Transparent) unbound(b Bind) string {
	switch loopback := b.Address.IsLoopback(); {
	case b.Path != "":
		return "nothing is captured for a unix socket; listen on an IP address"
	case t.From == FromHost && !loopback:
		return "with from: host listen on loopback alone, as 127.0.0.1:" + b.Ports() + ` (and "[::1]:` + b.Ports() + `"): others could use it to go out, and it would be its own client`
	case t.From == FromNetwork && t.Mode == Redirect && loopback:
		return "what comes from the network is redirected to the address that it came in at, never to loopback; listen on all addresses, or write from: host"
	}
	return ""
}

// checkCapturedUDP says which ports cannot be captured for UDP as it is: Envoy answers from the port that it listens on.
func (r *reading) checkCapturedUDP(made *Listener, at *pair) {
	for i, p := range made.Transparent.Ports {
		if p.First > 0 && !p.covered(made.ports()) { // else an error was said
			r.errorf(idTransparent, at.value.get("ports").elements()[i],
				"%s is captured, and udp does not listen there: the answers to it would come from another port; listen on it, or use redirect", p)
		}
	}
	for i, b := range made.Binds {
		if b.Port <= ephemeral.Last && b.Last >= ephemeral.First {
			r.errorf(idTransparent, r.loader.binds[&made.Binds[i]], "%s is within %s, from which sessions of Envoy have their ports: "+
				"the kit could not tell a datagram to the listener from one to a session that nobody asked for; choose a port outside", b.Ports(), ephemeral)
		}
	}
}

// checkClientSource says where the servers of made, whose keys are in merged, cannot see the client's address.
func (r *reading) checkClientSource(made *Listener, merged *value) {
	at := merged.pair("source")
	if made.Source != SourceClient || at == nil {
		return
	}
	for i := range made.Binds {
		if made.Binds[i].Path != "" {
			r.errorf(idTransparent, r.loader.binds[&made.Binds[i]], "clients of a unix socket have no address that the servers could see; leave source: client out")
		}
	}
	if slices.ContainsFunc(made.Routes, func(route *Route) bool { return route.Via != nil }) {
		r.errorf(idTransparent, at.key, "client does not reach through a tunnel: its target sees the far end; "+
			"to tell a TCP target whom a connection is from write to: {endpoints: …, proxy_protocol: …}")
	}
}

// fitIdle keeps the sessions of made, whose keys are in merged, no longer than answers to their clients come back.
func (r *reading) fitIdle(made *Listener, merged *value) {
	if made.Protocol != UDP || made.Source != SourceClient {
		return
	}
	switch idle := merged.get("timeouts").get("idle"); {
	case idle == nil:
		made.Timeouts.Idle = ConntrackUDPTimeout
	case made.Timeouts.Idle > ConntrackUDPTimeout:
		r.warnf(idTransparent, idle, "%s is longer than Linux remembers a session in which nobody speaks (30s): what the server says later "+
			"does not come back; if it may speak first write 30s, or raise net.netfilter.nf_conntrack_udp_timeout on the Envoy's host", idle.text)
	}
}

// families are those that clients of l whom r takes can have: that of the address which they dial.
func (l *Listener) families(r *Route) (v4, v6 bool) {
	for _, s := range l.spots() {
		for _, n := range s.clients() {
			if r.Match == nil || r.Match.takesFamily(n) {
				v4, v6 = v4 || n == every4, v6 || n == every6
			}
		}
	}
	return v4, v6
}

// takesFamily reports whether m takes clients of one family, all of whose addresses are every.
func (m *Match) takesFamily(every Network) bool {
	return someOf(m.From, func(c Client) bool { return c.Origin != "" || every.Overlaps(c.Network) }) &&
		someOf(m.Address, func(n Network) bool { return every.Overlaps(n.Prefix) })
}

// checkFamilies says which clients could not be seen by the servers of listeners with source: client, now that all backends
// are read.
func (l *loader) checkFamilies(listeners []*Listener) {
	for _, listener := range listeners {
		if listener.Source != SourceClient || len(listener.Binds) == 0 {
			continue // or an error was said
		}
		for _, route := range listener.Routes {
			if route.Via != nil {
				continue // of which an error was said
			}
			for _, p := range route.To.Parts {
				l.checkSeen(listener, route, p.Backend)
			}
		}
	}
}

// checkSeen says which clients of a route of listener could not be seen by the endpoints of b.
func (l *loader) checkSeen(listener *Listener, route *Route, b *Backend) {
	if b.Source.whole() {
		where := "the backend"
		if b.Name != "" {
			where = "backend " + quote(b.Name)
		}
		l.unseen(listener, Error, "the servers cannot see both the client's address and %s, the source of %s; leave one of them out",
			b.Source.Address[0], where)
		return
	}
	v4, v6 := listener.families(route)
	for _, e := range b.Endpoints {
		switch {
		case e.Path != "":
			l.unseen(listener, Error, "endpoint unix:%s sees no address of a client; leave source: client out", e.Path)
		case e.Address.Is4() && v6:
			l.unseenFamily(listener, e, "IPv6")
		case e.Address.Is6() && v4:
			l.unseenFamily(listener, e, "IPv4")
		default:
			continue
		}
		return
	}
}

// unseenFamily says what becomes of the clients of one family, which e does not have.
func (l *loader) unseenFamily(listener *Listener, e Endpoint, clients string) {
	const cure = "give each family a listener of its own, or an endpoint of its own"
	where := netip.AddrPortFrom(e.Address, e.Port)
	if listener.Protocol == UDP {
		l.unseen(listener, Error, "endpoint %s would see Envoy's address in place of that of %s clients; %s", where, clients, cure)
		return
	}
	l.unseen(listener, Warning, "connections of %s clients to endpoint %s are closed, which cannot see their address; %s", clients, where, cure)
}

// unseen says something about the first address of listener.
func (l *loader) unseen(listener *Listener, severity Severity, format string, args ...any) {
	at := l.binds[&listener.Binds[0]]
	switch {
	case at == nil: // the listener was taken over
		l.unsure = true
	case severity == Error:
		l.errorf(idTransparent, at, format, args...)
	default:
		l.warnf(idTransparent, at, format, args...)
	}
}
