package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	_ "embed"

	"github.com/l4xds/l4xds/pkg/config"
)

// The parts of the reference that no declaration tells.
var (
	//go:embed reference_head.md
	referenceHead string
	//go:embed reference_tail.md
	referenceTail string
)

// section is one map of the file, with the path under which the reader finds it.
type section struct {
	title, intro string
	spec         *config.Spec
}

// referenceWriter writes the keys of all maps, each map once.
type referenceWriter struct {
	bytes.Buffer
	docs comments
	// seen are the maps that were written or wait.
	seen map[string]bool
	wait []section
}

// titles are the headings of maps, and what stands above their keys.
var titles = map[string]section{
	"":               {title: "File"},
	"listener":       {title: "Listener", intro: "An entry of `listeners`. The name is for people: it is the prefix of the statistics, and stands in logs and messages. A stanza with `tcp` and `udp` is one listener on each; a key must then hold for both, and what is for one of them stands in that protocol's long form."},
	"protocol":       {title: "Long form of tcp and udp", intro: "`tcp: {address: 53, timeouts: {idle: 1h}}`. It takes the keys of a listener, for this protocol alone; they win over those of the stanza. A backend of its own is then named `LISTENER/tcp` or `LISTENER/udp`."},
	"backend":        {title: "Backend", intro: "An entry of `backends`, or what stands inline in `to`. `balance`, `check` and `timeouts: {connect: …}` may also stand on a listener whose `to` is inline; next to a backend's name they are an error that points to the backend."},
	"endpoint":       {title: "Endpoint", intro: "The long form of an endpoint."},
	"check":          {title: "Check"},
	"keepalive":      {title: "Keepalive", intro: "`keepalive: 30s` is `keepalive: {idle: 30s}`; `keepalive: none` turns it off."},
	"listener_tls":   {title: "TLS of a listener", intro: "`tls: api.crt` is `tls: {cert: api.crt}`. Every path is relative to the file that names it; l4xds reads and watches the files, and sends what is new in them to the Envoys, whose listeners and connections stay. In place of a path `{on_envoy: /path}` names a file beside the Envoy."},
	"backend_tls":    {title: "TLS of a backend", intro: "`tls: ca.crt` is `tls: {ca: ca.crt}`, and `tls: system` takes the authorities that the Envoy's machine trusts. What holds for the files of a listener's holds here."},
	"access_log":     {title: "Access log", intro: "`access_log: stdout` is `access_log: {file: stdout}`."},
	"tunnel":         {title: "Tunnel", intro: "An entry of `tunnels`: a hop that carries listeners inside HTTP, one stream for each connection or session. The keys of a backend on it are for the way to its `proxy`; where that is a backend's name they are an error that points to the backend. See [tunnels](tunnels.md) for what works over which version of HTTP."},
	"exit":           {title: "Exit", intro: "The far end of a tunnel, a listener that speaks HTTP/1.1 and HTTP/2. It resolves the names that it is asked for, goes to `targets` alone, and answers everything else with 404. The statistics are those of the http_connection_manager, with the tunnel's name as prefix."},
	"inside":         {title: "Inside a tunnel", intro: "What `to` holds in its long form where `via` stands beside it: `to: {endpoints: \"db.internal:5432\", proxy_protocol: v2}`. It is spoken with the target from end to end, and the far end sees none of it. Defaults of backends do not hold here: they are for the way to the far end. See [tunnels](tunnels.md#the-clients-address)."},
	"transparent":    {title: "Transparent", intro: "`transparent: tproxy` is `transparent: {mode: tproxy}`. See [transparent mode](transparent.md) for what each mode takes and gives."},
	"source":         {title: "Source of a backend", intro: "`source: 10.0.0.9` is `source: {address: 10.0.0.9}`."},
	"original":       {title: "Original destination", intro: "The long form of `to: original`: `to: {endpoints: original, proxy_protocol: v2}`. Each connection goes to the address that its client dialled, within `targets`."},
	"client_proxy":   {title: "PROXY protocol of clients", intro: "What a load balancer in front tells of its clients. `proxy_protocol: require` is `proxy_protocol: {mode: require}`. What a backend is told is said on [the backend](#proxy-protocol)."},
	"proxy_protocol": {title: "PROXY protocol", intro: "What a backend, an endpoint of it, or the target of a tunnel is told. `proxy_protocol: v2` is `proxy_protocol: {version: v2}`; on an endpoint it stands in place of that of its backend. What clients tell is said on [the listener](#proxy-protocol-of-clients)."},
	"route":          {title: "Route", intro: "An element of `routes`. All of its conditions must hold: `sni`, `alpn`, `from`, `peer`, `from_port`, `port`, `address` and `transport` for TCP, `from`, `port` and `address` for UDP; each by one of its values. Without a condition it takes the rest. What a route does not say of `timeouts`, `access_log`, `headers`, `retry`, and of the keys of the backend in its `to`, is as on the listener. A route that nothing comes to is an error. The TLS client hello is read for all clients of the listener where some route asks for `sni`, `alpn` or `transport`; a protocol whose server speaks first does not work there."},
	"exit_route":     {title: "Exit route", intro: "An element of `routes` of an exit. All of its conditions must hold, `target` and `request_headers`; without one it takes the rest."},
	"retry":          {title: "Retry", intro: "`retry: 5` is `retry: {attempts: 5}`; `retry: none` is one attempt."},
	"buffer":         {title: "Buffer", intro: "`buffer: 64` is `buffer: {datagrams: 64}`; `buffer: none` holds nothing."},
	"ping":           {title: "Ping", intro: "`ping: 5s` is `ping: {interval: 5s}`; `ping: none` turns it off."},
	"group":          {title: "Group", intro: "An entry of `groups`, or what stands in place of its name in `nodes`. All of its conditions must fit, and there is one at least."},
}

