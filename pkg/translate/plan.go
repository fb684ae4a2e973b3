package translate

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// plan is which Envoy resources exist, and what they are called: names and pointers into the model, never a copied
// field. Once built, it also holds the resources, so that the next plan can take them over.
type plan struct {
	// stanzas are keyed by protocol and name.
	stanzas map[stanzaKey]*stanzaPlan
	// clusters are keyed by name. Only what a listener names is here.
	clusters map[string]*clusterPlan
}

// stanzaKey names a stanza of `listeners:` for one of its protocols, or the exit of a tunnel.
type stanzaKey struct {
	protocol config.Protocol
	name     string
	exit     bool
}

// stanzaPlan is the Envoy listeners of one stanza and protocol: one for each bound address.
type stanzaPlan struct {
	stanza *config.Listener
	// routes are those of the stanza, in the same order, and clusters all that they go to. An exit that goes where it is asked
	// to has a route for that, too.
	routes    []routePlan
	clusters  []*clusterPlan
	resources []*Resource
}

// routePlan is one filter chain, or one action of a UDP listener.
type routePlan struct {
	name  string
	route *config.Route
	// clusters are where its connections go, at least one.
	clusters []weightedCluster
	// farEnds is the cluster of the tunnel that the second step takes, where something is spoken inside; else empty.
	farEnds string
	// tlvs are the texts in the headers for its servers that depend on the client.
	tlvs []config.TLV
	// apart is whether those headers say of a client more than its addresses.
	apart bool
}

// weightedCluster is a cluster and its share of the connections of a route, relative to the sum.
type weightedCluster struct {
	name   string
	weight uint32
}

// clusterPlan is one Envoy cluster, and its endpoint assignment unless the endpoints stand in the cluster.
type clusterPlan struct {
	name string
	// split is whether each part is a locality with a weight; else there is one part, of weight 1.
	split bool
	parts []config.Part
	// tunnel is set for the far ends of a tunnel. exit is the place of an exit, for the cluster that goes where its
	// requests ask, and dns how it resolves them; it has no parts.
	tunnel *config.Tunnel
	exit   *config.Place
	dns    *config.DNS
	// inside is set for what is spoken inside of a tunnel: the route that has it. There are no parts either.
	inside *config.Route
	// original is whether each connection goes where its client was going; the one part has no endpoints.
	original bool

	resources []*Resource
}

// newPlan plans c. Of before it takes over the stanzas that are the very same in the model.
func newPlan(c *config.Config, before plan) (plan, error) {
	p := plan{
		stanzas:  make(map[stanzaKey]*stanzaPlan, len(c.Listeners)),
		clusters: make(map[string]*clusterPlan, len(c.Listeners)),
	}
	names := tunnelNames{}
	for _, l := range c.Listeners {
		key := stanzaKey{l.Protocol, l.Name, l.Exit != nil}
		s := before.stanzas[key]
		if s == nil || s.stanza != l {
			s = newStanzaPlan(l, names)
		}
		p.stanzas[key] = s
		if err := p.addClusters(s.clusters); err != nil {
			return plan{}, fmt.Errorf("listener %q: %w", l.Name, err)
		}
		if l.Protocol == config.UDP && l.Exit == nil && slices.ContainsFunc(s.routes, func(r routePlan) bool { return len(r.clusters) != 1 }) {
			return plan{}, fmt.Errorf("listener %q: udp_proxy sends sessions to one cluster only", l.Name)
		}
	}
	return p, nil
}

func newStanzaPlan(l *config.Listener, names tunnelNames) *stanzaPlan {
	s := &stanzaPlan{stanza: l}
	routes := l.Routes
	if e := l.Exit; e != nil && len(e.Targets) > 0 && !slices.ContainsFunc(routes, isRest) {
		routes = append(slices.Clip(routes), &config.Route{Requested: true})
	}
	for _, r := range routes {
		if l.Exit != nil && r.Requested {
			forward := &clusterPlan{name: l.Exit.Cluster, exit: &l.At, dns: &l.Exit.DNS}
			s.clusters = append(s.clusters, forward)
			s.routes = append(s.routes, routePlan{name: chainName(l, r), route: r, clusters: []weightedCluster{{forward.name, 1}}})
			continue
		}
		s.clusters = append(s.clusters, clustersOf(r, names)...)
		s.routes = append(s.routes, newRoutePlan(l, r, names))
	}
	return s
}

