package admin

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/l4xds/l4xds/pkg/config"
)

// tunnel writes one of `tunnels:`, with its exit.
func (w *yamlWriter) tunnel(t *config.Tunnel) {
	w.line(1, t.Name, "", t.At)
	if t.Proxy != nil {
		w.near(2, t)
	}
	if !w.passedOnly(t) || w.hasExit(t) {
		w.asked(2, t)
	}
	var exits []*config.Listener
	for _, l := range w.config.Listeners {
		if l.Exit != nil && l.Exit.Tunnel == t {
			exits = append(exits, l)
		}
	}
	if len(exits) > 0 {
		w.exit(2, exits)
	}
}

// via writes the tunnel of a listener: its name, or the tunnel itself if it stands there.
func (w *yamlWriter) via(depth int, t *config.Tunnel) {
	if slices.Contains(w.config.Tunnels, t) {
		w.key(depth, "via", t.Name)
		return
	}
	w.line(depth, "via", "", t.At)
	w.near(depth+1, t)
	w.asked(depth+1, t)
}

// inside writes what r speaks with its target inside of a tunnel.
func (w *yamlWriter) inside(depth int, r *config.Route) {
	w.key(depth, "endpoints", strconv.Quote(r.Ask.String()))
	if p := r.Inside.ProxyProtocol; p != nil {
		w.key(depth, "proxy_protocol", proxyProtocol(p))
	}
	if t := r.Inside.TLS; t != nil {
		w.line(depth, "tls", backendTLS(t), r.Inside.TLSAt)
	}
}

// asked writes how the far end of t is asked.
func (w *yamlWriter) asked(depth int, t *config.Tunnel) {
	w.key(depth, "method", string(t.Method))
	if t.Path != "" {
		w.key(depth, "path", strconv.Quote(t.Path))
	}
}

// near writes what the near end of t is told.
func (w *yamlWriter) near(depth int, t *config.Tunnel) {
	if t.Proxy.Name != "" {
		w.key(depth, "proxy", t.Proxy.Name)
	} else {
		w.key(depth, "proxy", "")
		if t.HTTP == config.HTTP3 {
			w.overQUIC = t.Proxy
		}
		w.backend(depth+1, t.Proxy)
	}
	w.key(depth, "http", string(t.HTTP))
	if host := t.ProxyHost; host.Host != "" {
		text := host.Host
		if host.Port != 0 {
			text += ":" + strconv.Itoa(int(host.Port))
		}
		w.key(depth, "proxy_host", strconv.Quote(text))
	}
	if len(t.Headers) > 0 {
		w.key(depth, "headers", flow(fields(t.Headers)...))
	}
	if !w.passedOnly(t) {
		w.key(depth, "retry", retry(t.Retry))
	}
	if w.carriesUDP(t) {
		w.key(depth, "buffer", buffer(t.Buffer))
	}
	if t.HTTP != config.HTTP1 {
		w.key(depth, "ping", ping(t.Ping))
	}
	if t.HTTP != config.HTTP1 && t.HTTP != config.HTTP3 {
		w.key(depth, "streams_per_connection", strconv.Itoa(t.StreamsPerConnection))
	}
	if t.MaxStreams > 0 {
		w.key(depth, "limits", flow("streams", strconv.Itoa(t.MaxStreams)))
	}
	if len(t.Propagate) > 0 {
		words := make([]string, len(t.Propagate))
		for i, p := range t.Propagate {
			words[i] = string(p)
		}
		w.key(depth, "propagate", list(words))
	}
}

// carriesUDP reports whether some session goes through t: else what is for sessions has no effect.
func (w *yamlWriter) carriesUDP(t *config.Tunnel) bool {
	return slices.ContainsFunc(w.config.Listeners, func(l *config.Listener) bool {
		return l.Protocol == config.UDP && l.Exit == nil && l.Routes[0].Via == t
	})
}

// passedOnly reports whether all that goes through t was asked for by the near end of another one: how it asks has no effect.
func (w *yamlWriter) passedOnly(t *config.Tunnel) bool {
	passed := false
	for _, l := range w.config.Listeners {
		if slices.ContainsFunc(l.Routes, func(r *config.Route) bool { return r.Via == t }) {
			if l.Exit == nil {
				return false
			}
			passed = true
		}
	}
	return passed
}

