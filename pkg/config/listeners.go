package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

var (
	backendType  = reflect.TypeFor[Backend]()
	stanzaType   = reflect.TypeFor[stanza]()
	protocolType = reflect.TypeFor[protocolForm]()
)

// listeners makes one listener for each protocol of a stanza.
func (l *loader) listeners(p pair) []*Listener {
	var made []*Listener
	if p.value.kind != mapping {
		l.errorf(idKind, p.value, "%s is not a map; a listener has at least tcp or udp, and to", p.value.what())
		return nil
	}
	for _, protocol := range []Protocol{TCP, UDP} {
		if address := p.value.get(string(protocol)); address != nil {
			made = append(made, l.listener(p, protocol, address))
		}
	}
	if len(made) == 0 {
		l.errorf(idNoProtocol, p.key, "has neither tcp nor udp; write the port on which it listens, as tcp: 5432")
	}
	return made
}

func (l *loader) listener(p pair, protocol Protocol, address *value) *Listener {
	name := p.key.text
	stanza := "listeners." + name
	var form protocolForm
	merged := l.effective(p.value, address)
	d := decoder{report: l.report, protocol: protocol}
	d.mapping(merged, &form)
	made := form.Listener
	made.Name, made.At, made.Protocol = name, l.place(stanza, p.key), protocol
	for _, b := range form.Address {
		b.Bind.At = l.place(stanza, b.value)
		if b.Path == "" && !b.Address.IsValid() {
			b.Address = form.Bind.Addr
		}
		made.Binds = append(made.Binds, b.Bind)
	}
	if protocol == UDP {
		made.Keepalive = nil
	}
	made.Audience = l.audience(form.Nodes)
	l.routes(&made, stanza, &form, merged)
	if len(made.Routes) == 0 {
		l.errorf(idNoTo, p.key, "has no to; write where it goes, as to: 10.0.0.1:5432")
	}
	return &made
}

// effective is all that holds for one protocol of a stanza, as if it had been written in that protocol's long form.
func (l *loader) effective(stanza, address *value) *value {
	long := shapeOf(protocolType).long(address)
	shared := *stanza
	shared.pairs = slices.DeleteFunc(slices.Clone(stanza.pairs), func(p pair) bool {
		return p.key.text == "tcp" || p.key.text == "udp"
	})
	s := shapeOf(protocolType)
	return overlay(s, overlay(s, l.defaults.listeners, &shared), long)
}

func (l *loader) audience(a audience) Selector {
	if a.term != nil {
		return Selector{Terms: []Term{*a.term}}
	}
	var s Selector
	for _, name := range a.names {
		g, ok := l.groups[name.text]
		if !ok {
			l.unknownName(idUnknownGroup, "group", name, keysOf(l.groups))
			continue
		}
		s.Terms = append(s.Terms, g.Selector.Terms...)
	}
	return s
}

func (l *loader) routes(made *Listener, stanza string, form *protocolForm, merged *value) {
	private := privateKeys(merged)
	for _, r := range form.SNI {
		host := strings.ToLower(r.host.text)
		made.Inspects = true
		made.Routes = append(made.Routes, &Route{
			Name: host, SNI: host, At: l.place(stanza, r.host),
			To: l.target(stanza, made.Name+"/"+host, r.to, private),
		})
	}
	slices.SortFunc(made.Routes, func(a, b *Route) int { return strings.Compare(a.SNI, b.SNI) })
	if form.To.value != nil {
		made.Routes = append(made.Routes, &Route{
			At: l.place(stanza, form.To.value),
			To: l.target(stanza, made.Name, form.To, private),
		})
	}
}

// privateKeys are the keys of a backend that stand on a listener.
func privateKeys(merged *value) *value {
	keys := *merged
	keys.pairs = nil
	for _, p := range merged.pairs {
		switch p.key.text {
		case "balance", "check":
			keys.pairs = append(keys.pairs, p)
		case "timeouts":
			if c := p.value.pair("connect"); c != nil {
				t := *p.value
				t.pairs = []pair{*c}
				keys.pairs = append(keys.pairs, pair{p.key, &t})
			}
		}
	}
	return &keys
}

// target makes what a route goes to; cluster is its name unless it is a named backend.
func (l *loader) target(stanza, cluster string, t target, private *value) Target {
	made := Target{Split: t.split, Cluster: cluster}
	if t.inline != nil {
		s := shapeOf(backendType)
		b := &Backend{}
		l.backend(b, stanza, overlay(s, overlay(s, l.defaults.backends, private), t.inline))
		b.At = l.place(stanza, t.value)
		made.Parts = []Part{{Backend: b, Weight: 1, At: b.At}}
		return made
	}
	for _, share := range t.parts {
		n, ok := l.backends[share.name.text]
		if !ok {
			l.unknownName(idUnknownBackend, "backend", share.name, keysOf(l.backends))
			continue
		}
		n.used = true
		made.Parts = append(made.Parts, Part{Backend: n.backend, Weight: share.weight, At: l.place(stanza, share.name)})
	}
	if !t.split && len(made.Parts) == 1 {
		made.Cluster = made.Parts[0].Backend.Name
	}
	return made
}

// Form is how t is carried out.
func (t Target) Form() Form {
	if !t.Split {
		return Single
	}
	form := Localities
	seen := map[netip.AddrPort]bool{}
	for _, p := range t.Parts {
		if !p.Backend.settingsEqual(t.Parts[0].Backend) {
			return Clusters
		}
		if p.Backend.UsesDNS() {
			form = DNSLocalities
		}
		for _, e := range p.Backend.Endpoints {
			at := netip.AddrPortFrom(e.Address, e.Port)
			if e.Address.IsValid() && seen[at] {
				return Clusters
			}
			seen[at] = true
		}
	}
	return form
}

// settingsEqual reports whether b and o differ in their endpoints only.
func (b *Backend) settingsEqual(o *Backend) bool {
	return b.Balance == o.Balance && b.ConnectTimeout == o.ConnectTimeout &&
		equal(b.Check, o.Check) && equal(b.Keepalive, o.Keepalive)
}

func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