func newRoutePlan(l *config.Listener, r *config.Route, names tunnelNames) routePlan {
	p := routePlan{name: chainName(l, r), route: r, clusters: weights(r, names)}
	if l.Exit == nil {
		p.tlvs = dynamicTLVs(r)
		p.apart = len(p.tlvs) > 0 || passesOn(r)
	}
	if r.Inside != nil {
		p.farEnds = names.of(r.Via)
	}
	return p
}

// isRest reports whether r takes what no table or list does.
func isRest(r *config.Route) bool { return r.Name == "" }

// clustersOf is the clusters that a route needs.
func clustersOf(r *config.Route, names tunnelNames) []*clusterPlan {
	t := &r.To
	if r.Via != nil {
		clusters := []*clusterPlan{farEnds(r.Via, names.of(r.Via))}
		if r.Inside != nil {
			clusters = append(clusters, &clusterPlan{name: r.Inside.Cluster, inside: r})
		}
		return clusters
	}
	if r.Original {
		c := single(t.Cluster, t.Parts[0].Backend)
		c.original = true
		return []*clusterPlan{c}
	}
	switch t.Form() {
	case config.Localities, config.DNSLocalities:
		return []*clusterPlan{{name: t.Cluster, split: true, parts: t.Parts}}
	case config.Clusters:
		var clusters []*clusterPlan
		for _, part := range t.Parts {
			if part.Weight > 0 {
				clusters = append(clusters, single(part.Backend.Name, part.Backend))
			}
		}
		return clusters
	default:
		return []*clusterPlan{single(t.Cluster, t.Parts[0].Backend)}
	}
}

// farEnds is the cluster of the far ends of t.
func farEnds(t *config.Tunnel, name string) *clusterPlan {
	return &clusterPlan{name: name, parts: []config.Part{{Backend: t.Proxy, Weight: 1, At: t.At}}, tunnel: t}
}

// tunnelNames are the names of the clusters of tunnels that were asked for.
type tunnelNames map[*config.Tunnel]string

// of is the name of the cluster of t's far ends. Over HTTP/3 it holds a hash of the cluster, so that a change of that is
// another cluster: Envoy crashes where one with streams changes or goes.
func (n tunnelNames) of(t *config.Tunnel) string {
	if t.HTTP != config.HTTP3 || !freezeHTTP3 {
		return t.Name
	}
	name, ok := n[t]
	if !ok {
		name = frozenName(t.Name, cluster(farEnds(t, t.Name)))
		n[t] = name
	}
	return name
}

// single is the cluster of one backend. It is the same whoever names the backend, and with whatever weight.
func single(name string, b *config.Backend) *clusterPlan {
	return &clusterPlan{name: name, parts: []config.Part{{Backend: b, Weight: 1, At: b.At}}}
}

// weights is how a route shares its connections out. Where the shares are those of localities, Envoy sees one cluster.
func weights(r *config.Route, names tunnelNames) []weightedCluster {
	t := &r.To
	if r.Inside != nil {
		return []weightedCluster{{name: r.Inside.Cluster, weight: 1}}
	}
	if r.Via != nil {
		return []weightedCluster{{name: names.of(r.Via), weight: 1}}
	}
	if t.Form() != config.Clusters {
		return []weightedCluster{{name: t.Cluster, weight: 1}}
	}
	var list []weightedCluster
	for _, part := range t.Parts {
		if part.Weight > 0 { // Envoy refuses a weight of 0
			list = append(list, weightedCluster{name: part.Backend.Name, weight: part.Weight})
		}
	}
	return list
}