func (w *yamlWriter) hasExit(t *config.Tunnel) bool {
	return slices.ContainsFunc(w.config.Listeners, func(l *config.Listener) bool { return l.Exit != nil && l.Exit.Tunnel == t })
}

// exit writes the far end that listens there: on TCP, on UDP, or on both.
func (w *yamlWriter) exit(depth int, listeners []*config.Listener) {
	l := listeners[0]
	w.line(depth, "exit", "", l.At)
	for _, on := range listeners {
		w.key(depth+1, string(on.Protocol), binds(on))
	}
	routes := listed(l)
	table := slices.ContainsFunc(routes, isRow)
	if len(routes) > 0 && !isRow(routes[0]) {
		w.exitRoutes(depth+1, l)
	}
	if table {
		w.exitTable(depth+1, l)
	}
	switch rest := restRoute(l); {
	case rest == nil && table && len(l.Exit.Targets) > 0:
		w.key(depth+1, "to", "requested")
	case rest == nil:
		values(w, depth+1, "targets", l.Exit.Targets)
	case rest.Via != nil && table:
		w.line(depth+1, "via", rest.Via.Name, rest.At)
	case rest.Via != nil:
		values(w, depth+1, "targets", l.Exit.Targets)
		w.line(depth+1, "via", rest.Via.Name, rest.At)
	default:
		w.target(depth+1, "to", rest)
	}
	if l.Forwards() {
		w.key(depth+1, "dns", dns(l.Exit.DNS))
	}
	if l.Protocol == config.TCP && l.Exit.Tunnel.HTTP != config.HTTP1 || l.Exit.Ping == nil {
		w.key(depth+1, "ping", ping(l.Exit.Ping))
	}
	w.listener(depth+1, l, shared{})
}

func dns(d config.DNS) string {
	pairs := []string{"family", string(d.Family), "refresh", d.Refresh.String()}
	if len(d.Servers) > 0 {
		servers := make([]string, len(d.Servers))
		for i, s := range d.Servers {
			servers[i] = strconv.Quote(s.String())
		}
		pairs = append(pairs, "servers", list(servers))
	}
	return flow(pairs...)
}

func retry(r *config.Retry) string {
	if r == nil {
		return "none"
	}
	pairs := []string{"attempts", strconv.Itoa(r.Attempts), "backoff", r.Backoff.String()}
	if r.MaxBackoff != 0 {
		pairs = append(pairs, "max_backoff", r.MaxBackoff.String())
	}
	return flow(pairs...)
}

func buffer(b *config.Buffer) string {
	if b == nil {
		return "none"
	}
	return flow("datagrams", strconv.Itoa(b.Datagrams), "bytes", b.Bytes.String())
}

func ping(p *config.Ping) string {
	if p == nil {
		return "none"
	}
	return flow("interval", p.Interval.String(), "timeout", p.Timeout.String())
}

// request writes what stands beside the tunnel of a route, or how it is tried again without one.
func (w *yamlWriter) request(depth int, l *config.Listener, r *config.Route) {
	if r.Via == nil {
		if l.Protocol == config.TCP {
			w.key(depth, "retry", retry(r.Retry))
		}
		return
	}
	far := r.Via.Request
	if near := besideHeaders(r.Headers, far.Headers); len(near) > 0 {
		w.key(depth, "headers", flow(near...))
	}
	if !reflect.DeepEqual(r.Retry, far.Retry) {
		w.key(depth, "retry", retry(r.Retry))
	}
	if l.Protocol == config.UDP && !reflect.DeepEqual(r.Buffer, far.Buffer) {
		w.key(depth, "buffer", buffer(r.Buffer))
	}
}

// besideHeaders are the headers that make near of far, as names and values in turn.
func besideHeaders(near, far config.Headers) []string {
	var pairs []string
	for _, h := range near {
		if !slices.Contains(far, h) {
			pairs = append(pairs, fields([]config.Field{h})...)
		}
	}
	for _, h := range far {
		if !slices.ContainsFunc(near, func(n config.Field) bool { return n.Name == h.Name }) {
			pairs = append(pairs, strconv.Quote(h.Name), "none")
		}
	}
	return pairs
}

// fields are names and texts in turn.
func fields(list []config.Field) []string {
	var pairs []string
	for _, f := range list {
		pairs = append(pairs, strconv.Quote(f.Name), strconv.Quote(f.Value))
	}
	return pairs
}
