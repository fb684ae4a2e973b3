package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// routeForm is one element of `routes:`.
type routeForm struct {
	// Name is the name of the route. It stands behind that of the listener in the names of its filter chain and of a cluster
	// of its own, so that it shows in access logs and statistics.
	// Envoy: envoy.config.listener.v3.FilterChain.name
	Name  routeName `yaml:"name" required:"true"`
	Match `yaml:",inline"`
	// To is where the connections go that the route takes; written like `to` of the listener.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.cluster, or envoy.extensions.filters.udp.udp_proxy.v3.Route
	To target `yaml:"to" required:"true"`
	// Targets are what `to: original` may reach; written like `targets` of the listener. What the route takes and is not among
	// them is refused. TCP only.
	// Default: those of the listener.
	// Envoy: envoy.config.listener.v3.Listener.filter_chain_matcher
	Targets reaches `yaml:"targets" only:"tcp"`
	// Via is the tunnel that carries them; written like `via` of the listener, or `none` to go straight where that has one. TCP
	// only.
	// Default: that of the listener.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.tunneling_config
	Via routeVia `yaml:"via"`
	// Timeouts are how long things may take on this route. TCP only.
	// Default: those of the listener.
	// Envoy: what its keys become.
	Timeouts ListenerTimeouts `yaml:"timeouts"`
	// AccessLog is that of the listener for this route; what is not written here is as there. TCP only.
	// Default: that of the listener.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.access_log
	AccessLog *AccessLog `yaml:"access_log"`
	// Request is how it is asked for a connection, or through a tunnel.
	Request `yaml:",inline" without:"buffer"`
	// Private takes the keys of the backend that stands inline in `to`.
	Private routeBackend `yaml:",inline"`
}

// routeBackend are the keys of a backend but for those that are the client's side on a listener.
type routeBackend struct {
	Backend `yaml:",inline" without:"endpoints,tls,keepalive,proxy_protocol"`
}

// elsewhere says where a key belongs that is not one of a route.
func (*routeForm) elsewhere(key string) string {
	switch key {
	case "tls", "keepalive":
		return "is not for a route: for the clients' side write it on the listener, for the other in to: {endpoints: …, " + key + ": …}"
	case "proxy_protocol":
		return "is not for a route: what clients tell stands on the listener, and what a backend is told in to: {endpoints: …, proxy_protocol: …}"
	}
	return ""
}

// routeVia is a tunnel, or none where the listener has one.
type routeVia struct{ tunnelRef }

var routeType = reflect.TypeFor[routeForm]()

// routeName is the name of a route.
type routeName string

func (n *routeName) decode(d *decoder, v *value) {
	if text, ok := d.text(v); ok {
		d.checkName(v)
		*n = routeName(text)
	}
}

// routeList is `routes:`, whose elements are read with what they have of the listener.
type routeList struct{ items []*value }

func (l *routeList) decode(d *decoder, v *value) {
	l.read(d, v, "{name: office, from: 10.0.0.0/8, to: web}")
}

// read reads a list of routes, one of which could be the sample.
func (l *routeList) read(d *decoder, v *value, sample string) {
	*l = routeList{}
	if v.kind == list && len(v.items) == 0 {
		d.errorf(idKind, v, "is empty; write where connections go, as to: 10.0.0.1:5432")
		return
	}
	if v.kind != list {
		d.errorf(idKind, v, "%s where a list of routes belongs, as [%s]", v.what(), sample)
		return
	}
	for _, item := range v.items {
		if item.kind == mapping {
			l.items = append(l.items, item)
			continue
		}
		d.errorf(idKind, item, "%s where a route belongs, as %s", item.what(), sample)
	}
}

// listing is `routes:` of one protocol of a stanza while it is read.
type listing struct {
	*reading
	*Listener
	// common is what the routes have of the listener unless they say otherwise.
	common *value
	// request is what stands on the listener about how it is asked for, whole where all of it comes from, but for what the
	// routes say.
	request *value
	whole   origin
	// made are the routes so far.
	made []listed
	// rows are the targets that are not carried, for what is said of a backend's keys.
	rows []row
	// carried is whether some target goes through the tunnel of the listener.
	carried bool
}

