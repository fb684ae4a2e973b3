package xds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// world is a configuration in the words of these tests: clusters by name with a revision, listeners by name with the
// cluster that they name. A revision of bad or above is one that Envoy refuses. A listener that names "@r" has routes by
// the name of r, which lead to the cluster that routes has for it.
type world struct {
	clusters  map[string]int64
	endpoints map[string]uint32
	listeners map[string]string
	routes    map[string]string
}

// leadsTo is the cluster at last of what a listener names.
func (w world) leadsTo(named string) string {
	if name, ok := strings.CutPrefix(named, "@"); ok {
		return w.routes[name]
	}
	return named
}

const bad = 1000

// resources are w as translate would give it.
func (w world) resources() *translate.Resources {
	var list []*translate.Resource
	for name, revision := range w.clusters {
		list = append(list, &translate.Resource{
			Type: snapshot.CDS.URL(), Name: name,
			Msg:  &clusterv3.Cluster{Name: name, ConnectTimeout: &durationpb.Duration{Seconds: revision}},
			Refs: []translate.Ref{{Type: snapshot.EDS.URL(), Name: name}},
		}, &translate.Resource{
			Type: snapshot.EDS.URL(), Name: name,
			Msg: &endpointv3.ClusterLoadAssignment{
				ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{Priority: w.endpoints[name]}},
			},
		})
	}
	for name, cluster := range w.listeners {
		l := &translate.Resource{
			Type: snapshot.LDS.URL(), Name: name,
			Msg:  &listenerv3.Listener{Name: name, StatPrefix: cluster},
			Refs: []translate.Ref{{Type: snapshot.CDS.URL(), Name: strings.TrimSuffix(cluster, "!")}},
		}
		if routes, ok := strings.CutPrefix(strings.TrimSuffix(cluster, "!"), "@"); ok {
			l.Refs = []translate.Ref{{Type: snapshot.RDS.URL(), Name: routes}}
		}
		if translate.Frozen(cluster) {
			l.Needs = translate.NeedsDelta
		}
		list = append(list, l)
	}
	for name, cluster := range w.routes {
		list = append(list, &translate.Resource{
			Type: snapshot.RDS.URL(), Name: name,
			Msg:  &routev3.RouteConfiguration{Name: name, InternalOnlyHeaders: []string{cluster}},
			Refs: []translate.Ref{{Type: snapshot.CDS.URL(), Name: cluster}},
		})
	}
	slices.SortFunc(list, func(a, b *translate.Resource) int { return strings.Compare(a.Type+a.Name, b.Type+b.Name) })
	return &translate.Resources{Config: &config.Config{}, List: list}
}

