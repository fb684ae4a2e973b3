package config

import "reflect"

// Inside is what a route speaks with its target inside of the tunnel, from end to end: the far end sees none of it.
// Envoy: a cluster in front of an internal listener, which goes through the tunnel.
type Inside struct {
	// Cluster is the name of that cluster: STANZA, or STANZA/ROUTE, as that of an inline backend.
	Cluster string
	// ProxyProtocol tells the target whom each connection is from, before TLS; TCP only.
	// Default: none.
	// Envoy: envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
	ProxyProtocol *ProxyProtocol `yaml:"proxy_protocol" default:"none" only:"tcp" hard:"true" because:"datagrams have no beginning that a header could stand at; headers: {x-client: \"%DOWNSTREAM_REMOTE_ADDRESS%\"} on the tunnel tells the far end"`
	// TLS is spoken to the target, whose certificate is checked; TCP only.
	// Default: none, the connection's bytes as they are.
	// Envoy: envoy.config.cluster.v3.Cluster.transport_socket
	TLS *BackendTLS `yaml:"tls" default:"none" only:"tcp" hard:"true" because:"that would be DTLS, which Envoy does not speak"`
	// TLSAt is the place of the key.
	TLSAt Place
}

// insideForm is the long form of `to` beside `via`.
type insideForm struct {
	// Endpoints is what the short form would be: one `host:port`, which the far end is asked for.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig.hostname, and the same of udp_proxy
	Endpoints asked `yaml:"endpoints,main" required:"true"`
	Inside    `yaml:",inline"`
}

var insideType = reflect.TypeFor[insideForm]()

// asked is the one target of a route through a tunnel, read by parseAsk.
type asked struct{}

func (*asked) decode(*decoder, *value) {}

// inside reads the long form of a target of route, and returns what its far end is asked for. Defaults of backends are
// for the way to the far end.
func (r *reading) inside(route *Route, v *value, o origin, cluster string) *value {
	backend, s := shapeOf(backendType), shapeOf(insideType)
	foreign := func(p pair) bool { return backend.index[p.key.text] != nil && s.index[p.key.text] == nil }
	var own []pair
	for _, p := range v.pairs {
		if foreign(p) {
			r.carriedKey(p, o.tunnel)
		} else {
			own = append(own, p)
		}
	}
	var form insideForm
	r.mapping(s.prune(v.with(own), onEach(on(o.protocol)), r.unfitInside), &form)
	if tls := v.pair("tls"); tls != nil && form.TLS != nil {
		form.TLSAt = r.place(r.path, tls.key)
	}
	if form.TLS != nil || form.ProxyProtocol != nil {
		form.Cluster = cluster
		r.own(cluster, v)
		route.Inside = &form.Inside
		r.tells(form.ProxyProtocol, v)
	}
	endpoints := v.get("endpoints")
	if list := endpoints.elements(); len(list) == 1 {
		return list[0]
	}
	return endpoints
}

// carriedKey says that a key of a backend does nothing on what goes through t.
func (r *reading) carriedKey(p pair, t *tunnel) {
	where := "on tunnel " + quote(t.Name)
	if t.inline() {
		where = "in via"
	}
	r.errorf(idBackendKey, p.key, "is a key of the backend, which is the far end's here; for the way there write it %s", where)
}

// unfitInside says that a key inside of `to` does not work for UDP.
func (r *reading) unfitInside(k *key, at pair) {
	if r.long[TCP] == nil {
		r.unfit(k, at, "")
		return
	}
	r.unfit(k, at, ", and this stanza is on both; what is for TCP alone stands in its long form, tcp: {address: …, to: …}")
}

// checkInside says that nothing tells whose certificate to expect inside of the tunnel; else TLS asks for the host that the
// far end is asked for.
func (r *reading) checkInside(route *Route, v *value) {
	if route.Inside == nil || route.Inside.TLS == nil || route.Inside.TLS.SNI != "" {
		return
	}
	t, host := route.Inside.TLS, route.Ask.Host
	if _, err := parseIP(host); err != nil && route.Ask.Literal() {
		t.SNI = host
		return
	}
	if t.Verify == VerifyNone || len(t.Names) > 0 {
		return
	}
	why := "the target has no host name"
	if !route.Ask.Literal() {
		why = "the target depends on the connection"
	}
	r.errorf(idNoName, v.get("tls"), "%s, so that nothing tells whose certificate to expect; write sni or names (or verify: none)", why)
}
