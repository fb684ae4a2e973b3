package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

var requestType = reflect.TypeFor[Request]()

// request is how a listener asks for what goes through t, or, where t is nil, how it tries again without one.
func (r *reading) request(l *Listener, t *tunnel) Request {
	written := shapeOf(protocolType).overlay(r.shared, r.long[l.Protocol])
	var far *value
	if t != nil {
		far = shapeOf(requestType).known(t.value)
	}
	return r.requestFrom(l, t, far, written)
}

// requestFrom is how it is asked for by what is written, which is laid over far.
func (r *reading) requestFrom(l *Listener, t *tunnel, far, written *value) Request {
	s := shapeOf(requestType)
	near := s.known(written)
	if t != nil {
		r.checkTaken(near.get("headers"), far.get("headers"))
	} else {
		r.checkStraight(near, l.Protocol)
	}
	var made Request
	merged := s.overlay(far, near)
	r.mapping(merged, &made)
	r.checkRetry(made.Retry, merged.get("retry"))
	switch {
	case t == nil && l.Protocol == UDP:
		return Request{}
	case t == nil:
		return Request{Retry: made.Retry}
	case l.Protocol == TCP:
		made.Buffer = nil
	default:
		r.checkRoom(l, made.Buffer, written)
	}
	return made
}

// checkStraight says which keys have no effect on what goes through no tunnel.
func (r *reading) checkStraight(near *value, p Protocol) {
	for _, at := range near.pairs {
		switch name := at.key.text; {
		case name == "headers":
			r.errorf(idNoEffect, at.key, "has no effect without via: headers are added to what the far end of a tunnel is asked")
		case name == "buffer":
			r.errorf(idNoEffect, at.key, "has no effect without via: what waits is what a tunnel is to carry")
		case name == "retry" && p == UDP:
			r.errorf(idNoEffect, at.key, "has no effect on UDP without via: there is no connection that could fail")
		}
	}
}

// checkTaken says which headers are to be taken away that are not there.
func (l *loader) checkTaken(near, far *value) {
	if near == nil {
		return
	}
	if near.is("none") && far == nil {
		l.errorf(idNoEffect, near, "has no effect: the tunnel adds no headers; leave it out")
	}
	for _, p := range near.pairs {
		if takesAway(p.value) && headerOf(far, p.key.text) == nil {
			l.errorf(idNoEffect, p.value, "has no effect: the tunnel adds no such header; for the text write it in quotes")
		}
	}
}

// takesAway reports whether v stands for no header, rather than for a text.
func takesAway(v *value) bool { return v.is("none") && !v.quoted }

// headerOf is the header of that name in v, whatever the case of its letters; nil where there is none.
func headerOf(v *value, name string) *pair {
	if v == nil {
		return nil
	}
	for i := range v.pairs {
		if strings.EqualFold(v.pairs[i].key.text, name) {
			return &v.pairs[i]
		}
	}
	return nil
}

// overlayHeaders lays top over base, name by name.
func overlayHeaders(base, top *value) *value {
	if base == nil || base.kind != mapping || top.kind != mapping {
		return top
	}
	merged := top.with(slices.Clone(top.pairs))
	for _, p := range base.pairs {
		if headerOf(top, p.key.text) == nil {
			merged.pairs = append(merged.pairs, p)
		}
	}
	return merged
}

// checkRetry says which waits cannot be. v is what r was read from, or nil.
func (l *loader) checkRetry(r *Retry, v *value) {
	at := v.pair("max_backoff")
	switch {
	case r == nil || at == nil || r.MaxBackoff == 0:
	case r.Backoff == 0:
		l.errorf(idNoEffect, at.key, "has no effect without backoff: nothing is waited for")
	case r.MaxBackoff < r.Backoff:
		l.errorf(idBounds, at.value, "%s is less than backoff, which is %s", r.MaxBackoff, r.Backoff)
	}
}

// capsule is the most that the capsule around a datagram takes: its type, its length and the context.
const capsule = 6

// checkRoom says that the largest datagram would be lost where it is the first of its session.
func (r *reading) checkRoom(l *Listener, b *Buffer, written *value) {
	need := l.MaxDatagram + capsule
	if b == nil || l.MaxDatagram == 0 || b.Bytes >= need {
		return
	}
	at := r.key
	if p := written.pair("max_datagram"); p != nil {
		at = p.value
	}
	r.errorf(idTunnel, at, "%s is more than buffer holds (%s), so that the first datagram of a session may be lost; write buffer: {bytes: %s}",
		l.MaxDatagram, b.Bytes, (need+1023)/1024*1024)
}

func (h *Headers) decode(d *decoder, v *value) {
	*h = nil
	if v.is("none") {
		return
	}
	var texts map[string]string
	d.texts(v, &texts)
	format := shapeOf(reflect.TypeFor[AccessLog]()).index["text"]
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		at := v.pair(name)
		switch lower := strings.ToLower(name); {
		case headerOf(v, name).key != at.key:
			d.errorf(idNameTwice, at.key, "stands twice: the case of letters makes no other header; the first is at %s", headerOf(v, name).key.position())
		case lower == "host" || lower == "capsule-protocol" || strings.HasPrefix(name, ":"):
			d.errorf(idText, at.key, "cannot be set: the far end is asked by it")
		case !validHeader(lower):
			d.errorf(idText, at.key, "%s is not the name of a header", quote(name))
		case takesAway(at.value):
		case strings.ContainsAny(texts[name], "\x00\r\n"):
			d.errorf(idText, at.value, "a header is one line")
		case d.fits(format, at.value):
			(&AccessLog{}).check(d, at.value)
			*h = append(*h, Field{lower, texts[name]})
		}
	}
	slices.SortFunc(*h, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
}

// validHeader reports whether name can be that of a header.
func validHeader(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789!#$&'*+-.^_`|~") == ""
}
