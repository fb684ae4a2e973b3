package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// exit is `exit:`, which is read when all listeners are.
type exit struct{}

// decode does nothing: see exitForm.
func (*exit) decode(*decoder, *value) {}

// exitForm is what stands in `exit:`.
type exitForm struct {
	// TCP is where it listens for HTTP/1.1 and 2; written like `tcp` of a listener.
	// Default: without `udp`, and unless `http` is 3, the port of `proxy`, on all IPv4 addresses.
	// Envoy: envoy.config.listener.v3.Listener.address
	TCP addresses `yaml:"tcp"`
	// UDP is where it listens for HTTP/3; written like `udp` of a listener. Both make an exit that speaks every version.
	// Default: without `tcp`, where `http` is 3, the port of `proxy`, on all IPv4 addresses.
	// Envoy: envoy.config.listener.v3.Listener.address, with quic_options
	UDP addresses `yaml:"udp"`
	// Targets are what may be asked for: `host:port`, `"*.example.com:443"` for any name below, `"*:443"` for any host, an
	// IPv4 network with or without a port for the addresses in it, each also with a range of ports; or `any`, which makes
	// it an open proxy for all who can reach it. Or a table of these and where each goes, as in `to`, the most specific first;
	// what no row takes goes where `to` or `via` beside it say, and is refused without.
	// Default: what the file's listeners ask this tunnel for; with `routes` none.
	// Envoy: envoy.config.route.v3.VirtualHost.domains, or RouteMatch.headers for what a domain cannot say
	Targets exitTargets `yaml:"targets"`
	// Routes send requests to different places by what they ask for, and by their headers: the first takes a request whose
	// conditions all hold. What none takes goes where `to`, `via` or `targets` beside them say, and is refused without.
	// Envoy: envoy.config.route.v3.VirtualHost.routes
	Routes exitRouteList `yaml:"routes"`
	// To is where everything goes, whatever is asked for; written like `to` of a listener. Or `requested`: where the requests
	// ask, within `targets`.
	// Default: requested; with `routes` none.
	// Envoy: envoy.config.route.v3.RouteAction.cluster
	To exitTarget `yaml:"to"`
	// Via is the tunnel that requests are passed on through: what is carried ends at its far end, and this is a stop in the
	// middle.
	// Default: none, what is carried ends here.
	// Envoy: envoy.config.route.v3.RouteAction.UpgradeConfig, without connect_config
	Via tunnelName `yaml:"via"`
	// DNS is how names are resolved, where the requests say where to go.
	// Envoy: envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig
	DNS DNS `yaml:"dns"`
	// Ping asks each near end for a sign of life, and closes a connection on which none comes, with all that it carries.
	// Default: on, for a near end that hangs would otherwise hold its connections to the targets. It is of HTTP/2: HTTP/1.1
	// has none, and over HTTP/3 a connection on which nothing came for 5 minutes is closed.
	// Envoy: envoy.config.core.v3.Http2ProtocolOptions.connection_keepalive, of the http_connection_manager
	Ping *Ping `yaml:"ping" default:"on"`
	// Nodes are the Envoys that are the far end; written like `nodes` of a listener.
	// Default: all.
	// Envoy: nothing; l4xds decides by it what an Envoy is given.
	Nodes            audience `yaml:"nodes"`
	listenerDefaults `yaml:",inline" without:"source,transparent,proxy_protocol"`
}

// elsewhere says of a key that it is one of a listener whose clients speak for themselves.
func (*exitForm) elsewhere(key string) string {
	switch key {
	case "source":
		return "is not for an exit: what ends there comes from the near end; for an address of this host write to: {endpoints: …, source: …}"
	case "transparent":
		return "is not for an exit: a tunnel is asked, not captured"
	case "proxy_protocol":
		return "is not for an exit, whose connections are those of near ends, each with many clients in it; to tell the target of the client " +
			"write to: {endpoints: …, proxy_protocol: …} beside via at the near end"
	}
	return ""
}

// far is the far end of a tunnel while it is read.
type far struct {
	*reading
	*Listener
	tunnel *tunnel
	form   exitForm
	// listed are the routes of `routes:`, onwards the tunnels to which requests are passed on.
	listed  []listedRequest
	onwards []passed
}

