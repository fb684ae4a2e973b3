package config

import (
	"cmp"
	"slices"
	"strings"
)

// RequestMatch is what a route of an exit asks of a request: each of its conditions. The zero RequestMatch asks for nothing.
// Envoy: envoy.config.route.v3.RouteMatch.headers.
type RequestMatch struct {
	// Targets are what may be asked for, one of them; written as in `targets` of the exit. A route without it takes whatever
	// is asked for, which only one with a place to go to of its own may do.
	// Envoy: envoy.config.route.v3.RouteMatch.headers, of `:authority`
	Targets targets `yaml:"target"`
	// Headers are headers that the request has: a name, and its value, or a list of values of which it has one. With a `*` at
	// its end a value stands for all that begin so, with one in front for all that end so; `"*"` is any value.
	// Envoy: envoy.config.route.v3.RouteMatch.headers
	Headers HeaderMatches `yaml:"request_headers"`
}

// HeaderMatches are conditions on headers, sorted by name.
type HeaderMatches []HeaderMatch

// HeaderMatch is a header that a request must have, with one of the values.
type HeaderMatch struct {
	// Name is in lower case.
	Name string
	// Values are texts that may have a "*" at one end or at both, or be "*".
	Values []string
}

func (h *HeaderMatches) decode(d *decoder, v *value) {
	*h = nil
	if v.kind != mapping || len(v.pairs) == 0 {
		d.errorf(idKind, v, "%s where names of headers and their values belong, as {x-site: \"branch-*\"}", v.what())
		return
	}
	for _, p := range v.pairs {
		name := strings.ToLower(p.key.text)
		switch {
		case name == "host" || name == ":authority":
			d.errorf(idText, p.key, "is what is asked for; write target")
		case !validHeader(name):
			d.errorf(idText, p.key, "%s is not the name of a header", quote(p.key.text))
		default:
			*h = append(*h, HeaderMatch{name, d.headerValues(p.value)})
		}
	}
	slices.SortFunc(*h, func(a, b HeaderMatch) int { return cmp.Compare(a.Name, b.Name) })
}

// headerValues are the values of one header.
func (d *decoder) headerValues(v *value) []string {
	var values []string
	for _, item := range v.elements() {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		if inner := strings.TrimSuffix(strings.TrimPrefix(text, "*"), "*"); strings.Contains(inner, "*") {
			d.errorf(idText, item, "%s: a * stands at the beginning or at the end", quote(text))
		}
		values = append(values, text)
	}
	if len(v.elements()) == 0 {
		d.errorf(idKind, v, "is empty; write a value")
	}
	return values
}

// exitTarget is `to` of an exit: a target, or the word for where the request asks.
type exitTarget struct{ target }

// requested reports whether t is the word.
func (t exitTarget) requested() bool { return t.value != nil && t.value.is("requested") }

// exitRouteForm is one element of `routes` of an exit.
type exitRouteForm struct {
	// Name is the name of the route, which stands behind that of the exit in the name of a cluster of its own.
	// Envoy: envoy.config.route.v3.Route.name
	Name         routeName `yaml:"name" required:"true"`
	RequestMatch `yaml:",inline"`
	// To is where it goes, whatever is asked for; written like `to` of a listener. Or `requested`: where the request asks,
	// which `target` then has to limit.
	// Envoy: envoy.config.route.v3.RouteAction.cluster
	To exitTarget `yaml:"to"`
	// Via is the tunnel that it is passed on through, in place of `to`; `target` has to say what is passed on.
	// Envoy: envoy.config.route.v3.RouteAction.UpgradeConfig, without connect_config
	Via tunnelName `yaml:"via"`
}

// exitRouteList is `routes:` of an exit.
type exitRouteList struct{ routeList }

func (l *exitRouteList) decode(d *decoder, v *value) {
	l.read(d, v, "{name: web, target: \"*.example.com:443\", to: requested}")
}

// listedRequest is a route of an exit, and its name in the file.
type listedRequest struct {
	*Route
	at *value
	// broken is whether something is wrong with its conditions.
	broken bool
}

// routes reads `routes:`, and the table of `targets`.
func (e *far) routes() {
	for _, v := range e.form.Routes.items {
		e.route(v)
	}
	e.rows()
	for _, name := range []string{"to", "via", "targets"} {
		if at := e.value.get(name); at != nil && (name != "targets" || at.kind != mapping) {
			e.checkReached(&RequestMatch{}, at)
		}
	}
	e.InOrder = len(e.listed) > 0
}

// route reads one element of `routes:`.
func (e *far) route(v *value) {
	before := len(e.report.list)
	var form exitRouteForm
	e.mapping(v, &form)
	at := cmp.Or(v.get("name"), v)
	route := &Route{Name: string(form.Name), At: e.place(e.path, at), RequestMatch: &RequestMatch{sortedTargets(form.Targets), form.Headers}}
	if i := slices.IndexFunc(e.listed, func(o listedRequest) bool { return o.Name == route.Name }); i >= 0 && at != v {
		e.errorf(idNameTwice, at, "the name of the route stands twice; the first is at %s", e.listed[i].at.position())
	}
	if len(e.report.list) == before {
		e.checkReached(route.RequestMatch, at)
	}
	e.listed = append(e.listed, listedRequest{route, at, len(e.report.list) > before})
	e.Listener.Routes = append(e.Listener.Routes, route)
	e.send(route, at, &form)
}

