package admin

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// inForce writes c as a file of its own, with every default written out and the places in the files as comments. Read
// again, it means the same: a test holds it to that.
func inForce(c *config.Config) string {
	w := &yamlWriter{config: c, tcp: tcpBackends(c)}
	listeners := slices.DeleteFunc(slices.Clone(c.Listeners), func(l *config.Listener) bool { return l.Exit != nil })
	w.section("listeners", len(listeners) > 0)
	for stanza := range chunks(listeners) {
		w.stanza(stanza)
	}
	w.section("backends", len(c.Backends) > 0)
	for _, b := range c.Backends {
		w.line(1, b.Name, "", b.At)
		w.backend(2, b)
	}
	w.section("tunnels", len(c.Tunnels) > 0)
	for _, t := range c.Tunnels {
		w.tunnel(t)
	}
	w.section("groups", len(c.Groups) > 0)
	for _, g := range c.Groups {
		w.line(1, g.Name, term(g.Selector.Terms[0]), g.At)
	}
	return w.text.String()
}

// chunks are the listeners of c by stanza: one that has both protocols stands in the model twice.
func chunks(list []*config.Listener) func(yield func([]*config.Listener) bool) {
	return func(yield func([]*config.Listener) bool) {
		for len(list) > 0 {
			n := 1
			for n < len(list) && list[n].Name == list[0].Name {
				n++
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// tcpBackends says of each backend in use whether it carries TCP. The others have no use for what only TCP connections
// have.
func tcpBackends(c *config.Config) map[*config.Backend]bool {
	used := map[*config.Backend]bool{}
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			for _, p := range r.To.Parts {
				used[p.Backend] = used[p.Backend] || l.Protocol == config.TCP || r.Via != nil
			}
		}
	}
	return used
}

// yamlWriter writes block style for what has a place of its own, and flow style for the rest.
type yamlWriter struct {
	text   strings.Builder
	config *config.Config
	tcp    map[*config.Backend]bool // see tcpBackends
	// overQUIC are the far ends that are being written, if they are spoken to over HTTP/3: that has no TCP keepalive.
	overQUIC *config.Backend
}

func (w *yamlWriter) section(name string, there bool) {
	if there {
		fmt.Fprintf(&w.text, "%s:\n", name)
	}
}

// line writes one key. The zero place is no comment.
func (w *yamlWriter) line(depth int, key, value string, at config.Place) {
	fmt.Fprintf(&w.text, "%s%s:", strings.Repeat("  ", depth), key)
	if value != "" {
		w.text.WriteString(" " + value)
	}
	if position := w.config.Position(at); position.File != "" {
		fmt.Fprintf(&w.text, " # %s", position)
	}
	w.text.WriteByte('\n')
}

func (w *yamlWriter) key(depth int, key, value string) { w.line(depth, key, value, config.Place{}) }

// stanza writes one stanza: flat where it can be, else each protocol in its long form.
func (w *yamlWriter) stanza(of []*config.Listener) {
	w.line(1, of[0].Name, "", of[0].At)
	common := shared{commonRoute(of), w.commonTunnel(of), commonList(of)}
	for _, l := range of {
		if len(of) == 1 && !needsLongForm(l) {
			w.key(2, string(l.Protocol), binds(l))
			w.listener(2, l, common)
			continue
		}
		w.key(2, string(l.Protocol), "")
		w.key(3, "address", binds(l))
		if mode := l.Binds[0].Mode; mode != 0 {
			w.key(3, "mode", fmt.Sprintf(`"%04o"`, mode))
		}
		w.listener(3, l, common)
	}
	if common.tunnel != nil {
		w.via(2, common.tunnel)
	}
	if common.list != nil {
		w.list(2, common.list)
	}
	if common.route != nil {
		w.target(2, "to", common.route)
	}
}

// shared is what stands on a stanza, rather than in the long form of a protocol: `to`, `via` and `routes`, nil where they
// do not.
type shared struct {
	route  *config.Route
	tunnel *config.Tunnel
	list   *config.Listener
}

// commonTunnel is the tunnel that stands on the stanza itself, for all of its protocols; nil if there is none.
func (w *yamlWriter) commonTunnel(of []*config.Listener) *config.Tunnel {
	first := tunnelOf(of[0])
	if len(of) == 1 || first == nil || tunnelOf(of[1]) != first || slices.Contains(w.config.Tunnels, first) {
		return nil
	}
	return first
}

// needsLongForm reports whether l says something that only the long form of its protocol can say.
func needsLongForm(l *config.Listener) bool {
	rest := restRoute(l)
	own := l.Name + "/" + string(l.Protocol)
	return l.Binds[0].Mode != 0 || rest != nil && clusterOf(rest) == own ||
		slices.ContainsFunc(listed(l), func(r *config.Route) bool { return clusterOf(r) == own+"/"+r.Name })
}

// clusterOf is the cluster that r goes to in the first place. The name of one of its own tells where its `to` stands.
func clusterOf(r *config.Route) string {
	if r.Inside != nil {
		return r.Inside.Cluster
	}
	return r.To.Cluster
}

// commonRoute is the route whose `to` stands on the stanza, nil if there is none. The name of a private cluster tells:
// it is the stanza's for a `to` there, and has the protocol behind it for one in the long form. What goes through a tunnel
// has none, unless it has something inside, and stands with its protocol.
func commonRoute(of []*config.Listener) *config.Route {
	first := restRoute(of[0])
	for _, l := range of {
		switch rest := restRoute(l); {
		case rest == nil:
			first = nil
		case clusterOf(rest) == l.Name && (rest.Via == nil || rest.Inside != nil):
			return rest
		case rest.Via != nil:
			first = nil
		case first != nil && rest.To.Cluster != first.To.Cluster:
			first = nil
		}
	}
	if len(of) == 1 && needsLongForm(of[0]) {
		return nil
	}
	return first
}

// restRoute is where everything goes that no table matches, nil if it is refused.
func restRoute(l *config.Listener) *config.Route {
	if n := len(l.Routes); n > 0 && l.Routes[n-1].Name == "" {
		return l.Routes[n-1]
	}
	return nil
}

// listener writes all of l but where it listens, and but the `to` that stands on the stanza.
func (w *yamlWriter) listener(depth int, l *config.Listener, common shared) {
	w.nodes(depth, l.Audience)
	w.key(depth, "timeouts", flow("idle", l.Timeouts.Idle.String()))
	if l.Protocol == config.TCP && slices.ContainsFunc(l.Binds, func(b config.Bind) bool { return b.Path == "" }) {
		w.key(depth, "keepalive", keepalive(l.Keepalive))
	}
	if l.AccessLog != nil {
		w.key(depth, "access_log", accessLog(l.AccessLog))
	}
	if l.TLS != nil {
		w.line(depth, "tls", listenerTLS(l.TLS), l.TLSAt)
	}
	w.transparent(depth, l)
	if l.ProxyProtocol != nil {
		w.key(depth, "proxy_protocol", clientProxy(l.ProxyProtocol))
	}
	if l.MaxDatagram != 0 {
		w.key(depth, "max_datagram", l.MaxDatagram.String())
	}
	if l.Exit != nil {
		return // where it goes is said in its own words
	}
	w.listenerRequest(depth, l)
	if tunnel := tunnelOf(l); tunnel != common.tunnel && tunnel != nil {
		w.via(depth, tunnel)
	}
	if l.InOrder && !sameList(l, common.list) {
		w.list(depth, l)
	}
	if l.Inspects && !l.InOrder {
		w.key(depth, "sni", "")
	}
	for _, r := range l.Routes {
		switch {
		case l.InOrder && r.Name != "":
		case r.SNI != "":
			w.target(depth+1, strconv.Quote(r.SNI), r)
		case common.route == nil || clusterOf(r) != clusterOf(common.route):
			w.target(depth, "to", r)
		}
	}
}

func (w *yamlWriter) target(depth int, key string, r *config.Route) {
	switch b := r.To.Parts[0].Backend; {
	case r.Original:
		w.line(depth, key, "", r.At)
		w.original(depth+1, b)
		w.key(depth, "targets", texts(r.Targets))
	case r.Inside != nil:
		w.line(depth, key, "", r.At)
		w.inside(depth+1, r)
	case r.Via != nil:
		w.line(depth, key, strconv.Quote(r.Ask.String()), r.At)
	case r.To.Split:
		var weights []string
		for _, part := range r.To.Parts {
			weights = append(weights, part.Backend.Name, strconv.FormatUint(uint64(part.Weight), 10))
		}
		w.line(depth, key, flow(weights...), r.At)
	case b.Name != "":
		w.line(depth, key, b.Name, r.At)
	default:
		w.line(depth, key, "", r.At)
		w.backend(depth+1, b)
	}
}

func (w *yamlWriter) backend(depth int, b *config.Backend) {
	tcp, used := w.tcp[b]
	tcp = tcp || !used
	w.key(depth, "endpoints", endpoints(b))
	w.key(depth, "balance", string(b.Balance))
	if c := b.Check; c != nil {
		how := "tcp"
		if c.HTTP != 0 {
			how = "http"
		}
		w.key(depth, "check", flow(how, c.Interval().String(), "timeout", c.Timeout.String(),
			"fall", strconv.Itoa(c.Fall), "rise", strconv.Itoa(c.Rise)))
	}
	if tcp {
		w.key(depth, "timeouts", flow("connect", b.ConnectTimeout.String()))
	}
	if tcp && w.overQUIC != b && slices.ContainsFunc(b.Endpoints, func(e config.Endpoint) bool { return e.Path == "" }) {
		w.key(depth, "keepalive", keepalive(b.Keepalive))
	}
	if b.Source != nil {
		w.key(depth, "source", source(b.Source))
	}
	if b.ProxyProtocol != nil {
		w.key(depth, "proxy_protocol", proxyProtocol(b.ProxyProtocol))
	}
	if b.TLS != nil {
		w.line(depth, "tls", backendTLS(b.TLS), b.TLSAt)
	}
}

// nodes says who is given a listener; nothing if all are.
func (w *yamlWriter) nodes(depth int, s config.Selector) {
	if len(s.Terms) == 0 {
		return
	}
	terms := make([]string, len(s.Terms))
	for i, t := range s.Terms {
		terms[i] = w.group(t)
	}
	w.key(depth, "nodes", list(terms))
}

// group is the name of the group that t came from, or its conditions.
func (w *yamlWriter) group(t config.Term) string {
	for _, g := range w.config.Groups {
		if g.Selector.Equal(config.Selector{Terms: []config.Term{t}}) {
			return g.Name
		}
	}
	return term(t)
}

func term(t config.Term) string {
	var pairs []string
	add := func(key, value string) {
		if value != "" {
			pairs = append(pairs, key, strconv.Quote(value))
		}
	}
	add("id", t.ID)
	add("cluster", t.Cluster)
	add("zone", t.Zone)
	if len(t.Metadata) > 0 {
		var metadata []string
		for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
			metadata = append(metadata, strconv.Quote(key), strconv.Quote(t.Metadata[key]))
		}
		pairs = append(pairs, "metadata", flow(metadata...))
	}
	return flow(pairs...)
}

func binds(l *config.Listener) string {
	texts := make([]string, len(l.Binds))
	for i, b := range l.Binds {
		text := b.String()
		if b.Last != b.Port {
			text += "-" + strconv.Itoa(int(b.Last))
		}
		texts[i] = strconv.Quote(text)
	}
	return list(texts)
}

func endpoints(b *config.Backend) string {
	texts := make([]string, len(b.Endpoints))
	for i, e := range b.Endpoints {
		address := strconv.Quote(endpoint(e))
		pairs := []string{"address", address}
		if e.Weight != 1 || e.Priority != 0 {
			pairs = append(pairs, "weight", strconv.FormatUint(uint64(e.Weight), 10),
				"priority", strconv.FormatUint(uint64(e.Priority), 10))
		}
		if !reflect.DeepEqual(e.ProxyProtocol, b.ProxyProtocol) {
			pairs = append(pairs, "proxy_protocol", proxyProtocol(e.ProxyProtocol))
		}
		if texts[i] = address; len(pairs) > 2 {
			texts[i] = flow(pairs...)
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func endpoint(e config.Endpoint) string {
	switch {
	case e.Path != "":
		return "unix:" + e.Path
	case e.Host != "":
		return e.Host + ":" + strconv.Itoa(int(e.Port))
	default:
		return netip.AddrPortFrom(e.Address, e.Port).String()
	}
}

func keepalive(k *config.Keepalive) string {
	if k == nil {
		return "none"
	}
	return flow("idle", k.Idle.String(), "interval", k.Interval.String(), "probes", strconv.Itoa(k.Probes))
}

func accessLog(a *config.AccessLog) string {
	pairs := []string{"file", strconv.Quote(a.File)}
	if a.Text != "" {
		pairs = append(pairs, "text", strconv.Quote(a.Text))
	}
	if len(a.JSON) > 0 {
		pairs = append(pairs, "json", flow(fields(a.JSON)...))
	}
	return flow(pairs...)
}

// flow is "{a: 1, b: 2}" of keys and values in turn.
func flow(pairs ...string) string {
	var entries []string
	for pair := range slices.Chunk(pairs, 2) {
		entries = append(entries, pair[0]+": "+pair[1])
	}
	return "{" + strings.Join(entries, ", ") + "}"
}

// list is a list in flow style, or its only element.
func list(items []string) string {
	if len(items) == 1 {
		return items[0]
	}
	return "[" + strings.Join(items, ", ") + "]"
}