// exits makes the far ends, now that all listeners are read, and says what the near ends cannot do. They are not bound
// yet: the port may be that of a backend.
func (l *loader) exits(tunnels []*Tunnel) []*far {
	var exits []*far
	for _, made := range tunnels {
		if e := l.exit(l.tunnels[made.Name]); e != nil {
			exits = append(exits, e)
		}
	}
	l.passOn(exits)
	for _, made := range tunnels {
		l.checkFar(l.tunnels[made.Name])
	}
	for _, e := range exits {
		e.Exit.Targets = e.targetsOf()
		e.checkDNS()
	}
	return exits
}

// exit makes the far end of t; nil where there is none.
func (l *loader) exit(t *tunnel) *far {
	v := t.value.get("exit")
	if t.value.kind != mapping || v == nil || v.null() {
		return nil
	}
	e := &far{tunnel: t, reading: &reading{
		loader: l, pair: pair{t.key, v}, path: t.stanza, privates: map[privateKey]*Backend{},
	}}
	s := shapeOf(reflect.TypeFor[exitForm]())
	d := l.decoder
	d.protocol = TCP
	base := s.known(shapeOf(reflect.TypeFor[listenerDefaults]()).prune(l.listenerDefaults, onEach(onTCP), ignore))
	written := s.prune(v, onEach(onTCP), func(k *key, at pair) { l.unfit(k, at, "") })
	d.mapping(s.overlay(base, written), &e.form)

	e.Listener = &e.form.Listener
	e.Name, e.Protocol = t.Name, TCP
	e.Listener.At = l.place(e.path, t.value.pair("exit").key)
	if at := v.pair("tls"); at != nil {
		e.TLSAt = l.place(e.path, at.key)
	}
	var unknown bool
	if e.Audience, unknown = e.audience(e.form.Nodes); unknown {
		l.unclear[e.Listener] = true
	}
	e.Exit = &Exit{Tunnel: t.Tunnel, Cluster: t.Name + "/exit", DNS: e.form.DNS, Ping: e.form.Ping}
	e.routes()
	e.rest()
	return e
}

// rest says where everything goes that no route takes, unless that is for the requests to say.
func (e *far) rest() {
	to, via, cluster := e.form.To, e.form.Via.value, e.Exit.Cluster
	route := &Route{}
	switch {
	case to.value != nil && via != nil:
		e.errorf(idExclusive, via, "cannot stand beside to (%s): what is passed on is not ended here", to.value.position())
	case e.fixed():
		e.Exit.Cluster += "/requested"
		route.At = e.place(e.path, to.value)
		e.target(route, to.target, origin{protocol: TCP, uses: onTCP, cluster: cluster}, cluster)
		e.Listener.Routes = append(e.Listener.Routes, route)
	case via != nil:
		route.At = e.place(e.path, via)
		if e.forward(route, via); route.Via != nil {
			e.Listener.Routes = append(e.Listener.Routes, route)
		}
	}
	if !e.fixed() && via == nil && !e.refuses() || slices.ContainsFunc(e.Listener.Routes, func(r *Route) bool { return r.Requested }) {
		e.claim(e.Exit.Cluster, e.tunnel.key)
	}
}

// refuses reports whether what no route takes is refused: nothing says where it goes.
func (e *far) refuses() bool {
	listed := e.value.get("routes") != nil || e.form.Targets.table != nil
	return listed && e.form.To.value == nil && e.form.Via.value == nil && e.form.Targets.list == nil
}

// fixed reports whether the exit has a place of its own to go to.
func (e *far) fixed() bool { return e.form.To.value != nil && !e.form.To.requested() }

// checkPassed says why the exit of next would not take what is passed on to it: requests stay as they are.
func (e *far) checkPassed(next *tunnel, via *value) {
	if next.value.get("exit") != nil && (next.Method != e.tunnel.Method || next.Path != e.tunnel.Path) {
		e.errorf(idTunnel, via, "is asked by %s, and tunnel %s by %s (%s); a request is passed on as it is, so let both be alike",
			e.tunnel.asked(), quote(next.Name), next.asked(), next.key.position())
	}
}