// listed is a route, and its name in the file.
type listed struct {
	*Route
	at *value
	// broken is whether something is wrong with its conditions, so that it takes nothing from others.
	broken bool
}

// list sets the routes of made: those of `routes:` in their order, and the one for the rest. The listener has the keys of
// merged; o is where its own target comes from.
func (r *reading) list(made *Listener, form *protocolForm, merged *value, o origin) {
	inherited := append(shapeOf(reflect.TypeFor[routeBackend]()).names(), "timeouts", "access_log", "targets")
	// An address in source is the backend's, which is read with it; the word is the listener's own.
	inherited = slices.DeleteFunc(inherited, func(name string) bool { return name == "source" })
	l := &listing{
		reading: r, Listener: made, common: merged.only(inherited...), whole: r.origin(made.Protocol, "routes"),
		request: shapeOf(requestType).known(shapeOf(protocolType).overlay(r.shared, r.long[made.Protocol])),
	}
	l.whole.tunnel, l.whole.listener, o.listener = o.tunnel, made, made
	made.Inspects = slices.ContainsFunc(form.Routes.items, func(v *value) bool { return v.has("sni", "alpn", "transport") })
	for _, v := range form.Routes.items {
		l.route(v)
	}
	if form.To.value != nil {
		l.rest(form.To, o, form.Targets.list)
	}
	switch via := form.Via.value; {
	case via == nil:
	case made.Protocol == UDP:
		r.errorf(idExclusive, via, "cannot stand beside routes for UDP: a UDP listener asks its tunnel for one thing; write a listener for each")
	case !l.carried:
		r.errorf(idNoEffect, via, "has no effect: each route has a tunnel of its own")
	}
	l.checkRequest()
	if form.Via.value == nil && len(l.rows) == 0 && l.whole.private != nil {
		r.eachPrivate(l.whole.private, func(p pair) {
			r.errorf(idBackendKey, p.key, "is a key of the backend, and all routes go through tunnels; write it there")
		})
	}
	r.checkPrivate(l.whole, l.rows)
}

// checkRequest says what stands on the listener about tunnels that none of its routes goes through.
func (l *listing) checkRequest() {
	if !slices.ContainsFunc(l.Routes, func(r *Route) bool { return r.Via != nil }) {
		l.checkStraight(l.request, l.Protocol)
	} else if t := l.whole.tunnel; t != nil {
		l.checkTaken(l.request.get("headers"), t.value.get("headers"))
	}
}

// asking is how what is written for a route is asked for through t, or how it is tried again where t is nil.
func (l *listing) asking(t *tunnel, written *value) Request {
	if t == nil {
		return l.requestFrom(l.Listener, nil, l.request.only("retry"), written)
	}
	s := shapeOf(requestType)
	return l.requestFrom(l.Listener, t, s.overlay(s.known(t.value), l.request), written)
}

// rest adds the route for everything that no other takes.
func (l *listing) rest(to target, o origin, targets []Reach) {
	l.checkReached(&Match{}, to.value)
	o.request = l.asking(o.tunnel, l.common.only())
	l.send(&Route{At: l.place(l.path, to.value), Timeouts: l.Timeouts, AccessLog: l.AccessLog, Targets: targets}, to, o, o.cluster)
}

// send adds a route that goes to this target.
func (l *listing) send(route *Route, to target, o origin, cluster string) {
	l.Routes = append(l.Routes, route)
	if to.value == nil {
		return // an error was said
	}
	if o.tunnel == nil {
		l.rows = append(l.rows, row{to: to})
	}
	l.carried = l.carried || o.tunnel == l.whole.tunnel
	l.target(route, to, o, cluster)
	named := route.Match != nil && len(route.Match.SNI) > 0
	if operator := "%" + serverName + "%"; l.Inspects && !named && strings.Contains(route.Ask.Host, operator) {
		l.errorf(idWord, to.value, "%s is known only to a route with sni; write it beside, as sni: \"*.example.com\", with the names that may be asked for", operator)
	}
}