func (w world) build(t testing.TB, prev *snapshot.Generation) *snapshot.Generation {
	t.Helper()
	g, err := snapshot.Build(w.resources(), prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// fakeEnvoy is an Envoy as research has seen it: it applies the good part of a bad response, warms changed clusters until
// their endpoints come again, and holds back CDS answers meanwhile.
type fakeEnvoy struct {
	t       testing.TB
	variant Variant

	listeners map[string]string // name to the cluster, or "@" and the routes, that it names
	routes    map[string]string // name to the cluster that they lead to
	spurned   map[string]bool   // clusters that it refused: listeners that were sent in the meantime lead nowhere
	clusters  map[string]string // name to version
	warming   map[string]bool
	timedOut  map[string]bool
	// claims are the versions that it will say it has on a new stream: only acknowledged responses count.
	claims  [snapshot.NumTypes]map[string]string
	actual  [snapshot.NumTypes]map[string]string // what it really has
	version [snapshot.NumTypes]string
	watched map[string]bool
	// refused counts refusals that the server has heard of, by "type name version"; refusing are those under way.
	refused  map[string]int
	refusing map[*request][]string
	shy      bool // does not name what it refuses
	// told is whether it had listeners on this stream: a state-of-the-world client cannot say which clusters it has, so
	// that a server may take away some that its listeners from an earlier stream use.
	told bool
	// blind is whether it refused something, or lost a cluster, of which it may have an older version from an earlier stream
	// of the state of the world: the server cannot know what it has.
	blind bool
	// impatient are the nonces of listeners that were sent although an answer to CDS was due for long.
	impatient map[string]bool
	current   string
	stream    int

	nonce         string     // the newest of EDS
	nonceOfRoutes string     // the newest of RDS
	held          []*request // CDS answers, while something warms
	// pinned is whether a refusal is held back together with a later answer.
	pinned bool
	out    []*request
}

func newFakeEnvoy(t testing.TB, v Variant) *fakeEnvoy {
	e := &fakeEnvoy{
		t: t, variant: v, listeners: map[string]string{}, routes: map[string]string{}, spurned: map[string]bool{}, clusters: map[string]string{},
		warming: map[string]bool{}, timedOut: map[string]bool{}, refused: map[string]int{}, refusing: map[*request][]string{},
	}
	for i := range e.claims {
		e.claims[i], e.actual[i] = map[string]string{}, map[string]string{}
	}
	return e
}

// connect is what it says on a new stream.
func (e *fakeEnvoy) connect() {
	e.held, e.out, e.watched, e.told, e.blind, e.pinned, e.nonce = nil, nil, map[string]bool{}, false, false, false, ""
	e.stream++
	e.impatient = map[string]bool{}
	e.out = append(e.out, e.hello(snapshot.CDS), e.hello(snapshot.LDS))
	for name := range e.clusters {
		e.watched[name] = true
	}
	if len(e.watched) > 0 {
		e.out = append(e.out, &request{
			typ: snapshot.EDS, names: slices.Sorted(maps.Keys(e.watched)), subscribe: slices.Sorted(maps.Keys(e.watched)),
			initial: maps.Clone(e.claims[snapshot.EDS]), version: e.version[snapshot.EDS],
		})
	}
	e.nonceOfRoutes = ""
	if names := e.routeNames(); len(names) > 0 {
		e.out = append(e.out, &request{typ: snapshot.RDS, names: names, subscribe: names, version: e.version[snapshot.RDS]})
	}
}

// routeNames are the routes that its listeners name.
func (e *fakeEnvoy) routeNames() []string {
	var names []string
	for _, named := range e.listeners {
		if name, ok := strings.CutPrefix(named, "@"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// watchRoutes asks for the routes of new listeners, and no longer for those that no listener names.
func (e *fakeEnvoy) watchRoutes(before []string) {
	names := e.routeNames()
	r := &request{typ: snapshot.RDS, names: names, version: e.version[snapshot.RDS]}
	for _, name := range names {
		if !slices.Contains(before, name) {
			r.subscribe = append(r.subscribe, name)
		}
	}
	for _, name := range before {
		if !slices.Contains(names, name) {
			r.unsubscribe = append(r.unsubscribe, name)
			delete(e.routes, name)
		}
	}
	if len(r.subscribe)+len(r.unsubscribe) > 0 {
		if e.variant == SotW {
			r.nonce = e.nonceOfRoutes
		}
		e.out = append(e.out, r)
	}
}

func (e *fakeEnvoy) hello(typ snapshot.Type) *request {
	return &request{typ: typ, version: e.version[typ], initial: maps.Clone(e.claims[typ])}
}

// received is a response of either variant.
type received struct {
	typ            snapshot.Type
	nonce, version string
	resources      []receivedResource
	removed        []string
}

type receivedResource struct {
	name, version string
	packed        *anypb.Any
}

func decode(t testing.TB, v Variant, s send) received {
	t.Helper()
	r := received{typ: s.typ, nonce: s.nonce}
	if v == Delta {
		var d discoveryv3.DeltaDiscoveryResponse
		if err := proto.Unmarshal(s.body, &d); err != nil {
			t.Fatal(err)
		}
		r.version, r.removed = d.GetSystemVersionInfo(), d.GetRemovedResources()
		for _, res := range d.GetResources() {
			r.resources = append(r.resources, receivedResource{res.GetName(), res.GetVersion(), res.GetResource()})
		}
		return r
	}
	var d discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(s.body, &d); err != nil {
		t.Fatal(err)
	}
	r.version = d.GetVersionInfo()
	for _, packed := range d.GetResources() {
		res := receivedResource{name: nameOf(t, packed), version: fmt.Sprintf("%x", packed.GetValue()), packed: packed}
		if s.typ == snapshot.EDS {
			res.version += r.version // the version of an assignment covers more than its content
		}
		r.resources = append(r.resources, res)
	}
	return r
}

func nameOf(t testing.TB, packed *anypb.Any) string {
	t.Helper()
	m, err := packed.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	switch m := m.(type) {
	case *clusterv3.Cluster:
		return m.GetName()
	case *listenerv3.Listener:
		return m.GetName()
	case *endpointv3.ClusterLoadAssignment:
		return m.GetClusterName()
	case *routev3.RouteConfiguration:
		return m.GetName()
	}
	t.Fatalf("a %T came", m)
	return ""
}

// take applies one response and queues the answer.
func (e *fakeEnvoy) take(s send) {
	r := decode(e.t, e.variant, s)
	e.current = s.nonce
	switch s.typ {
	case snapshot.EDS:
		e.nonce = s.nonce
	case snapshot.RDS:
		e.nonceOfRoutes = s.nonce
	default:
	}
	routes := e.routeNames()
	var refusals, keys []string
	before := e.watchedNames()
	whole := e.refusesWhole(r)
	if !whole {
		e.removeAbsent(r)
	}
	for _, res := range r.resources {
		key := fmt.Sprint(r.typ, " ", res.name, " ", res.version)
		if e.isBad(r.typ, res) {
			e.checkRefused(key)
			keys = append(keys, key)
			refusals = append(refusals, res.name+": because")
			e.spurned[res.name] = e.spurned[res.name] || r.typ == snapshot.CDS
			continue
		}
		if !whole {
			e.apply(r.typ, res)
		}
	}
	e.told = e.told || r.typ == snapshot.LDS
	e.answer(r, refusals, keys, before, routes)
	e.watchRoutes(routes)
}

// refusesWhole reports whether it takes nothing of a response: where Envoy does not name a cluster or listener, it could
// not even read the response.
func (e *fakeEnvoy) refusesWhole(r received) bool {
	return e.shy && fullState(r.typ) && slices.ContainsFunc(r.resources, func(res receivedResource) bool { return e.isBad(r.typ, res) })
}

// checkRefused objects to a resource that was refused before. If it was not named then, it may come once more, alone; a
// full state, where nothing can come alone, may come again when something in it has changed.
func (e *fakeEnvoy) checkRefused(key string) {
	allowed := 0
	switch eds := strings.HasPrefix(key, "eds"); {
	case e.shy && e.variant == SotW && !eds:
		return
	case e.shy || eds:
		allowed = 1
	}
	if e.refused[key] > allowed {
		e.t.Fatalf("%s was refused and came again", key)
	}
}

func (e *fakeEnvoy) isBad(typ snapshot.Type, res receivedResource) bool {
	m, err := res.packed.UnmarshalNew()
	if err != nil {
		e.t.Fatal(err)
	}
	switch m := m.(type) {
	case *clusterv3.Cluster:
		return m.GetConnectTimeout().GetSeconds() >= bad
	case *endpointv3.ClusterLoadAssignment:
		return m.GetEndpoints()[0].GetPriority() >= bad
	case *listenerv3.Listener:
		return strings.HasSuffix(m.GetStatPrefix(), "!")
	case *routev3.RouteConfiguration:
		return false
	}
	e.t.Fatalf("%s: a %T came", typ, m)
	return false
}

// removeAbsent applies what a response takes away.
func (e *fakeEnvoy) removeAbsent(r received) {
	gone := r.removed
	if e.variant == SotW && fullState(r.typ) {
		present := map[string]bool{}
		for _, res := range r.resources {
			present[res.name] = true
		}
		for name := range e.names(r.typ) {
			if !present[name] {
				gone = append(gone, name)
			}
		}
	}
	for _, name := range gone {
		e.remove(r.typ, name)
	}
}

func (e *fakeEnvoy) names(typ snapshot.Type) map[string]string {
	if typ == snapshot.LDS {
		return e.listeners
	}
	return e.clusters
}

// honest reports whether it has what it would say on a new stream. A delta client does not, between a refusal and the
// response that repairs it, and no server can know.
func (e *fakeEnvoy) honest() bool {
	return maps.Equal(e.claims[snapshot.CDS], e.actual[snapshot.CDS]) &&
		maps.Equal(e.claims[snapshot.LDS], e.actual[snapshot.LDS])
}

func (e *fakeEnvoy) remove(typ snapshot.Type, name string) {
	delete(e.actual[typ], name)
	switch typ {
	case snapshot.LDS:
		delete(e.listeners, name)
	case snapshot.CDS:
		e.wantThawed(name, "")
		for listener, named := range e.listeners {
			if e.leadsTo(named) != name {
				continue
			}
			if e.blind = e.blind || e.variant == SotW && !e.told; !e.blind {
				e.t.Fatalf("cluster %s was removed while listener %s names it", name, listener)
			}
		}
		delete(e.clusters, name)
		delete(e.warming, name)
		maps.DeleteFunc(e.routes, func(_, cluster string) bool { return cluster == name }) // that was said, or is excused
	case snapshot.EDS:
		delete(e.warming, name) // it is told that there is nothing to wait for
	}
}

// wantThawed objects to another version of a cluster that must not change: Envoy may crash.
func (e *fakeEnvoy) wantThawed(name, version string) {
	if had, ok := e.clusters[name]; ok && translate.Frozen(name) && had != version {
		e.t.Fatalf("cluster %s was changed or removed", name)
	}
}

func (e *fakeEnvoy) apply(typ snapshot.Type, res receivedResource) {
	e.actual[typ][res.name] = res.version
	switch typ {
	case snapshot.CDS:
		e.wantThawed(res.name, res.version)
		if e.clusters[res.name] != res.version {
			e.warming[res.name] = true
		}
		e.clusters[res.name] = res.version
	case snapshot.EDS:
		delete(e.warming, res.name)
	case snapshot.LDS:
		m, _ := res.packed.UnmarshalNew()
		named := m.(*listenerv3.Listener).GetStatPrefix()
		e.wantCluster("listener "+res.name, e.leadsTo(named))
		e.listeners[res.name] = named
	case snapshot.RDS:
		if !slices.Contains(e.routeNames(), res.name) {
			return // nobody names them any more
		}
		m, _ := res.packed.UnmarshalNew()
		cluster := m.(*routev3.RouteConfiguration).GetInternalOnlyHeaders()[0]
		e.wantCluster("routes "+res.name, cluster)
		e.routes[res.name] = cluster
	}
}

// leadsTo is the cluster at last of what a listener names; empty for routes that it has not got yet.
func (e *fakeEnvoy) leadsTo(named string) string { return world{routes: e.routes}.leadsTo(named) }

// wantCluster objects to what comes before the cluster that it leads to, unless that is empty.
func (e *fakeEnvoy) wantCluster(what, cluster string) {
	if _, ok := e.clusters[cluster]; !ok && cluster != "" && !e.spurned[cluster] && !e.impatient[e.current] && !e.blind {
		e.t.Fatalf("%s came before its cluster %s", what, cluster)
	}
}

// watchedNames is what it wants endpoints for.
func (e *fakeEnvoy) watchedNames() []string {
	return slices.Sorted(maps.Keys(e.watched))
}

// answer queues the ACK or NACK, and the subscriptions that follow.
func (e *fakeEnvoy) answer(r received, refusals, keys, before, routes []string) {
	a := &request{typ: r.typ, nonce: r.nonce, version: r.version}
	if len(refusals) > 0 {
		text := strings.Join(refusals, listSeparator[r.typ])
		if !e.shy {
			text = listPrefix[r.typ] + text
		}
		a.refusal, a.version = &text, e.version[r.typ]
		e.blind = e.blind || e.variant == SotW && e.stream > 1
		e.refusing[a] = keys
	} else {
		e.version[r.typ] = r.version
		e.claim(r)
	}
	switch r.typ {
	case snapshot.EDS:
		a.names = before
	case snapshot.RDS:
		a.names = routes
	default:
	}
	if r.typ == snapshot.CDS {
		e.hold(a)
		e.watchClusters()
	} else {
		e.out = append(e.out, a)
	}
	if len(e.warming) == 0 {
		e.release()
	}
}

// release sends the answers that were held back.
func (e *fakeEnvoy) release() {
	e.out = append(e.out, e.held...)
	e.held, e.pinned = nil, false
}

// hold keeps back an answer. State of the world answers only the newest response, and pins an earlier refusal on it.
func (e *fakeEnvoy) hold(a *request) {
	if e.variant == SotW && len(e.held) > 0 {
		if earlier := e.held[0]; a.refusal == nil && earlier.refusal != nil {
			a.refusal = earlier.refusal
			if !e.pinned { // pinned twice, it cannot be told which version was meant
				e.refusing[a] = e.refusing[earlier]
			}
			e.pinned = true
		}
		e.held = nil
	}
	e.held = append(e.held, a)
}

// timeOut is what happens after 15 s without endpoints: the clusters go on without.
func (e *fakeEnvoy) timeOut() {
	for name := range e.warming {
		e.timedOut[name] = true
	}
	clear(e.warming)
	e.release()
}

// claim takes note of what an acknowledged response changed.
func (e *fakeEnvoy) claim(r received) {
	if e.variant == SotW && fullState(r.typ) {
		clear(e.claims[r.typ])
	}
	for _, res := range r.resources {
		e.claims[r.typ][res.name] = res.version
	}
	for _, name := range r.removed {
		delete(e.claims[r.typ], name)
	}
}

// watchClusters asks for the endpoints of new clusters, and no longer for those of clusters that are gone. It does not
// ask for those of a changed cluster.
func (e *fakeEnvoy) watchClusters() {
	r := &request{typ: snapshot.EDS, version: e.version[snapshot.EDS]}
	for name := range e.clusters {
		if !e.watched[name] {
			e.watched[name] = true
			r.subscribe = append(r.subscribe, name)
		}
	}
	for name := range e.watched {
		if _, ok := e.clusters[name]; !ok {
			delete(e.watched, name)
			r.unsubscribe = append(r.unsubscribe, name)
		}
	}
	if len(r.subscribe)+len(r.unsubscribe) > 0 {
		r.names = e.watchedNames()
		if e.variant == SotW {
			r.nonce = e.nonce // it repeats the newest one
		}
		e.out = append(e.out, r)
	}
}

// has describes what it has, but for what it has to keep although it needs it no more.
func (e *fakeEnvoy) has() string {
	var b strings.Builder
	used := world{listeners: e.listeners, routes: e.routes}.used()
	for _, name := range slices.Sorted(maps.Keys(e.clusters)) {
		if !translate.Frozen(name) || used[name] {
			b.WriteString(name + " ")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.listeners)) {
		b.WriteString(name + "->" + e.leadsTo(e.listeners[name]) + " ")
	}
	return b.String()
}

// used are the clusters that listeners name.
func (w world) used() map[string]bool {
	used := map[string]bool{}
	for _, named := range w.listeners {
		used[w.leadsTo(strings.TrimSuffix(named, "!"))] = true
	}
	return used
}

// should describes what a client should have in w.
func (w world) should() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.used())) {
		b.WriteString(name + " ")
	}
	for _, name := range slices.Sorted(maps.Keys(w.listeners)) {
		b.WriteString(name + "->" + w.leadsTo(w.listeners[name]) + " ")
	}
	return b.String()
}
