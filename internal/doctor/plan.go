package doctor

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// nearEnds are the tunnels of c that have far ends to go to, those that stand inside of listeners, too.
func nearEnds(c *config.Config) []*config.Tunnel {
	var all []*config.Tunnel
	add := func(t *config.Tunnel) {
		if t != nil && t.Proxy != nil && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for _, t := range c.Tunnels {
		add(t)
	}
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			add(r.Via)
		}
	}
	return all
}

// want is what the far end of a tunnel is asked for, and what is sent there.
type want struct {
	protocol config.Protocol
	ask      config.Ask
	// sni is the host name that the client of a TCP listener asks for in TLS; empty where it need not.
	sni string
	// by is the tunnel whose near end asks, with these headers; another one, where its exit passes requests on.
	by      *config.Tunnel
	headers config.Headers
	// inside is whether the near end speaks something of its own with the target, inside of the tunnel.
	inside bool
}

// wantOf is what the near end asks for by this route of a listener.
func wantOf(l *config.Listener, r *config.Route) want {
	return want{l.Protocol, r.Ask, serverName(r), r.Via, r.Headers, r.Inside != nil}
}

// same reports whether a far end could not tell w from o.
func (w want) same(o want) bool {
	return w.protocol == o.protocol && w.ask == o.ask && w.sni == o.sni && w.by == o.by && slices.Equal(w.headers, o.headers)
}

// String is w for people: "tcp 10.0.0.1:53".
func (w want) String() string { return string(w.protocol) + " " + w.ask.String() }

// wants are what the far ends are asked for, each once: what the listeners of the file ask for, and the stand-ins that none
// of them asks for; or the target that was chosen.
func (p *patient) wants() []want {
	wants := asked(p.config, p.tunnel, nil)
	if p.Target != (config.Ask{}) {
		return p.instead(wants, p.Target)
	}
	for _, address := range p.Echo {
		if a, err := config.ParseAsk(address); err == nil && !p.anybodyAsks(a) && !net.ParseIP(a.Host).IsUnspecified() {
			wants = append(wants, p.instead(wants, a)...)
		}
	}
	return each(wants)
}

// instead is a in the place of wants, by the same protocols.
func (p *patient) instead(wants []want, a config.Ask) []want {
	var others []want
	for _, w := range wants {
		others = append(others, want{protocol: w.protocol, ask: a, by: w.by, headers: w.headers})
	}
	if len(wants) == 0 {
		others = []want{{protocol: config.TCP, ask: a, by: p.tunnel, headers: p.tunnel.Headers}}
		if p.tunnel.HTTP != config.HTTPAuto {
			others = append(others, want{protocol: config.UDP, ask: a, by: p.tunnel, headers: p.tunnel.Headers})
		}
	}
	return each(others)
}

// anybodyAsks reports whether some listener asks the far ends of some tunnel for a.
func (p *patient) anybodyAsks(a config.Ask) bool {
	for _, l := range p.config.Listeners {
		for _, r := range l.Routes {
			if r.Via != nil && r.Ask == a {
				return true
			}
		}
	}
	return false
}

// each is wants without repetitions.
func each(wants []want) []want {
	var once []want
	for _, w := range wants {
		if !slices.ContainsFunc(once, w.same) {
			once = append(once, w)
		}
	}
	return once
}

// asked are what goes through t, also what comes through other tunnels, whose exits pass it on.
func asked(c *config.Config, t *config.Tunnel, passed []*config.Tunnel) []want {
	var wants []want
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			switch {
			case r.Via != t:
			case l.Exit == nil:
				wants = append(wants, wantOf(l, r))
			case !slices.Contains(passed, l.Exit.Tunnel):
				wants = append(wants, passing(r, asked(c, l.Exit.Tunnel, append(passed, t)))...)
			}
		}
	}
	return wants
}

// passing are those of the wants that the route of an exit passes on, by their targets.
func passing(r *config.Route, wants []want) []want {
	return slices.DeleteFunc(wants, func(w want) bool {
		return r.RequestMatch != nil && !slices.ContainsFunc(r.RequestMatch.Targets, func(a config.Allowed) bool { return a.Allows(w.ask) })
	})
}

// serverName is a host name that the route takes; empty where it takes all clients.
func serverName(r *config.Route) string {
	name := r.SNI
	if m := r.Match; m != nil && len(m.SNI) > 0 {
		name = string(m.SNI[0])
	}
	switch below, wild := strings.CutPrefix(name, "*."); {
	case wild:
		return "check." + below
	case name == "*":
		return "check.invalid"
	default:
		return name
	}
}

// question is a request to a far end.
type question struct {
	method, authority, path string
	// datagrams is whether the stream carries them: by CONNECT-UDP, or in a POST.
	datagrams bool
	header    http.Header
}

// String is q in one line.
func (q question) String() string {
	if q.method == http.MethodPost {
		return "POST " + q.path
	}
	if q.datagrams {
		return "CONNECT-UDP"
	}
	return "CONNECT"
}

// question is how a near end asks for w.
func (w want) question() question {
	t := w.by
	q := question{method: http.MethodConnect, authority: w.ask.String(), datagrams: w.protocol == config.UDP}
	if q.datagrams {
		host, port := translate.ProxyHost(t)
		q.authority = host
		if port != nil {
			q.authority = net.JoinHostPort(host, strconv.Itoa(int(port.GetValue())))
		}
		q.path = "/.well-known/masque/udp/" + strings.ReplaceAll(w.ask.Host, ":", "%3A") + "/" + strconv.Itoa(int(w.ask.Port)) + "/"
	}
	if t.Method == config.Post {
		q.method, q.path = http.MethodPost, t.Path
		if q.path == "" {
			q.path = "/"
		}
	}
	q.header, _ = literal(w.headers)
	return q
}

// upgrade reports whether q is a CONNECT-UDP.
func (q question) upgrade() bool { return q.datagrams && q.method == http.MethodConnect }

// operator is one of Envoy's in a text. A percent sign is written twice.
var operator = regexp.MustCompile(`%%|%[^%]+%`)

// literal are the headers that a near end adds. What depends on a connection has no value here: Envoy writes a hyphen
// where there is none, and so do we. vague are the names of such headers.
func literal(headers config.Headers) (all http.Header, vague []string) {
	all = http.Header{"User-Agent": {"l4xds"}}
	for _, h := range headers {
		value := operator.ReplaceAllStringFunc(h.Value, func(op string) string {
			if op == "%%" {
				return "%"
			}
			vague = append(vague, h.Name)
			return "-"
		})
		all.Set(h.Name, value)
	}
	return all, slices.Compact(vague)
}

// vagueHeaders are the names of headers that cannot be sent as a near end would.
func vagueHeaders(wants []want) (names []string) {
	for _, w := range wants {
		_, vague := literal(w.headers)
		names = append(names, vague...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