// send says where a route goes.
func (e *far) send(route *Route, at *value, form *exitRouteForm) {
	const open = "needs a target beside it, or the exit would be an open proxy; write what may be asked for, as target: \"*.example.com:443\", or target: any"
	to, via := form.To.value, form.Via.value
	switch {
	case to != nil && via != nil:
		e.errorf(idExclusive, via, "cannot stand beside to (%s): what is passed on is not ended here", to.position())
	case via != nil:
		if len(route.RequestMatch.Targets) == 0 && form.Targets == nil {
			e.errorf(idTunnel, via, open)
		}
		e.forward(route, via)
	case to == nil:
		e.errorf(idNoTo, at, "has neither to nor via; write where it goes, as to: 10.0.0.1:5432, or to: requested for where the request asks")
	default:
		if form.To.requested() && form.Targets == nil {
			e.errorf(idTunnel, to, open)
		}
		e.goTo(route, form.To)
	}
}

// goTo is where a route goes: to a place of its own, or where the request asks.
func (e *far) goTo(route *Route, to exitTarget) {
	if to.requested() {
		route.Requested = true
		return
	}
	cluster := e.tunnel.Name + "/exit/" + route.Name
	e.target(route, to.target, origin{protocol: TCP, uses: onTCP, cluster: cluster}, cluster)
}

// forward passes what a route takes on through a tunnel.
func (e *far) forward(route *Route, via *value) {
	next := e.namedTunnel(via)
	if next == nil {
		return
	}
	e.checkPassed(next, via)
	route.Via, route.To = next.Tunnel, next.target()
	to := passed{tunnel: next, via: via, targets: e.form.Targets.list}
	if route.RequestMatch != nil {
		to.targets = route.RequestMatch.Targets
	}
	for _, o := range e.listed {
		if o.Route != route && len(o.RequestMatch.Headers) == 0 {
			to.before = append(to.before, o.RequestMatch.Targets...)
		}
	}
	e.onwards = append(e.onwards, to)
}

// checkReached says that no request comes as far as what has these conditions.
func (e *far) checkReached(m *RequestMatch, at *value) {
	for _, o := range e.listed {
		if !o.broken && o.RequestMatch.covers(m) {
			e.errorf(idUnreachable, at, "is never reached: route %s takes all that it would (%s)", quote(o.Name), o.at.position())
			return
		}
	}
}

// covers reports whether m takes every request that o takes.
func (m *RequestMatch) covers(o *RequestMatch) bool {
	everything := []Allowed{{}}
	if len(m.Targets) > 0 {
		asked := orElse(o.Targets, everything, func(Allowed) bool { return true })
		if !allOf(asked, func(a Allowed) bool { return slices.ContainsFunc(m.Targets, a.covered) }) {
			return false
		}
	}
	return !slices.ContainsFunc(m.Headers, func(h HeaderMatch) bool { return !o.sets(h) })
}

// sets reports whether every request that m takes has the header.
func (m *RequestMatch) sets(h HeaderMatch) bool {
	return slices.ContainsFunc(m.Headers, func(own HeaderMatch) bool {
		return own.Name == h.Name && allOf(own.Values, func(text string) bool {
			return slices.ContainsFunc(h.Values, func(by string) bool { return likeness(text).covered(likeness(by)) })
		})
	})
}

// likeness is a text that may have a * at its ends.
type likeness string

// covered reports whether each text that is like l is like by.
func (l likeness) covered(by likeness) bool {
	front, end := strings.HasPrefix(string(by), "*"), strings.HasSuffix(string(by), "*")
	inner := strings.TrimSuffix(strings.TrimPrefix(string(by), "*"), "*")
	switch {
	case by == "*" || l == by:
		return true
	case front && end:
		return strings.Contains(string(l), inner)
	case front:
		return strings.HasSuffix(string(l), inner) && len(l) > 0 && !strings.HasSuffix(string(l), "*")
	case end:
		return strings.HasPrefix(string(l), inner) && !strings.HasPrefix(string(l), "*")
	}
	return false
}

// Forwards reports whether l is an exit that goes where requests ask, some or all of them.
func (l *Listener) Forwards() bool {
	rest := slices.ContainsFunc(l.Routes, func(r *Route) bool { return r.Name == "" })
	return l.Exit != nil && (len(l.Exit.Targets) > 0 && !rest || slices.ContainsFunc(l.Routes, func(r *Route) bool { return r.Requested }))
}

// requested are the targets that l goes to itself.
func (l *Listener) requested() []Allowed {
	var all []Allowed
	for _, r := range l.Routes {
		switch {
		case r.Requested:
			all = append(all, r.RequestMatch.Targets...)
		case r.Name == "":
			return all
		}
	}
	return append(all, l.Exit.Targets...)
}
