package config

import (
	"reflect"
	"slices"
	"strings"
)

// tunnelForm is one entry of `tunnels:`.
type tunnelForm struct {
	// Proxy is where the far ends are: endpoints, or the name of a backend. Without it the tunnel is only an exit.
	// Envoy: envoy.config.endpoint.v3.ClusterLoadAssignment, by EDS
	Proxy  proxies `yaml:"proxy"`
	Tunnel `yaml:",inline"`
	// Exit is the far end: it makes the Envoys of its `nodes` end what comes through this tunnel. Without it the far end is
	// somebody else's.
	// Envoy: envoy.config.listener.v3.Listener, with the http_connection_manager
	Exit exit `yaml:"exit"`
	// Private takes the keys of the backend that stands inline in `proxy`.
	Private backendDefaults `yaml:",inline" without:"proxy_protocol"`
}

// proxies are written as a target, but for weights.
type proxies struct{ target }

// tunnelName is the name of a tunnel.
type tunnelName struct{ value *value }

func (n *tunnelName) decode(d *decoder, v *value) {
	if _, ok := d.text(v); ok {
		n.value = v
	}
}

// tunnelRef is the name of a tunnel, or a tunnel itself.
type tunnelRef struct{ tunnelName }

func (t *tunnelRef) decode(d *decoder, v *value) {
	if v.kind == mapping {
		t.value = v
		return
	}
	t.tunnelName.decode(d, v)
}

// tunnel is one of `tunnels:` while it is read.
type tunnel struct {
	*Tunnel
	pair
	// stanza is the path of the stanza that it is, or stands in.
	stanza string
	// users are the protocols of the listeners that go through it, carries those of what other exits pass on as well.
	users, carries map[Protocol]bool
	// asks are what they ask for, literally; vague is one of them that depends on the connection.
	asks  map[Ask]bool
	vague *value
	// bare is whether something goes through it without anything of its own inside.
	bare bool
	// passed is whether the exit of another tunnel goes through it.
	passed bool
}

// tunnel reads the near end of a tunnel, which stands in this stanza.
func (l *loader) tunnel(p pair, stanza string) *tunnel {
	t := &tunnel{
		pair: p, stanza: stanza, Tunnel: &Tunnel{Name: p.key.text},
		users: map[Protocol]bool{}, carries: map[Protocol]bool{}, asks: map[Ask]bool{},
	}
	if p.value.kind != mapping {
		l.errorf(idKind, p.value, "%s where a map belongs; write it as {proxy: hub.example.com:443, http: 2}", p.value.what())
		return t
	}
	var form tunnelForm
	l.mapping(p.value, &form)
	t.Tunnel = &form.Tunnel
	t.Name, t.At = p.key.text, l.place(stanza, p.key)
	l.claim(t.Name, p.key)
	if form.Proxy.value != nil {
		t.Proxy = l.proxy(t, form.Proxy.target)
	}
	l.checkNear(t, &form)
	l.checkRetry(t.Retry, t.value.get("retry"))
	l.checkTaken(t.value.get("headers"), nil)
	return t
}

// proxy is the backend of the far ends.
func (l *loader) proxy(t *tunnel, to target) *Backend {
	private := shapeOf(reflect.TypeFor[tunnelForm]()).pick(t.value, backendType)
	switch {
	case to.inline != nil:
		b := &Backend{}
		l.fillBackend(b, t.stanza, shapeOf(backendType).overlay(private, to.inline), onTCP, func(*key, pair) {})
		b.At = l.place(t.stanza, to.value)
		l.notToFar(b, to.inline, t.Name)
		return b
	case to.original:
		l.errorf(idTunnel, to.value, "original is for listeners; write where the far end is, as hub.example.com:443")
		return nil
	case to.split || len(to.shares) != 1:
		if to.value.kind == mapping {
			l.errorf(idTunnel, to.value, "weights are not for a proxy; write endpoints, or the name of one backend")
		}
		return nil
	}
	name := to.shares[0].name
	b, ok := l.backends[name.text]
	if !ok {
		l.unknownBackend(name)
		return nil
	}
	b.users = append(b.users, user{at: name, tunnel: t.key.text, protocol: TCP})
	if private != nil {
		l.eachPrivate(private, func(p pair) {
			l.errorf(idBackendKey, p.key, "is a key of the backend, and proxy names one; write it on %s", quote(name.text))
		})
	}
	return b.Backend
}