// asked is how the far end of t is asked, in words.
func (t *Tunnel) asked() string { return strings.TrimSpace(string(t.Method) + " " + t.Path) }

// bound are the listeners of e, at their addresses: one for each protocol that it listens on.
func (l *loader) bound(e *far) []*Listener {
	var made []*Listener
	tcp := e.form.TCP != nil || e.form.UDP == nil && e.tunnel.HTTP != HTTP3
	udp := e.form.UDP != nil || e.form.TCP == nil && e.tunnel.HTTP == HTTP3
	if tcp {
		e.Binds = e.boundTo(e.form.TCP, TCP)
		made = append(made, e.Listener)
	}
	if udp {
		e.checkFarQUIC(tcp)
		quic := *e.Listener
		quic.Protocol, quic.Keepalive = UDP, nil
		quic.Binds = e.boundTo(e.form.UDP, UDP)
		l.unclear[&quic] = l.unclear[e.Listener]
		made = append(made, &quic)
	}
	for _, l := range made {
		e.checkFreebind(l, e.value)
	}
	e.checkSpoken(tcp, udp)
	e.checkFarPing(tcp)
	return made
}

// checkFarPing says that nobody would be asked. tcp is whether e speaks HTTP/2.
func (e *far) checkFarPing(tcp bool) {
	at := e.value.pair("ping")
	switch {
	case at == nil || at.value.is("none"):
	case !tcp:
		e.errorf(idNoEffect, at.key, "has no effect on HTTP/3, where Envoy's far end closes a connection on which nothing came for 5 minutes; leave it out")
	case e.tunnel.HTTP == HTTP1:
		e.errorf(idNoEffect, at.key, "has no effect on HTTP/1.1, which has no such question; leave it out")
	}
}

// boundTo are the addresses of one protocol.
func (e *far) boundTo(list addresses, p Protocol) []Bind {
	if list == nil {
		return e.sharedPort(e.tunnel, e.form.Bind.Addr)
	}
	return e.binds(list, e.form.Bind.Addr, 0, p, e.value)
}

// sharedPort is the address of an exit that names none: the one port of all proxies.
func (r *reading) sharedPort(t *tunnel, bind netip.Addr) []Bind {
	at := t.value.pair("exit").key
	if t.Proxy == nil {
		r.errorf(idTunnel, at, "has neither tcp nor udp, and there is no proxy whose port could be meant")
		return nil
	}
	port := uint16(0)
	for _, e := range t.Proxy.Endpoints {
		if port != 0 && e.Port != port || e.Port == 0 {
			r.errorf(idTunnel, at, "has neither tcp nor udp, and the endpoints of proxy do not share one port; write %s: PORT", t.under())
			return nil
		}
		port = e.Port
	}
	if port == 0 {
		return nil // an error was said
	}
	binds := []Bind{{At: r.place(r.path, at), Address: bind, Port: port, Last: port}}
	r.loader.binds[&binds[0]] = at
	return binds
}

// targetsOf are what may be asked for.
func (e *far) targetsOf() []Allowed {
	t := e.tunnel
	switch at := t.value.pair("exit").key; {
	case e.fixed():
		if e.form.Targets.list != nil {
			e.errorf(idNoEffect, e.value.pair("targets").key, "has no effect: everything goes where to says")
		}
		return []Allowed{{}}
	case e.form.Targets.list != nil:
		return sortedTargets(e.form.Targets.list)
	case e.refuses():
		return nil
	case t.vague != nil:
		e.errorf(idTunnel, at, "has no targets, and a listener asks for what depends on the connection (%s); write targets", t.vague.position())
	case len(t.asks) == 0 && !e.skipped && !e.partial:
		e.errorf(idTunnel, at, "has no targets, and no listener of the file asks this tunnel for something; write targets")
	}
	var all []Allowed
	for ask := range t.asks {
		all = append(all, Allowed{Host: ask.Host, Port: ask.Port, Last: ask.Port})
	}
	return sortedTargets(all)
}

func sortedTargets(all []Allowed) []Allowed {
	slices.SortFunc(all, func(a, b Allowed) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}
