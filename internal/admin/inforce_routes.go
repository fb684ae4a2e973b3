package admin

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// commonList is the listener whose `routes:` stand on the stanza, for all of its protocols that have no others; nil if
// there is none. The name of a private cluster tells: for routes in the long form it has the protocol in it.
func commonList(of []*config.Listener) *config.Listener {
	if len(of) == 1 {
		return nil
	}
	for _, l := range of {
		if slices.ContainsFunc(l.Routes, func(r *config.Route) bool {
			return l.InOrder && r.Name != "" && r.To.Cluster == l.Name+"/"+r.Name
		}) {
			return l
		}
	}
	return nil
}

// sameList reports whether the routes of both listeners can stand in one place.
func sameList(a, b *config.Listener) bool {
	return b != nil && slices.EqualFunc(listed(a), listed(b), func(a, b *config.Route) bool {
		return a.Name == b.Name && a.To.Cluster == b.To.Cluster && reflect.DeepEqual(a.Match, b.Match)
	})
}

// listed are the routes of l that stand in `routes:`.
func listed(l *config.Listener) []*config.Route {
	if !l.InOrder {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.Routes), func(r *config.Route) bool { return r.Name == "" })
}

// tunnelOf is the tunnel that stands on l itself; nil if there is none. Routes in order may have others: that of the listener
// carries the rest, or tells by its name that it stands there.
func tunnelOf(l *config.Listener) *config.Tunnel {
	if !l.InOrder {
		return l.Routes[0].Via
	}
	for _, r := range l.Routes {
		if t := r.Via; t != nil && (r.Name == "" || t.Name == l.Name+"/via" || t.Name == l.Name+"/"+string(l.Protocol)+"/via") {
			return t
		}
	}
	return nil
}

// list writes `routes:`.
func (w *yamlWriter) list(depth int, l *config.Listener) {
	w.key(depth, "routes", "")
	for _, r := range listed(l) {
		w.line(depth+1, "- name", r.Name, r.At)
		w.match(depth+2, r.Match)
		switch r.Via {
		case tunnelOf(l):
		case nil:
			w.key(depth+2, "via", "none")
		default:
			w.via(depth+2, r.Via)
		}
		w.settings(depth+2, r, l)
		w.routeRequest(depth+2, l, r)
		w.target(depth+2, "to", r)
	}
}

// isRow reports whether a route of an exit stands in the table of `targets`: its name is then the target, or a star.
func isRow(r *config.Route) bool { return strings.ContainsAny(r.Name, ":/*") }

// exitTable writes `targets` of an exit that are a table.
func (w *yamlWriter) exitTable(depth int, l *config.Listener) {
	w.key(depth, "targets", "")
	for _, r := range listed(l) {
		switch {
		case !isRow(r):
		case r.Requested:
			w.key(depth+1, strconv.Quote(r.RequestMatch.Targets[0].String()), "requested")
		default:
			w.target(depth+1, strconv.Quote(r.RequestMatch.Targets[0].String()), r)
		}
	}
}

// exitRoutes writes `routes:` of an exit.
func (w *yamlWriter) exitRoutes(depth int, l *config.Listener) {
	w.key(depth, "routes", "")
	for _, r := range listed(l) {
		if isRow(r) {
			break // these stand behind the others
		}
		w.line(depth+1, "- name", r.Name, r.At)
		values(w, depth+2, "target", r.RequestMatch.Targets)
		if len(r.RequestMatch.Headers) > 0 {
			w.key(depth+2, "request_headers", "")
			for _, h := range r.RequestMatch.Headers {
				values(w, depth+3, strconv.Quote(h.Name), h.Values)
			}
		}
		switch {
		case r.Requested:
			w.key(depth+2, "to", "requested")
		case r.Via != nil:
			w.key(depth+2, "via", r.Via.Name)
		default:
			w.target(depth+2, "to", r)
		}
	}
}

// settings writes what r has of its own.
func (w *yamlWriter) settings(depth int, r *config.Route, l *config.Listener) {
	if r.Timeouts != l.Timeouts {
		w.key(depth, "timeouts", flow("idle", r.Timeouts.Idle.String()))
	}
	switch {
	case reflect.DeepEqual(r.AccessLog, l.AccessLog):
	case r.AccessLog == nil:
		w.key(depth, "access_log", "none")
	default:
		w.key(depth, "access_log", accessLog(r.AccessLog))
	}
}

// listenerRequest writes how is asked for what comes to l; where there are routes in order, for what no route takes, or else
// for the first that goes straight.
func (w *yamlWriter) listenerRequest(depth int, l *config.Listener) {
	if r := commonRequest(l); r != nil {
		w.request(depth, l, r)
	}
}

// commonRequest is the route of l whose keys of a request stand on the listener; nil for none.
func commonRequest(l *config.Listener) *config.Route {
	if !l.InOrder {
		return l.Routes[0]
	}
	if rest := restRoute(l); rest != nil {
		return rest
	}
	for _, r := range l.Routes {
		if r.Via == nil {
			return r
		}
	}
	return nil
}

// routeRequest writes how is asked for what a route of `routes:` takes: over what stands on the listener, and on its tunnel.
func (w *yamlWriter) routeRequest(depth int, l *config.Listener, r *config.Route) {
	common := commonRequest(l)
	straight := r.Via == nil && common != nil && common.Via == nil
	if l.Protocol == config.TCP && (!straight || !reflect.DeepEqual(r.Retry, common.Retry)) {
		w.key(depth, "retry", retry(r.Retry))
	}
	if r.Via == nil {
		return
	}
	far := slices.Clone(r.Via.Headers)
	if rest := restRoute(l); rest != nil && rest.Via != nil {
		for _, h := range rest.Headers {
			if !slices.Contains(rest.Via.Headers, h) {
				far = append(slices.DeleteFunc(far, func(o config.Field) bool { return o.Name == h.Name }), h)
			}
		}
		far = slices.DeleteFunc(far, func(o config.Field) bool {
			return has(rest.Via.Headers, o.Name) && !has(rest.Headers, o.Name)
		})
	}
	if near := besideHeaders(r.Headers, far); len(near) > 0 {
		w.key(depth, "headers", flow(near...))
	}
}

func has(headers config.Headers, name string) bool {
	return slices.ContainsFunc(headers, func(h config.Field) bool { return h.Name == name })
}

// match writes the conditions of a route; nil has none.
func (w *yamlWriter) match(depth int, m *config.Match) {
	if m == nil {
		return
	}
	values(w, depth, "sni", m.SNI)
	values(w, depth, "alpn", m.ALPN)
	values(w, depth, "from", m.From)
	values(w, depth, "peer", m.Peer)
	values(w, depth, "from_port", m.FromPort)
	values(w, depth, "port", m.Port)
	values(w, depth, "address", m.Address)
	values(w, depth, "transport", m.Transport)
}

// values writes those of one condition, each in quotes; nothing where there are none.
func values[T any](w *yamlWriter, depth int, name string, all []T) {
	if len(all) > 0 {
		w.key(depth, name, list(quoted(all)))
	}
}

// quoted is the text of each value, in quotes.
func quoted[T any](all []T) []string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = strconv.Quote(fmt.Sprint(v))
	}
	return texts
}