// addClusters adds those that are not there yet. Routes that name one backend share its cluster.
func (p plan) addClusters(clusters []*clusterPlan) error {
	for _, c := range clusters {
		known, ok := p.clusters[c.name]
		both := ok && c.exit != nil && known.exit != nil // of an exit on TCP and UDP
		if ok && c != known && !both && !c.equal(known) {
			return fmt.Errorf("two clusters are named %q", c.name)
		}
		if !ok {
			p.clusters[c.name] = c
		}
	}
	return nil
}

// equal reports whether the same cluster is made from c and o.
func (c *clusterPlan) equal(o *clusterPlan) bool {
	return c.split == o.split && c.original == o.original && reflect.DeepEqual(c.tunnel, o.tunnel) && reflect.DeepEqual(c.exit, o.exit) && reflect.DeepEqual(c.dns, o.dns) &&
		reflect.DeepEqual(c.inside, o.inside) && slices.EqualFunc(c.parts, o.parts, func(a, b config.Part) bool {
		return a == b || reflect.DeepEqual(a, b)
	})
}

// equal reports whether the same listeners are made from s and o. It does not look into the backends, which may be large
// and shared by many: a listener knows no more of them than names and weights of clusters.
func (s *stanzaPlan) equal(o *stanzaPlan) bool {
	a, b := *s.stanza, *o.stanza
	a.Routes, b.Routes = nil, nil
	return slices.EqualFunc(s.routes, o.routes, routePlan.equal) && reflect.DeepEqual(a, b)
}

func (r routePlan) equal(o routePlan) bool {
	a, b := *r.route, *o.route
	a.To, b.To = config.Target{}, config.Target{}
	return r.name == o.name && r.farEnds == o.farEnds && slices.Equal(r.clusters, o.clusters) && slices.Equal(r.tlvs, o.tlvs) && r.apart == o.apart &&
		reflect.DeepEqual(a, b)
}

// refs are the clusters that the listeners of s name, each once, sorted. The far end of what has something inside is named by
// its internal listener.
func (s *stanzaPlan) refs() []Ref {
	var names []string
	for _, r := range s.routes {
		for _, c := range r.clusters {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	var refs []Ref
	for _, name := range slices.Compact(names) {
		refs = append(refs, Ref{Type: clusterType, Name: name})
	}
	return refs
}

// needs is what an Envoy must be able to do to be given s.
func (s *stanzaPlan) needs() Needs {
	var needs Needs
	if slices.ContainsFunc(s.clusters, func(c *clusterPlan) bool { return Frozen(c.name) }) {
		needs |= NeedsDelta
	}
	if s.stanza.NeedsNetRaw() {
		needs |= NeedsNetRaw
	}
	return needs
}

// backend is the one whose settings hold for the whole cluster. In a split they are the same for all parts.
func (c *clusterPlan) backend() *config.Backend {
	return c.parts[0].Backend
}

// owner is what the endpoints and secrets of c are named after: the tunnel, whichever its cluster is at the moment, so that
// those which it had before follow; else the cluster.
func (c *clusterPlan) owner() string {
	if c.tunnel != nil {
		return c.tunnel.Name
	}
	return c.name
}

// usesDNS reports whether Envoy resolves the names of some endpoints, which then stand in the cluster itself.
func (c *clusterPlan) usesDNS() bool {
	return slices.ContainsFunc(c.parts, func(p config.Part) bool { return p.Backend.UsesDNS() })
}

// origins are the places of all parts of c, by each of the given kinds in turn, each place once.
func (c *clusterPlan) origins(kinds ...func(config.Part) config.Place) []config.Place {
	var places []config.Place
	for _, kind := range kinds {
		for _, part := range c.parts {
			if place := kind(part); !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
	}
	return places
}

func partPlace(p config.Part) config.Place      { return p.At }
func backendPlace(p config.Part) config.Place   { return p.Backend.At }
func endpointsPlace(p config.Part) config.Place { return p.Backend.EndpointsAt }
