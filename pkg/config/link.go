package config

import (
	"slices"
	"strings"
)

// linked is a target that waits until the backends that it names are read.
type linked struct {
	*Target
	at       *value
	protocol Protocol
	backends []*backend
}

// origin is where the targets of one protocol of a stanza come from.
type origin struct {
	protocol Protocol
	// private are the backend's keys that stand on the listener; nil if none.
	private *value
	// uses are the protocols that share the target, cluster the name of its cluster if it is private.
	uses    protocols
	cluster string
	// tunnel is the one through which all of what comes to listener goes; nil where there is none. request is how that is asked, or how it is tried
	// again without one.
	tunnel   *tunnel
	listener *Listener
	request  Request
}

// origin tells whether the targets of one protocol, behind this key, are those of the stanza, or stand in the protocol's long form. In the
// latter case its cluster bears the protocol, whether or not the stanza has another one: adding that renames nothing.
func (r *reading) origin(p Protocol, key string) origin {
	o := origin{protocol: p, cluster: r.key.text}
	s := shapeOf(protocolType)
	long := s.pick(r.long[p], backendType)
	o.private = s.overlay(s.pick(r.shared, backendType), long)
	if long != nil || r.long[p].get(key) != nil {
		o.uses = on(p)
		o.cluster += "/" + string(p)
		return o
	}
	for other, v := range r.long {
		if s.pick(v, backendType) == nil && v.get(key) == nil {
			o.uses |= on(other)
		}
	}
	return o
}

// sharing are the protocols for which a key holds where it stands for p: those of the stanza without one of their own, or
// p alone.
func (r *reading) sharing(p Protocol, key string) protocols {
	if r.long[p].get(key) != nil {
		return on(p)
	}
	var shared protocols
	for other, v := range r.long {
		if v.get(key) == nil {
			shared |= on(other)
		}
	}
	return shared
}

// target makes what a route goes to; cluster is its name unless it is one backend by name.
func (r *reading) target(route *Route, t target, o origin, cluster string) {
	route.Request = o.request
	if t.original {
		r.toOriginal(route, t, o, cluster)
		return
	}
	route.Targets = nil
	if o.tunnel != nil {
		r.through(route, t, o, cluster)
		return
	}
	into := &route.To
	into.Split, into.Cluster = t.split, cluster
	if t.inline != nil {
		b := r.private(t, o, cluster)
		into.Parts = []Part{{Backend: b, Weight: 1, At: b.At}}
		return
	}
	wait := &linked{Target: into, at: t.value, protocol: o.protocol}
	for _, share := range t.shares {
		b, ok := r.backends[share.name.text]
		if !ok {
			r.unknownBackend(share.name)
			continue
		}
		b.users = append(b.users, user{at: share.name, listener: r.key.text, protocol: o.protocol})
		wait.backends = append(wait.backends, b)
		into.Parts = append(into.Parts, Part{Backend: b.Backend, Weight: share.weight, At: r.place(r.path, share.name)})
	}
	if len(into.Parts) == 0 || len(into.Parts) < len(t.shares) {
		return // an error was said
	}
	if t.split {
		r.own(cluster, t.value)
	} else {
		into.Cluster = t.shares[0].name.text
	}
	r.targets = append(r.targets, wait)
}

// privateKey identifies an inline backend of a stanza.
type privateKey struct {
	cluster string
	at      *value
}

// private makes an inline backend, once for the protocols that share it.
func (r *reading) private(t target, o origin, cluster string) *Backend {
	once := privateKey{cluster, t.value}
	if b := r.privates[once]; b != nil {
		return b
	}
	r.own(cluster, t.value)
	b := &Backend{}
	r.privates[once] = b
	r.fillBackend(b, r.path, shapeOf(backendType).overlay(o.private, t.inline), o.uses, func(k *key, at pair) {
		r.unfit(k, at, "")
	})
	b.At = r.place(r.path, t.value)
	if o.listener != nil && o.listener.Source == SourceClient && o.private.get("source") == nil && t.inline.get("source") == nil {
		b.Source = nil // what is nearer than the defaults says otherwise
	}
	return b
}