// writeReference is the reference of the file.
func writeReference(spec *config.Spec, docs comments) []byte {
	w := &referenceWriter{docs: docs, seen: map[string]bool{}}
	w.WriteString(strings.TrimSpace(referenceHead) + "\n\n")
	w.queue(spec)
	for len(w.wait) > 0 {
		next := w.wait[0]
		w.wait = w.wait[1:]
		w.section(next)
	}
	w.WriteString(strings.TrimSpace(referenceTail) + "\n\n")
	w.messages()
	return w.Bytes()
}

// queue notes the maps with names that stand in s.
func (w *referenceWriter) queue(s *config.Spec) {
	if s == nil {
		return
	}
	if s.Keys != nil && !w.seen[s.Name] && (s.Name != "" || len(w.seen) == 0) {
		w.seen[s.Name] = true
		next := titles[s.Name]
		next.spec = s
		w.wait = append(w.wait, next)
		return
	}
	w.queue(s.Items)
	w.queue(s.Values)
	for _, form := range s.AnyOf {
		w.queue(form)
	}
}

func (w *referenceWriter) section(s section) {
	fmt.Fprintf(w, "## %s\n\n", s.title)
	if s.intro != "" {
		fmt.Fprintf(w, "%s\n\n", s.intro)
	}
	w.keys("", s.spec)
}

// keys writes the keys of a map; prefix is the way to it within the section.
func (w *referenceWriter) keys(prefix string, s *config.Spec) {
	for _, k := range s.Keys {
		if k.Spec.Name == "" && k.Spec.Keys != nil && k.Name != "defaults" {
			w.keys(prefix+k.Name+".", k.Spec)
			continue
		}
		w.key(prefix, k)
		w.queue(k.Spec)
	}
}

func (w *referenceWriter) key(prefix string, k config.KeySpec) {
	doc := w.docs[k.Owner+"."+k.Field]
	fmt.Fprintf(w, "### `%s%s`\n\n%s\n\n", prefix, k.Name, doc.text)
	fmt.Fprintf(w, "- Written as: %s.\n", say(k.Spec))
	switch {
	case doc.fallback != "":
		fmt.Fprintf(w, "- Default: %s\n", doc.fallback)
	case k.Required:
		fmt.Fprintf(w, "- Required.\n")
	}
	if k.Only != "" {
		fmt.Fprintf(w, "- %s only. On a listener of the other protocol it is an error; in `defaults` it is left out there.\n",
			strings.ToUpper(string(k.Only)))
	}
	fmt.Fprintf(w, "- Envoy: %s\n\n", envoyPath.ReplaceAllString(doc.envoy, "`$0`"))
}

// envoyPath is a message or a field of Envoy's API.
var envoyPath = regexp.MustCompile(`envoy\.[A-Za-z0-9_.]*[A-Za-z0-9_]`)

// say is a spec in words.
func say(s *config.Spec) string {
	switch {
	case s.AnyOf != nil:
		forms := make([]string, len(s.AnyOf))
		for i, form := range s.AnyOf {
			forms[i] = say(form)
		}
		return strings.Join(forms, "; or ")
	case s.Name != "":
		title := titles[s.Name].title
		return fmt.Sprintf("a map, see [%s](#%s)", title, strings.ReplaceAll(strings.ToLower(title), " ", "-"))
	case s.Say != "" && s.Values != nil && s.Values.Name != "":
		return s.Say + ": " + say(s.Values)
	case s.Say != "":
		return s.Say
	case s.Keys != nil:
		return "`" + sketch(s) + "`"
	}
	return "`" + strings.Join(s.Words, "`, `") + "`"
}

// sketch is a map with its keys, and those of the maps in it.
func sketch(s *config.Spec) string {
	var keys []string
	for _, k := range s.Keys {
		if k.Spec.Name == "" && k.Spec.Keys != nil {
			keys = append(keys, k.Name+": "+sketch(k.Spec))
		} else {
			keys = append(keys, k.Name)
		}
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

func (w *referenceWriter) messages() {
	w.WriteString("## Messages\n\nEvery message ends with its id. Ids are stable; search for them here.\n\n| id | what it is about |\n| --- | --- |\n")
	for _, m := range config.Messages {
		fmt.Fprintf(w, "| %s | %s |\n", m.ID, strings.ReplaceAll(m.About, "|", "\\|"))
	}
}