// checkNear says which keys of the near end are missing, or do nothing.
func (l *loader) checkNear(t *tunnel, form *tunnelForm) {
	proxy, exit := t.value.get("proxy"), t.value.get("exit")
	switch {
	case proxy == nil && exit == nil:
		l.errorf(idTunnel, t.key, "has neither proxy nor exit; write where the far end is, as proxy: hub.example.com:443")
	case proxy != nil && form.HTTP == "" && t.value.get("http") == nil:
		l.errorf(idNoValue, t.key, "has no http; write the version that the far end speaks: 1, 2 or 3")
	}
	if private := shapeOf(reflect.TypeFor[tunnelForm]()).pick(t.value, backendType); proxy == nil && private != nil {
		l.eachPrivate(private, func(p pair) {
			l.errorf(idNoEffect, p.key, "has no effect: it is for the way to a proxy, and there is none")
		})
	}
	near := []string{
		"http", "proxy_host", "headers", "retry", "buffer", "ping", "streams_per_connection", "limits", "propagate",
	}
	for _, p := range t.value.pairs {
		switch name := p.key.text; {
		case proxy == nil && slices.Contains(near, name):
			l.errorf(idNoEffect, p.key, "has no effect: it is the near end's, and there is no proxy")
		case name == "ping" && form.HTTP == HTTP1 && !p.value.is("none"):
			l.errorf(idNoEffect, p.key, "has no effect on HTTP/1.1, which has no such question; leave it out")
		case name == "streams_per_connection" && form.HTTP == HTTP1:
			l.errorf(idNoEffect, p.key, "has no effect on HTTP/1.1, where each stream has a connection of its own; leave it out")
		case name == "streams_per_connection" && form.HTTP == HTTP3:
			l.errorf(idNoEffect, p.key, "has no effect on HTTP/3, where the far end says how many; leave it out")
		case name == "path" && form.Method != Post:
			l.errorf(idNoEffect, p.key, "has no effect on CONNECT; it is for method: post")
		}
	}
	if proxy != nil {
		l.near = append(l.near, t)
	}
}

// via is the tunnel that v names, or that stands there and is called name; nil if it is not known, or only an exit.
func (r *reading) via(v *value, name string) *tunnel {
	if v.kind != mapping {
		return r.namedTunnel(v)
	}
	if t := r.inlined[v]; t != nil {
		return t
	}
	key := *v
	key.kind, key.pairs, key.text = scalar, nil, name
	t := r.tunnel(pair{&key, v}, r.path)
	if exit := v.pair("exit"); exit != nil {
		r.errorf(idTunnel, exit.key, "cannot stand here; a tunnel with both ends stands in tunnels, by its name")
	}
	r.inlined[v] = t
	r.owned = append(r.owned, t.Name)
	return t
}

// viaName is the name of a tunnel that stands in `via` of the listener, or in the long form of one of its protocols.
func (r *reading) viaName(v *value) string {
	if r.shared.get("via") != v {
		return r.key.text + "/" + string(r.protocol) + "/via"
	}
	return r.key.text + "/via"
}

// inline reports whether t stands in a listener. No tunnel of `tunnels:` has such a name.
func (t *Tunnel) inline() bool { return strings.Contains(t.Name, "/") }

// namedTunnel is the tunnel of that name.
func (l *loader) namedTunnel(v *value) *tunnel {
	t, ok := l.tunnels[v.text]
	switch {
	case !ok && l.names["tunnels."+v.text] == nil:
		l.unknownName(idUnknownTunnel, "tunnels", v)
	case ok && t.value.kind == mapping && t.value.get("proxy") == nil:
		l.errorf(idTunnel, v, "tunnel %s has no proxy: it is only an exit (%s)", quote(v.text), t.key.position())
	case ok:
		return t
	}
	return nil
}

// through makes what a route asks the far end of a tunnel for.
func (r *reading) through(route *Route, to target, o origin, cluster string) {
	route.Via, route.To = o.tunnel.Tunnel, o.tunnel.target()
	v := to.value
	if v.kind == mapping && to.inline != nil {
		v = r.inside(route, v, o, cluster)
	}
	if v.kind != scalar || !strings.Contains(v.text, ":") || strings.HasPrefix(v.text, "unix:") {
		r.errorf(idTunnel, v, "through a tunnel goes one HOST:PORT, which its far end is asked for; %s is none", v.what())
		return
	}
	ask, err := ParseAsk(v.text)
	if err != nil {
		r.wrong(v, err)
		return
	}
	r.checkAsk(ask, o.listener, v)
	route.Ask = ask
	r.checkInside(route, to.value)
	o.tunnel.use(o.protocol, route, v)
}

