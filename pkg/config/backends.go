package config

import "reflect"

// backend is one of `backends:` while it is read.
type backend struct {
	*Backend
	pair
	// users are the mentions of it.
	users []user
	// broken is whether something is wrong with it.
	broken bool
}

// newBackend is the backend of p, as it is known, or empty until it is read.
func newBackend(p pair) *backend {
	if m := p.value.memo(); m != nil {
		return &backend{pair: p, Backend: m.backend}
	}
	return &backend{pair: p, Backend: &Backend{}}
}

// user is one mention of a backend.
type user struct {
	at       *value
	listener string
	protocol Protocol
	// tunnel is set in place of listener where it is for the far ends of one.
	tunnel string
}

// uses are the protocols on which b is used.
func (b *backend) uses() protocols {
	var p protocols
	for _, u := range b.users {
		p |= on(u.protocol)
	}
	return p
}

// userOn is the first mention on p, which there is.
func (b *backend) userOn(p Protocol) user {
	for _, u := range b.users {
		if u.protocol == p {
			return u
		}
	}
	return user{}
}

// far is the tunnel whose far ends b is; empty for none.
func (b *backend) far() string {
	for _, u := range b.users {
		if u.tunnel != "" {
			return u.tunnel
		}
	}
	return ""
}

// backend reads one of `backends:`. What it is used for is known by then, so that what has no effect can be said.
func (l *loader) backend(b *backend) *Backend {
	if m := b.value.memo(); m != nil {
		l.unsure = l.unsure || m.uses != b.uses() || m.far != (b.far() != "")
		l.keep("backends", m)
		return m.backend
	}
	stanza := "backends." + b.key.text
	before := l.begin()
	defer func() { b.broken = len(l.report.list) > before }()
	if b.value.kind != mapping {
		l.errorf(idKind, b.value, "%s where a map belongs; write it as {endpoints: [HOST:PORT]}", b.value.what())
		return b.Backend
	}
	l.fillBackend(b.Backend, stanza, b.value, b.uses(), func(k *key, at pair) {
		u, instead := b.userOn(UDP), ""
		if k.hard {
			instead = "; give UDP a backend of its own"
		}
		l.unfit(k, at, ", and listener %s (%s) uses this backend for UDP%s", quote(u.listener), u.at.position(), instead)
	})
	b.Name, b.At = b.key.text, l.place(stanza, b.key)
	if far := b.far(); far != "" {
		l.notToFar(b.Backend, b.value, far)
	}
	l.remember("backends", b.value, before, memo{backend: b.Backend, uses: b.uses(), far: b.far() != ""})
	return b.Backend
}

var backendType = reflect.TypeFor[Backend]()

// fillBackend reads v over the defaults. What in v does not fit p is given to dropped; of the defaults it is left out.
func (l *loader) fillBackend(b *Backend, stanza string, v *value, p protocols, dropped func(*key, pair)) {
	s := shapeOf(backendType)
	v = s.prune(v, onSome(p), dropped)
	base := s.prune(l.backendDefaults, onSome(p), ignore)
	l.mapping(s.overlay(base, v), b)
	list := v.get("endpoints")
	if list == nil || list.null() {
		return // an error was said
	}
	b.EndpointsAt = l.place(stanza, list)
	if at := v.pair("tls"); at != nil {
		b.TLSAt = l.place(stanza, at.key)
	}
	l.checkEndpoints(b, stanza, list, p)
	l.checkPriorities(b, list)
	l.checkTLS(b, v, list)
	l.checkHeaders(b, v, list, p)
	l.checkProxyProtocol(b, v, list)
	l.checkSource(b, list)
	if at := v.pair("keepalive"); at != nil && !at.value.is("none") && b.onlyUnix() {
		l.errorf(idNoEffect, at.key, "has no effect on unix sockets; leave it out")
	}
}

// checkEndpoints notes where the endpoints stand, and says which cannot be.
func (l *loader) checkEndpoints(b *Backend, stanza string, list *value, p protocols) {
	first := make(map[Endpoint]*value, len(b.Endpoints))
	for i, item := range list.elements() {
		e := &b.Endpoints[i]
		e.At = l.place(stanza, item)
		where := e.destination()
		if where == (Endpoint{}) {
			continue // an error was said
		}
		if other := first[where]; other != nil {
			l.errorf(idSameAddress, item, "the endpoint stands twice; the first is at %s", other.position())
		}
		first[where] = item
		if e.Path != "" && p&onUDP != 0 {
			l.errorf(idUnix, item, "%s cannot serve UDP; write ADDRESS:PORT", quote("unix:"+e.Path))
		}
		if e.Path != "" && b.UsesDNS() {
			l.errorf(idUnix, item, "%s gets nothing beside host names; make it a backend of its own", quote("unix:"+e.Path))
		}
	}
}

// checkPriorities says which endpoints would never be used.
func (l *loader) checkPriorities(b *Backend, list *value) {
	there := map[uint32]bool{}
	for _, e := range b.Endpoints {
		there[e.Priority] = true
	}
	for i, item := range list.elements() {
		at := item.get("priority")
		switch p := b.Endpoints[i].Priority; {
		case p == 0 || at == nil:
		case !there[p-1]:
			l.errorf(idBounds, at, "no endpoint has priority %d; leave no gap, and begin with 0", p-1)
		case b.Check == nil:
			l.errorf(idNoEffect, at, "has no effect without a check: nothing tells when the endpoints of priority 0 are down")
		}
	}
}

// priorities reports whether some endpoints are used only when others are down.
func (b *Backend) priorities() bool {
	for _, e := range b.Endpoints {
		if e.Priority > 0 {
			return true
		}
	}
	return false
}

// onlyUnix reports whether all endpoints are unix sockets.
func (b *Backend) onlyUnix() bool {
	for _, e := range b.Endpoints {
		if e.Path == "" {
			return false
		}
	}
	return true
}
