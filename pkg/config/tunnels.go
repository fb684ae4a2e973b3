package config

import (
	"maps"
	"net"
	"net/netip"
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
	Private backendDefaults `yaml:",inline"`
}

// exit is `exit:`, which is read when all listeners are.
type exit struct{}

// decode does nothing: see exitForm.
func (*exit) decode(*decoder, *value) {}

// exitForm is what stands in `exit:`.
type exitForm struct {
	// TCP is where it listens; written like `tcp` of a listener.
	// Default: the port of `proxy`, on all IPv4 addresses.
	// Envoy: envoy.config.listener.v3.Listener.address
	TCP addresses `yaml:"tcp"`
	// Targets are what may be asked for: `host:port`, `"*.example.com:443"` for any name below, `"*:443"` for any host, an
	// IPv4 network with or without a port for the addresses in it, each also with a range of ports; or `any`, which makes
	// it an open proxy for all who can reach it.
	// Default: what the file's listeners ask this tunnel for.
	// Envoy: envoy.config.route.v3.VirtualHost.domains, or RouteMatch.headers for what a domain cannot say
	Targets targets `yaml:"targets"`
	// To is where everything goes, whatever is asked for; written like `to` of a listener.
	// Default: where the requests ask.
	// Envoy: envoy.config.route.v3.RouteAction.cluster
	To target `yaml:"to"`
	// Via is the tunnel that requests are passed on through: what is carried ends at its far end, and this is a stop in the
	// middle.
	// Default: none, what is carried ends here.
	// Envoy: envoy.config.route.v3.RouteAction.UpgradeConfig, without connect_config
	Via tunnelName `yaml:"via"`
	// Nodes are the Envoys that are the far end; written like `nodes` of a listener.
	// Default: all.
	// Envoy: nothing; l4xds decides by it what an Envoy is given.
	Nodes            audience `yaml:"nodes"`
	listenerDefaults `yaml:",inline"`
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
		return b
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
	b.users = append(b.users, user{name, t.key.text, TCP})
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
	case proxy != nil && form.HTTP == 0 && t.value.get("http") == nil:
		l.errorf(idNoValue, t.key, "has no http; write the version that the far end speaks, 1 or 2")
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
		case name == "ping" && form.HTTP == 1 && !p.value.is("none"):
			l.errorf(idNoEffect, p.key, "has no effect on HTTP/1.1, which has no such question; leave it out")
		case name == "streams_per_connection" && form.HTTP == 1:
			l.errorf(idNoEffect, p.key, "has no effect on HTTP/1.1, where each stream has a connection of its own; leave it out")
		case name == "path" && form.Method != Post:
			l.errorf(idNoEffect, p.key, "has no effect on CONNECT; it is for method: post")
		}
	}
}