// target is how a route goes to the far ends of t.
func (t *Tunnel) target() Target {
	return Target{Cluster: t.Name, Parts: []Part{{Backend: t.Proxy, Weight: 1, At: t.At}}}
}

// use notes that a route of a listener asks t for something.
func (t *tunnel) use(protocol Protocol, route *Route, at *value) {
	t.users[protocol], t.carries[protocol] = true, true
	t.bare = t.bare || route.Inside == nil
	if route.Ask.Literal() {
		t.asks[route.Ask] = true
	} else {
		t.vague = at
	}
}

// checkFar says, now that all listeners are read, what a tunnel cannot carry, and which of its keys do nothing.
func (l *loader) checkFar(t *tunnel) {
	if t.value.kind != mapping || t.value.get("proxy") == nil {
		return
	}
	if len(t.users) == 0 && !t.passed && !l.skipped && !l.partial {
		l.warnf(idUnused, t.key, "no listener goes through this tunnel")
	}
	asking := []string{"proxy_host", "headers", "retry", "buffer", "propagate"}
	if t.value.get("exit") == nil { // else the exit goes by them, too
		asking = append(asking, "method", "path")
	}
	for _, p := range t.value.pairs {
		switch name := p.key.text; {
		case len(t.users) == 0 && t.passed && slices.Contains(asking, name):
			l.errorf(idNoEffect, p.key, "has no effect: what goes through this tunnel was asked for by the near end of another one")
		case len(t.users) > 0 && !t.bare && name == "propagate":
			l.errorf(idNoEffect, p.key, "has no effect: all that goes through this tunnel has proxy_protocol or tls inside, and is logged in front of it")
		case len(t.users) > 0 && !t.users[UDP] && (name == "buffer" || name == "proxy_host"):
			l.errorf(idNoEffect, p.key, "has no effect: it is for UDP, and no UDP listener goes through this tunnel")
		}
	}
	if http := t.value.get("http"); t.HTTP == HTTP1 && t.carries[TCP] {
		l.warnf(idHalfClose, http, "TCP through HTTP/1.1 ends in both directions once one side has sent all, and loses what is on its way back; HTTP/2 does not, for what clients send")
	}
	if t.carries[UDP] && t.HTTP == HTTPAuto {
		l.errorf(idTunnel, t.value.get("http"),
			"cannot carry UDP, which HTTP/1.1 asks for in another way, and whether that comes up shows only later; write http: 2")
	}
	if t.carries[UDP] && t.ends() {
		l.checkUDP(t)
	}
}

// ends reports whether the file has a far end of t that ends some of what it carries, rather than passing it on.
func (t *tunnel) ends() bool {
	exit := t.value.get("exit")
	routes := exit.get("routes")
	return exit != nil && (exit.get("via") == nil || routes != nil &&
		slices.ContainsFunc(routes.items, func(v *value) bool { return v.get("via") == nil }))
}

// checkUDP says why UDP cannot go to an Envoy that ends it.
func (l *loader) checkUDP(t *tunnel) {
	switch {
	case t.Method == Post:
		l.errorf(idTunnel, t.value.pair("method").key,
			"cannot carry UDP to an Envoy, which turns a POST into TCP only; leave it out, or the exit if the far end is no Envoy")
	case t.HTTP == HTTP1:
		l.errorf(idTunnel, t.value.pair("http").key,
			"cannot carry UDP to an Envoy, which answers such an upgrade wrongly; write http: 2, or leave out the exit if the far end is no Envoy")
	}
}

func (h *proxyHost) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	if !strings.Contains(text, ":") {
		text += ":1"
		defer func() { h.Port = 0 }()
	}
	e, err := parseEndpoint(text)
	switch {
	case err != nil:
		d.wrong(v, err)
	case e.Host == "" && !e.Address.Is4():
		d.errorf(idHost, v, "%s is neither a host name nor an IPv4 address", v.what()) // Envoy sends IPv6 without brackets
	case e.Host == "":
		*h = proxyHost{Host: e.Address.String(), Port: e.Port}
	default:
		*h = proxyHost{Host: e.Host, Port: e.Port}
	}
}