// route reads one element of `routes:`.
func (l *listing) route(written *value) {
	before := len(l.report.list)
	v := l.fitting(written)
	d := l.decoder
	d.protocol = l.Protocol
	var form routeForm
	d.mapping(shapeOf(routeType).overlay(l.common, v), &form)

	if l.Protocol == UDP {
		form.Timeouts = l.Timeouts // there is one for all sessions
	}
	at := cmp.Or(v.get("name"), v)
	route := &Route{Name: string(form.Name), At: l.place(l.path, at), Timeouts: form.Timeouts, AccessLog: form.AccessLog, Targets: form.Targets.list}
	if i := slices.IndexFunc(l.made, func(o listed) bool { return o.Name == route.Name }); i >= 0 && at != v {
		l.errorf(idNameTwice, at, "the name of the route stands twice; the first is at %s", l.made[i].at.position())
	}
	if !form.Match.empty() {
		route.Match = &form.Match
	}
	if len(l.report.list) == before {
		l.checkMatch(&form.Match, v, l.Listener)
	}
	if len(l.report.list) == before {
		l.checkReached(&form.Match, at)
	}
	// What was said for the other protocol is not said again.
	broken := len(l.report.list) > before || len(v.pairs) < len(written.pairs)
	l.made = append(l.made, listed{route, at, broken})
	l.onward(route, v, &form)
}

// fitting is a route without what does not hold for each protocol that has it, which is said.
func (l *listing) fitting(v *value) *value {
	uses := l.sharing(l.Protocol, "routes")
	if uses&onUDP != 0 {
		l.checkUDPRoute(v)
	}
	return shapeOf(routeType).prune(v, onEach(uses), func(k *key, at pair) {
		why := ""
		if uses&onTCP != 0 {
			why = ", and these routes are for both; what is for TCP alone stands in its long form, tcp: {address: …, routes: …}"
		}
		l.unfit(k, at, "%s", why)
	})
}

// onward says where a route goes, which stands in v.
func (l *listing) onward(route *Route, v *value, form *routeForm) {
	o := l.whole
	own := shapeOf(routeType).pick(v, backendType)
	o.private = shapeOf(backendType).overlay(o.private, own)
	switch via := form.Via.value; {
	case via == nil || l.Protocol == UDP: // of which an error was said
	case via.is("none") && o.tunnel == nil:
		l.errorf(idNoEffect, via, "has no effect: the listener has no via")
	case via.is("none"):
		o.tunnel = nil
	default:
		if o.tunnel = l.via(via, l.key.text+"/"+route.Name+"/via"); o.tunnel == nil {
			return
		}
		l.checkCarried(origin{private: own}, via)
	}
	o.request = l.asking(o.tunnel, v)
	said := len(l.report.list)
	l.send(route, form.To, o, o.cluster+"/"+route.Name)
	if len(l.report.list) == said {
		l.checkReaches(l.Listener, v.pair("targets"), []*Route{route})
	}
	if o.tunnel == nil {
		o.private = own
		l.checkPrivate(o, []row{{to: form.To}})
	}
}

// checkUDPRoute says what stands in v that all routes of a UDP listener have in common.
func (l *listing) checkUDPRoute(v *value) {
	const cure = "; Envoy has one for a whole UDP listener: write another listener for it"
	if at := v.pair("via"); at != nil {
		l.errorf(idNoEffect, at.key, "does not work on a route for UDP%s", cure)
	}
	for _, at := range []*pair{v.get("timeouts").pair("idle"), v.pair("access_log")} {
		if at != nil {
			l.errorf(idNoEffect, at.key, "has no effect on a route for UDP%s", cure)
		}
	}
}

// checkReached says that no connection comes as far as the route with these conditions.
func (l *listing) checkReached(m *Match, at *value) {
	spots := l.spots()
	if len(spots) == 0 {
		return // an error was said
	}
	if !slices.ContainsFunc(spots, func(s spot) bool { return s.takes(m) }) {
		l.errorf(idUnreachable, at, "is never reached: no address of the listener has all of its conditions")
		return
	}
	for _, o := range l.made {
		switch {
		case o.broken:
		case o.Match == nil:
			l.errorf(idUnreachable, at, "is never reached: route %s takes everything (%s)", quote(o.Name), o.at.position())
			return
		case o.Match.covers(m, spots):
			l.errorf(idUnreachable, at, "is never reached: route %s takes all that it would (%s)", quote(o.Name), o.at.position())
			return
		}
	}
}