// via is the tunnel that v names, or that stands there for a listener; nil if it is not known, or only an exit.
func (r *reading) via(v *value) *tunnel {
	if v.kind != mapping {
		return r.namedTunnel(v)
	}
	if t := r.inlined[v]; t != nil {
		return t
	}
	key := *v
	key.kind, key.pairs, key.text = scalar, nil, r.key.text+"/via"
	if r.shared.get("via") != v {
		key.text = r.key.text + "/" + string(r.protocol) + "/via"
	}
	t := r.tunnel(pair{&key, v}, r.path)
	if exit := v.pair("exit"); exit != nil {
		r.errorf(idTunnel, exit.key, "cannot stand here; a tunnel with both ends stands in tunnels, by its name")
	}
	r.inlined[v] = t
	r.owned = append(r.owned, t.Name)
	return t
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
func (r *reading) through(route *Route, t *tunnel, to target, protocol Protocol) {
	route.Via = t.Tunnel
	route.To = t.target()
	if to.value.kind != scalar || !strings.Contains(to.value.text, ":") || strings.HasPrefix(to.value.text, "unix:") {
		r.errorf(idTunnel, to.value, "through a tunnel goes one HOST:PORT, which its far end is asked for; %s is none", to.value.what())
		return
	}
	ask, err := parseAsk(to.value.text)
	if err != nil {
		r.wrong(to.value, err)
		return
	}
	for _, m := range operator.FindAllStringSubmatch(ask.Host, -1) {
		if !slices.Contains(operators, m[1]) {
			r.errorf(idWord, to.value, "%s is no operator of Envoy", quote(m[1]))
		}
	}
	route.Ask = ask
	t.use(protocol, ask, to.value)
}

// target is how a route goes to the far ends of t.
func (t *Tunnel) target() Target {
	return Target{Cluster: t.Name, Parts: []Part{{Backend: t.Proxy, Weight: 1, At: t.At}}}
}

// use notes that a listener asks t for something.
func (t *tunnel) use(protocol Protocol, ask Ask, at *value) {
	t.users[protocol], t.carries[protocol] = true, true
	if ask.Literal() {
		t.asks[ask] = true
	} else {
		t.vague = at
	}
}

// parseAsk reads HOST:PORT, whose host may hold operators of Envoy.
func parseAsk(text string) (Ask, error) {
	e, err := parseEndpoint(operator.ReplaceAllString(text, "x"))
	switch {
	case err != nil:
		return Ask{}, err
	case e.Address.IsValid():
		return Ask{Host: e.Address.String(), Port: e.Port}, nil
	case operator.MatchString(text):
		return Ask{Host: text[:strings.LastIndexByte(text, ':')], Port: e.Port}, nil
	}
	return Ask{Host: strings.TrimSuffix(e.Host, "."), Port: e.Port}, nil
}

// checkFar says, now that all listeners are read, what a tunnel cannot carry, and which of its keys do nothing.
func (l *loader) checkFar(t *tunnel) {
	if t.value.kind != mapping || t.value.get("proxy") == nil {
		return
	}
	if len(t.users) == 0 && !t.passed && !l.skipped && !l.partial {
		l.warnf(idUnused, t.key, "no listener goes through this tunnel")
	}
	for _, p := range t.value.pairs {
		switch name := p.key.text; {
		case len(t.users) == 0 && t.passed && slices.Contains([]string{"method", "path", "proxy_host", "headers", "retry", "buffer", "propagate"}, name):
			l.errorf(idNoEffect, p.key, "has no effect: what goes through this tunnel was asked for by the near end of another one")
		case len(t.users) > 0 && !t.users[UDP] && (name == "buffer" || name == "proxy_host"):
			l.errorf(idNoEffect, p.key, "has no effect: it is for UDP, and no UDP listener goes through this tunnel")
		}
	}
	if http := t.value.get("http"); t.HTTP == 1 && t.carries[TCP] {
		l.warnf(idHalfClose, http, "TCP through HTTP/1.1 ends in both directions once one side has sent all, and loses what is on its way back; HTTP/2 does not, for what clients send")
	}
	if exit := t.value.get("exit"); t.carries[UDP] && exit != nil && exit.get("via") == nil {
		l.checkUDP(t)
	}
}

// checkUDP says why UDP cannot go to an Envoy that ends it.
func (l *loader) checkUDP(t *tunnel) {
	switch {
	case t.Method == Post:
		l.errorf(idTunnel, t.value.pair("method").key,
			"cannot carry UDP to an Envoy, which turns a POST into TCP only; leave it out, or the exit if the far end is no Envoy")
	case t.HTTP == 1:
		l.errorf(idTunnel, t.value.pair("http").key,
			"cannot carry UDP to an Envoy, which answers such an upgrade wrongly; write http: 2, or leave out the exit if the far end is no Envoy")
	}
}

// far is the far end of a tunnel while it is read.
type far struct {
	*reading
	*Listener
	tunnel *tunnel
	form   exitForm
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
	base := shapeOf(reflect.TypeFor[listenerDefaults]()).prune(l.listenerDefaults, onEach(onTCP), ignore)
	d.mapping(s.overlay(base, v), &e.form)

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
	e.Exit = &Exit{Tunnel: t.Tunnel, Cluster: t.Name + "/exit"}
	e.onward()
	return e
}

// onward says where everything goes, unless that is for the requests to say.
func (e *far) onward() {
	to, via := e.form.To, e.form.Via.value
	switch {
	case to.value != nil && via != nil:
		e.errorf(idExclusive, via, "cannot stand beside to (%s): what is passed on is not ended here", to.value.position())
	case to.value != nil:
		route := &Route{At: e.place(e.path, to.value)}
		e.target(route, to, origin{protocol: TCP, uses: onTCP, cluster: e.Exit.Cluster}, e.Exit.Cluster)
		e.Routes = []*Route{route}
	case via != nil:
		if next := e.namedTunnel(via); next != nil {
			e.checkPassed(next, via)
			e.Routes = []*Route{{At: e.place(e.path, via), Via: next.Tunnel, To: next.target()}}
		}
	default:
		e.claim(e.Exit.Cluster, e.tunnel.key)
	}
}

// checkPassed says why the exit of next would not take what is passed on to it: requests stay as they are.
func (e *far) checkPassed(next *tunnel, via *value) {
	if next.value.get("exit") != nil && (next.Method != e.tunnel.Method || next.Path != e.tunnel.Path) {
		e.errorf(idTunnel, via, "is asked by %s, and tunnel %s by %s (%s); a request is passed on as it is, so let both be alike",
			e.tunnel.asked(), quote(next.Name), next.asked(), next.key.position())
	}
}

// asked is how the far end of t is asked, in words.
func (t *Tunnel) asked() string { return strings.TrimSpace(string(t.Method) + " " + t.Path) }

// passOn lets the tunnels to which exits pass requests on know what they are asked for.
func (l *loader) passOn(exits []*far) {
	next := map[*tunnel]*tunnel{}
	for _, e := range exits {
		if e.form.Via.value != nil && len(e.Routes) > 0 {
			next[e.tunnel] = l.tunnels[e.Routes[0].Via.Name]
		}
	}
	for _, e := range exits {
		seen := map[*tunnel]bool{e.tunnel: true}
		for t := next[e.tunnel]; t != nil; t = next[t] {
			if t == e.tunnel {
				l.errorf(idTunnel, e.form.Via.value, "what goes through this tunnel would go in a circle")
			}
			if seen[t] {
				break
			}
			seen[t] = true
			t.pass(e.tunnel)
		}
	}
}

// pass notes that the exit of from goes through t, at last.
func (t *tunnel) pass(from *tunnel) {
	t.passed = true
	for protocol := range from.users {
		t.carries[protocol] = true
	}
	for ask := range from.asks {
		t.asks[ask] = true
	}
	if from.vague != nil {
		t.vague = from.vague
	}
}

// bound is the listener of e, at its address.
func (l *loader) bound(e *far) *Listener {
	if e.form.TCP == nil {
		e.Binds = e.sharedPort(e.tunnel, e.form.Bind.Addr)
	} else {
		e.Binds = e.binds(e.form.TCP, e.form.Bind.Addr, 0, TCP, e.value)
	}
	return e.Listener
}

// sharedPort is the address of an exit that names none: the one port of all proxies.
func (r *reading) sharedPort(t *tunnel, bind netip.Addr) []Bind {
	at := t.value.pair("exit").key
	if t.Proxy == nil {
		r.errorf(idTunnel, at, "has no tcp, and there is no proxy whose port could be meant")
		return nil
	}
	port := uint16(0)
	for _, e := range t.Proxy.Endpoints {
		if port != 0 && e.Port != port || e.Port == 0 {
			r.errorf(idTunnel, at, "has no tcp, and the endpoints of proxy do not share one port; write tcp: PORT")
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
	case e.form.To.value != nil:
		if e.form.Targets != nil {
			e.errorf(idNoEffect, e.value.pair("targets").key, "has no effect: everything goes where to says")
		}
		return []Allowed{{}}
	case e.form.Targets != nil:
		return sortedTargets(e.form.Targets)
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

// targets are what may be asked for.
type targets []Allowed

func (t *targets) decode(d *decoder, v *value) {
	*t = targets{}
	for _, item := range v.elements() {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		allowed, err := parseAllowed(text)
		if err != nil {
			d.wrong(item, err)
			continue
		}
		*t = append(*t, allowed)
	}
	if len(v.elements()) == 0 {
		d.errorf(idKind, v, "is empty; write HOST:PORT")
	}
}

// parseAllowed reads HOST:PORTS, *.DOMAIN:PORTS, *:PORTS, NETWORK, NETWORK:PORTS or any.
func parseAllowed(text string) (Allowed, error) {
	if text == "any" {
		return Allowed{}, nil
	}
	if strings.Contains(text, "/") {
		return parseAllowedNetwork(text)
	}
	a := Allowed{}
	var err error
	if ports, everyHost := strings.CutPrefix(text, "*:"); everyHost {
		a.Port, a.Last, err = parsePorts(ports)
		return a, err
	}
	name, wild := strings.CutPrefix(text, "*.")
	host, ports, err := cutAddress(name)
	switch {
	case err != nil:
		return Allowed{}, err
	case host == "":
		return Allowed{}, noPort(text)
	}
	if a.Port, a.Last, err = parsePorts(ports); err != nil {
		return Allowed{}, err
	}
	e, err := parseEndpoint(net.JoinHostPort(host, "1"))
	switch {
	case err != nil:
		return Allowed{}, err
	case wild && e.Host == "":
		return Allowed{}, wrongf(idTunnel, "%s: below an address stands no name", quote(text))
	case e.Host == "":
		a.Host = e.Address.String()
	case wild:
		a.Host = "*." + strings.TrimSuffix(e.Host, ".")
	default:
		a.Host = strings.TrimSuffix(e.Host, ".")
	}
	return a, nil
}

// parseAllowedNetwork reads NETWORK or NETWORK:PORTS.
func parseAllowedNetwork(text string) (Allowed, error) {
	slash := strings.IndexByte(text, '/')
	bits, ports, hasPorts := strings.Cut(text[slash:], ":")
	network, err := netip.ParsePrefix(text[:slash] + bits)
	switch {
	case err != nil:
		return Allowed{}, wrongf(idTunnel, "%s is not a network, such as 10.0.0.0/8", quote(text[:slash]+bits))
	case network.Addr().Is6():
		return Allowed{}, wrongf(idTunnel, "%s: an IPv6 address is asked for in many spellings; write the addresses one by one", quote(text))
	case network != network.Masked():
		return Allowed{}, wrongf(idTunnel, "%s has bits behind its mask; write %s", quote(text), network.Masked())
	}
	a := Allowed{Network: network}
	if hasPorts {
		a.Port, a.Last, err = parsePorts(ports)
	}
	return a, err
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

func (h *Headers) decode(d *decoder, v *value) {
	var texts map[string]string
	d.texts(v, &texts)
	*h = nil
	format := shapeOf(reflect.TypeFor[AccessLog]()).index["text"]
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		at := v.pair(name)
		switch lower := strings.ToLower(name); {
		case lower == "host" || lower == "capsule-protocol" || strings.HasPrefix(name, ":"):
			d.errorf(idText, at.key, "cannot be set: the far end is asked by it")
		case !validHeader(lower):
			d.errorf(idText, at.key, "%s is not the name of a header", quote(name))
		case d.fits(format, at.value):
			(&AccessLog{}).check(d, at.value)
			*h = append(*h, Field{lower, texts[name]})
		}
	}
}

// validHeader reports whether name can be that of a header.
func validHeader(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789!#$&'*+-.^_`|~") == ""
}
