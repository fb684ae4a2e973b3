package config

import (
	"io/fs"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

var protocolType = reflect.TypeFor[protocolForm]()

// reading is one stanza of `listeners:` while it is read.
type reading struct {
	*loader
	pair
	// path is that of the stanza.
	path string
	// shared is the stanza without tcp and udp, long what stands in the long form of each.
	shared *value
	long   map[Protocol]*value
	// broken is whether a protocol has no value, which was said.
	broken bool
	// privates are the inline backends: TCP and UDP may share one.
	privates map[privateKey]*Backend
	// protocol is the one that is read.
	protocol Protocol
	// inlined are the tunnels that stand here: TCP and UDP may share one.
	inlined map[*value]*tunnel
	// named are the groups of its audience, owned the clusters that it has of its own.
	named, owned []string
}

// stanza makes one listener for each protocol of a stanza.
func (l *loader) stanza(p pair) []*Listener {
	if m := p.value.memo(); m != nil {
		return l.takeOver(p, m)
	}
	before := l.begin()
	r := &reading{
		loader: l, pair: p, path: "listeners." + p.key.text, long: map[Protocol]*value{},
		privates: map[privateKey]*Backend{}, inlined: map[*value]*tunnel{},
	}
	if p.value.kind != mapping {
		l.errorf(idKind, p.value, "%s where a map belongs; write it as {tcp: 5432, to: 10.0.0.1:5432}", p.value.what())
		l.skipped = true
		return nil
	}
	r.divide()
	if len(r.long) == 0 {
		r.noProtocol()
	}
	var made []*Listener
	for _, protocol := range []Protocol{TCP, UDP} {
		if r.long[protocol] != nil {
			made = append(made, r.listener(protocol))
		}
	}
	r.checkShared()
	for _, t := range r.inlined {
		l.checkFar(t)
	}
	l.remember("listeners", p.value, before, memo{listeners: made, groups: r.named, clusters: r.owned})
	return made
}

// divide sets shared and long. What does not hold for every protocol of the stanza is said, and left out.
func (r *reading) divide() {
	var rest []pair
	for _, p := range r.value.pairs {
		if name := p.key.text; name != string(TCP) && name != string(UDP) {
			rest = append(rest, p)
		} else if p.value.null() {
			r.noValue(p.key, "write the port")
			r.broken = true
		} else {
			r.long[Protocol(name)] = shapeOf(protocolType).long(p.value)
		}
	}
	s := shapeOf(protocolType)
	for protocol, v := range r.long {
		r.long[protocol] = s.prune(v, onEach(on(protocol)), func(k *key, at pair) {
			r.unfit(k, at, "")
		})
	}
	r.shared = s.prune(r.value.with(rest), onEach(r.protocols()), func(k *key, at pair) {
		only, _ := k.demand(at.value)
		if r.long[only] == nil {
			r.unfit(k, at, "")
			return
		}
		r.unfit(k, at, ", and this stanza is on both; what is for %s alone stands in its long form, %s: {address: …, …}",
			strings.ToUpper(string(only)), only)
	})
}

// protocols are those of the stanza.
func (r *reading) protocols() protocols {
	var p protocols
	for protocol := range r.long {
		p |= on(protocol)
	}
	return p
}

// noProtocol says that the stanza listens nowhere, unless some misspelt key may have said where.
func (r *reading) noProtocol() {
	r.skipped = true
	if r.broken {
		return
	}
	before := len(r.report.list)
	r.mapping(r.value, &stanza{})
	if len(r.report.list) == before {
		r.errorf(idNoProtocol, r.key, "has neither tcp nor udp; write where it listens, as tcp: 5432")
	}
}

// listener makes that of one protocol.
func (r *reading) listener(protocol Protocol) *Listener {
	r.protocol = protocol
	s := shapeOf(protocolType)
	d := r.decoder
	d.protocol = protocol
	base := s.prune(r.listenerDefaults, onEach(on(protocol)), ignore)
	written := s.overlay(r.shared, r.long[protocol])
	before := r.unknown
	var form protocolForm
	merged := s.overlay(base, written)
	d.mapping(merged, &form)

	made := &form.Listener
	made.Name, made.At, made.Protocol = r.key.text, r.place(r.path, r.key), protocol
	made.Binds = r.binds(form.Address, form.Bind.Addr, form.Mode.FileMode, protocol, written)
	var unknown bool
	if made.Audience, unknown = r.audience(form.Nodes); unknown {
		r.unclear[made] = true
	}
	made.Inspects, made.InOrder = len(form.SNI) > 0, form.Routes.items != nil
	if at := written.pair("tls"); at != nil {
		made.TLSAt = r.place(r.path, at.key)
	}
	if protocol == UDP {
		made.Keepalive = nil
	}
	r.checkTransparent(made, merged)
	r.checkFreebind(made, written)
	r.checkClientProxy(made, merged)
	r.fitIdle(made, merged)
	said := len(r.report.list)
	r.routes(made, &form, merged)
	r.checkClientSource(made, merged)
	if len(r.report.list) == said {
		r.checkReaches(made, written.pair("targets"), made.Routes)
	}
	if at := written.get("max_datagram"); at != nil && made.OverHTTP3() && made.MaxDatagram > MaxHTTP3Datagram {
		r.errorf(idBounds, at, "%s is more than HTTP/3 carries in one packet, which is %s; write that, or http: 2 on the tunnel", at.text, MaxHTTP3Datagram)
	}
	if !written.has("to", "sni", "routes") && r.unknown == before {
		r.errorf(idNoTo, r.key, "has no to; write where it goes, as to: 10.0.0.1:5432")
	}
	return made
}

// binds are the addresses of one protocol. bind is where a port without an address listens, mode that of a unix socket.
func (r *reading) binds(list addresses, bind netip.Addr, mode fs.FileMode, protocol Protocol, written *value) []Bind {
	binds := make([]Bind, 0, len(list))
	bare, unix := 0, 0
	for _, b := range list {
		b.At = r.place(r.path, b.value)
		switch {
		case b.Path != "" && protocol == UDP:
			r.errorf(idUnix, b.value, "%s is for TCP; UDP needs a port", quote("unix:"+b.Path))
		case b.Path != "":
			b.Mode = mode
			unix++
		case !b.Address.IsValid():
			b.Address = bind
			bare++
		}
		binds = append(binds, b.Bind)
		r.loader.binds[&binds[len(binds)-1]] = b.value
	}
	r.idle(written, "bind", bare == 0, "every address here is complete")
	r.idle(written, "mode", unix == 0, "there is no unix socket here")
	r.idle(written, "keepalive", unix == len(binds), "unix sockets have none")
	return binds
}

// idle says that a key which is written has no effect, if so.
func (r *reading) idle(written *value, key string, so bool, why string) {
	if p := written.pair(key); p != nil && so && !p.value.is("none") {
		r.errorf(idNoEffect, p.key, "has no effect: %s; leave it out", why)
	}
}

// audience are the Envoys that `nodes` means. Whether some group is not known is told, for then they are too few.
func (r *reading) audience(a audience) (s Selector, unknown bool) {
	for _, t := range a.terms {
		if t.term != nil {
			s.Terms = append(s.Terms, *t.term)
			continue
		}
		g, ok := r.groups[t.name.text]
		if !ok {
			r.unknownName(idUnknownGroup, "groups", t.name)
			unknown = true
			continue
		}
		g.used = true
		r.named = append(r.named, t.name.text)
		s.Terms = append(s.Terms, g.Selector.Terms...)
	}
	return s, unknown
}

// routes sets those of made, whose keys are in merged: one for each row of sni or element of routes, and one for the rest.
func (r *reading) routes(made *Listener, form *protocolForm, merged *value) {
	o := r.origin(made.Protocol, "to")
	if form.Via.value != nil {
		r.checkCarried(o, form.Via.value)
		if o.tunnel = r.via(form.Via.value, r.viaName(form.Via.value)); o.tunnel == nil {
			return
		}
	}
	if made.InOrder {
		r.list(made, form, merged, o)
		return
	}
	o.listener, o.request = made, r.request(made, o.tunnel)
	hosts := map[string]*value{}
	for _, row := range form.SNI {
		host, err := parseSNI(row.host.text)
		if err != nil {
			r.wrong(row.host, err)
		}
		if first := hosts[host]; first != nil {
			r.errorf(idNameTwice, row.host, "the host stands twice; the first is at %s", first.position())
		}
		hosts[host] = row.host
		route := &Route{Name: host, SNI: host, At: r.place(r.path, row.host), Timeouts: made.Timeouts, AccessLog: made.AccessLog}
		made.Routes = append(made.Routes, route)
		r.target(route, row.to, o, r.key.text+"/"+route.Name)
	}
	slices.SortFunc(made.Routes, func(a, b *Route) int { return strings.Compare(a.SNI, b.SNI) })
	if form.To.value != nil {
		route := &Route{At: r.place(r.path, form.To.value), Timeouts: made.Timeouts, AccessLog: made.AccessLog, Targets: form.Targets.list}
		made.Routes = append(made.Routes, route)
		r.target(route, form.To, o, o.cluster)
	}
	r.checkPrivate(o, append([]row{{to: form.To}}, form.SNI...))
}

// parseSNI reads a host of `sni:`, and gives it in lower case.
func parseSNI(text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	name, wild := strings.CutPrefix(text, "*.")
	if strings.Contains(name, "*") {
		return "", wrongf(idHost, "%s: a * stands for a whole label, the first, as in \"*.example.com\"", quote(text))
	}
	if strings.Contains(name, ":") {
		return "", wrongf(idHost, "%s: what a client asks for has no port", quote(text))
	}
	if _, err := parseIP(name); err == nil {
		return "", wrongf(idHost, "%s is an IP address, which no client asks for by name", quote(text))
	}
	host, err := parseHost(name)
	if err != nil {
		return "", wrongf(idHost, "%s is not a host name", quote(text))
	}
	host = strings.TrimSuffix(host, ".")
	if wild {
		host = "*." + host
	}
	return host, nil
}
