package config

import "reflect"

// Target is where a route goes: one backend, or several with weights.
type Target struct {
	// Split is whether weights were written, even with one backend only: it then has a cluster of its own.
	Split bool
	// Cluster is the name of the cluster that the target becomes (of the split, where Split is Clusters).
	// A single named backend: the backend's name. Inline or split: STANZA, or STANZA/ROUTE; STANZA/PROTOCOL where it is
	// written in the long form of one protocol.
	Cluster string
	// Parts has one element unless Split.
	Parts []Part
}

// Part is one backend of a target.
type Part struct {
	Backend *Backend
	// Weight is the share of new connections relative to the sum; 0..1000000; 0 gets none. 1 where no weights are written.
	Weight uint32
	At     Place
}

// Form is how a split is carried out: see docs/reference.md.
type Form int

// The forms, in the order in which they are preferred.
const (
	// Single is a target without weights: the backend's own cluster.
	Single Form = iota
	// Localities is one cluster with a weighted locality per backend, whose endpoints travel by EDS.
	Localities
	// DNSLocalities is the same with host names: STRICT_DNS, a shift of weights is a change of the cluster.
	DNSLocalities
	// Clusters is weighted clusters in tcp_proxy, for backends whose settings differ; TCP only.
	Clusters
)

// Form is how t is carried out. It goes by the backends and not by their weights, so that a shift never changes it.
func (t Target) Form() Form {
	switch {
	case !t.Split:
		return Single
	case t.unequal() != "":
		return Clusters
	}
	for _, p := range t.Parts {
		if p.Backend.UsesDNS() {
			return DNSLocalities
		}
	}
	return Localities
}

// unequal says why the backends of t cannot be one cluster; empty where they can.
func (t Target) unequal() string {
	first := t.Parts[0].Backend
	seen := map[Endpoint]*Backend{}
	var names, sockets *Backend
	for _, p := range t.Parts {
		if key := first.differs(p.Backend); key != "" {
			return "backends " + quote(first.Name) + " and " + quote(p.Backend.Name) + " differ in " + key
		}
		if p.Backend.priorities() {
			return "backend " + quote(p.Backend.Name) + " has priorities"
		}
		for _, e := range p.Backend.Endpoints {
			if o := seen[e.destination()]; o != nil && o != p.Backend {
				return "backends " + quote(o.Name) + " and " + quote(p.Backend.Name) + " share an endpoint"
			}
			seen[e.destination()] = p.Backend
			switch {
			case e.Host != "":
				names = p.Backend
			case e.Path != "":
				sockets = p.Backend
			}
		}
	}
	if names != nil && sockets != nil { // beside host names, Envoy sends nothing to unix sockets
		return "backends " + quote(names.Name) + " has host names and " + quote(sockets.Name) + " unix sockets"
	}
	return ""
}

// differs is the first key besides the endpoints in which b and o differ; empty for none.
func (b *Backend) differs(o *Backend) string {
	return shapeOf(reflect.TypeFor[backendDefaults]()).differs(
		reflect.ValueOf(backendDefaults{*b}), reflect.ValueOf(backendDefaults{*o}))
}

func (s *shape) differs(a, b reflect.Value) string {
	for _, k := range s.keys {
		if k.table != nil {
			if inner := k.table.differs(a, b); inner != "" {
				return k.name + "." + inner
			}
		} else if !reflect.DeepEqual(a.FieldByIndex(k.path).Interface(), b.FieldByIndex(k.path).Interface()) {
			return k.name
		}
	}
	return ""
}