// own takes the name of a cluster for this stanza.
func (r *reading) own(cluster string, at *value) {
	r.claim(cluster, at)
	if !slices.Contains(r.owned, cluster) {
		r.owned = append(r.owned, cluster)
	}
}

// claim takes the name of a cluster. Backends and targets with a cluster of their own share one namespace.
func (l *loader) claim(cluster string, at *value) {
	if b, taken := l.backends[cluster]; taken {
		l.errorf(idClusterTwice, at, "the cluster of this target is named %s, as the backend at %s; rename one of them",
			quote(cluster), b.key.position())
		return
	}
	if other := l.clusters[cluster]; other != nil && other != at {
		l.errorf(idClusterTwice, at, "the cluster of this target is named %s, as the one at %s; rename one of them",
			quote(cluster), other.position())
		return
	}
	l.clusters[cluster] = at
}

// unknownBackend says that no backend has this name.
func (l *loader) unknownBackend(name *value) {
	if l.names["backends."+name.text] != nil {
		return // it is there, but has no value, which was said
	}
	l.unknownName(idUnknownBackend, "backends", name)
}

// checkPrivate says which keys of a backend stand on a listener none of whose targets is inline.
func (r *reading) checkPrivate(o origin, rows []row) {
	var names []string
	for _, row := range rows {
		if row.to.inline != nil || row.to.original {
			return
		}
		for _, s := range row.to.shares {
			names = append(names, quote(s.name.text))
		}
	}
	if o.private == nil || len(names) == 0 || o.tunnel != nil {
		return
	}
	r.eachPrivate(o.private, func(p pair) {
		r.errorf(idBackendKey, p.key, "is a key of the backend, and to names one; write it on %s", strings.Join(names, " and "))
	})
}

// checkCarried says which keys of a backend stand on a listener that goes through a tunnel.
func (r *reading) checkCarried(o origin, via *value) {
	if o.private == nil {
		return
	}
	where := "in via"
	if via.kind != mapping {
		where = "on tunnel " + quote(via.text)
	}
	r.eachPrivate(o.private, func(p pair) {
		r.errorf(idBackendKey, p.key, "is a key of the backend, which is the far end's here; for the way there write it %s", where)
	})
}

// eachPrivate runs f for the keys of v, and for those inside of tables in their place.
func (l *loader) eachPrivate(v *value, f func(pair)) {
	s := shapeOf(backendType)
	for _, p := range v.pairs {
		if k := s.index[p.key.text]; k.table != nil {
			for _, inner := range p.value.pairs {
				f(inner)
			}
			continue
		}
		f(p)
	}
}

// checkShared says which keys of a stanza every one of its protocols has again.
func (r *reading) checkShared() {
	s := shapeOf(protocolType)
	for _, p := range r.shared.pairs {
		k := s.index[p.key.text]
		var own []string
		for protocol, long := range r.long {
			if v := long.get(p.key.text); k != nil && v != nil && !k.adds(p.value, v) {
				own = append(own, string(protocol)+" has its own")
			} else if k != nil && k.instead != "" && long.get(k.instead) != nil {
				own = append(own, string(protocol)+" has "+k.instead)
			}
		}
		if len(own) > 0 && len(own) == len(r.long) {
			slices.Sort(own)
			r.errorf(idNoEffect, p.key, "has no effect: %s", strings.Join(own, ", and "))
		}
	}
}

// checkTargets says which splits cannot be, now that all backends are read.
func (l *loader) checkTargets() {
	for _, t := range l.targets {
		if !t.Split {
			continue
		}
		total := uint64(0)
		for _, p := range t.Parts {
			total += uint64(p.Weight)
		}
		if total == 0 {
			l.errorf(idNoWeight, t.at, "all weights are 0; give one a share")
		}
		if t.protocol == TCP || slices.ContainsFunc(t.backends, func(b *backend) bool { return b.broken }) {
			continue
		}
		if why := t.unequal(); why != "" {
			l.errorf(idUnequalSplit, t.at, "%s, and UDP cannot be split between clusters; make them alike", why)
		}
	}
}
