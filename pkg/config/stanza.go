package config

import (
	"io/fs"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// file is the whole of what may be written.
type file struct {
	// Version is the version of this language; there is one so far.
	// Default: 1.
	// Envoy: nothing; it is for the reader.
	Version int `yaml:"version" default:"1" range:"1..1"`
	// Listeners are the stanzas that say where the Envoys listen, and where what arrives there goes.
	// Envoy: envoy.config.listener.v3.Listener, one for each address
	Listeners map[string]stanza `yaml:"listeners"`
	// Backends are the sets of endpoints that are shared by name, or need more than a list of addresses.
	// Envoy: envoy.config.cluster.v3.Cluster
	Backends map[string]Backend `yaml:"backends"`
	// Tunnels are hops that carry listeners inside HTTP.
	// Envoy: the clusters of the far ends, and what listeners ask them for
	Tunnels map[string]tunnelForm `yaml:"tunnels"`
	// Groups are sets of Envoys by name, for `nodes`.
	// Envoy: nothing; l4xds decides by them what an Envoy is given.
	Groups map[string]Term `yaml:"groups"`
	// Defaults are values for all listeners and all backends, inline ones too, that do not say otherwise. What does not
	// apply to a protocol is left out there.
	// Envoy: what its keys become.
	Defaults defaults `yaml:"defaults"`
}

// defaults are for all listeners and all backends that do not say otherwise.
type defaults struct {
	// Listeners are the values for all listeners.
	// Envoy: what its keys become.
	Listeners listenerDefaults `yaml:"listeners"`
	// Backends are the values for all backends.
	// Envoy: what its keys become.
	Backends backendDefaults `yaml:"backends"`
}

// listenerDefaults are the keys of a listener that can have a value for all.
type listenerDefaults struct {
	// Bind is the IP address on which ports without an address listen; `"::"` takes both families.
	// Default: 0.0.0.0, all IPv4 addresses.
	// Envoy: envoy.config.listener.v3.Listener.address
	Bind     bindAddress `yaml:"bind" default:"0.0.0.0"`
	Listener `yaml:",inline"`
}

// backendDefaults are the keys of a backend that can have a value for all.
type backendDefaults struct {
	Backend `yaml:",inline" without:"endpoints"`
}

// stanza is one entry of `listeners:`.
type stanza struct {
	// TCP is where it listens for connections: a port, `address:port`, `"[v6]:port"`, a range of ports (also after an
	// address), `unix:/path`, or a list of these; or a map with the address and what holds for TCP alone.
	// Envoy: envoy.config.listener.v3.Listener.address
	TCP listen `yaml:"tcp"`
	// UDP is where it listens for datagrams; written like `tcp`, but for unix sockets.
	// Envoy: envoy.config.listener.v3.Listener.address and udp_listener_config
	UDP          listen `yaml:"udp"`
	listenerKeys `yaml:",inline"`
}

// listenerKeys may stand on a stanza, or in the long form of one of its protocols for that one alone.
type listenerKeys struct {
	// To is where everything goes that no row of `sni` takes: endpoints, a backend's name, or names with weights; or `original`,
	// where captured connections were going. Only beside `sni` it may be left out.
	// Envoy: envoy.config.listener.v3.Listener.default_filter_chain, or the one filter chain
	To target `yaml:"to"`
	// SNI sends TLS connections to different places by the host name that the client asks for: `*.x` is any name below x,
	// `"*"` any other TLS client, also one that names no host. TLS passes through untouched, unless `tls` beside it ends it.
	// Everything else, clear text included, goes where `to` beside it says, and is refused without.
	// Envoy: envoy.config.listener.v3.FilterChainMatch.server_names, with the tls_inspector listener filter
	SNI sniTable `yaml:"sni" only:"tcp" instead:"routes"`
	// Targets are what `to: original` may reach: networks (`10.0.0.0/8`), also with a port or a range (`10.0.0.0/8:5432`),
	// `10.0.0.1:443`, `"*:53-54"`, or `any`, with which every address and port can be reached through the Envoy by all whose traffic
	// it captures. What is dialled besides is refused.
	// Envoy: envoy.config.listener.v3.Listener.filter_chain_matcher
	Targets reaches `yaml:"targets" only:"tcp"`
	// Routes send connections and sessions to different places by what is known of them: the first route takes it whose
	// conditions all hold. What no route takes goes where `to` beside them says, and is refused without; of UDP it is then
	// dropped, and counted by `udp.LISTENER.downstream_sess_no_route`.
	// Envoy: envoy.config.listener.v3.Listener.filter_chain_matcher, or the matcher of udp_proxy
	Routes routeList `yaml:"routes" instead:"sni"`
	// Via is the tunnel that carries it, by its name or as it would stand in `tunnels`: `to`, and every row of `sni`, is then one HOST:PORT that the far end is asked for,
	// and that it resolves. The host may hold Envoy's operators for the address that the client dialled or comes from, such as
	// `%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%`, and with `sni` the name that it asks for, `%REQUESTED_SERVER_NAME%`. For TCP the
	// port may be one: `%DOWNSTREAM_LOCAL_PORT%`.
	// Default: none, straight to where `to` says.
	// Envoy: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.tunneling_config, and the same of udp_proxy
	Via tunnelRef `yaml:"via"`
	// Nodes are the Envoys that are given this listener: a group, a list of groups (any of them), or what a group holds.
	// Default: all.
	// Envoy: nothing; l4xds decides by it what an Envoy is given.
	Nodes            audience `yaml:"nodes"`
	listenerDefaults `yaml:",inline"`
	// Request is how it is asked for a connection, or through a tunnel.
	Request `yaml:",inline"`
	// Private takes the keys of the backend that stands inline in `to`.
	Private backendDefaults `yaml:",inline" without:"proxy_protocol"`
}

// protocolForm is the long form of `tcp:` and `udp:`.
type protocolForm struct {
	// Address is what the short form would be.
	// Envoy: envoy.config.listener.v3.Listener.address
	Address addresses `yaml:"address,main" required:"true"`
	// Mode is the file mode of the unix socket, as three or four octal digits in quotes: `"0660"`.
	// Default: what the umask of Envoy leaves.
	// Envoy: envoy.config.core.v3.Pipe.mode
	Mode         fileMode `yaml:"mode" only:"tcp"`
	listenerKeys `yaml:",inline"`
}

// bindAddress is an IP address to listen on.
type bindAddress struct{ netip.Addr }

func (b *bindAddress) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	var err error
	if b.Addr, err = parseIP(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
		d.wrong(v, err)
	}
}

// fileMode is that of a unix socket.
type fileMode struct{ fs.FileMode }

func (m *fileMode) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	n, err := strconv.ParseUint(text, 8, 32)
	switch {
	case err != nil || n == 0 || n > 0o777 || len(text) < 3:
		d.errorf(idUnix, v, "%s is not a file mode; write three or four octal digits, such as \"0660\"", quote(text))
	case !v.quoted:
		d.errorf(idUnix, v, "%s is a number to YAML; write \"%04o\", in quotes", text, n)
	}
	m.FileMode = fs.FileMode(n)
}

// listen is `tcp:` or `udp:`, short or long.
type listen struct{}

// decode does nothing: each protocol of a stanza is read on its own, in its long form.
func (*listen) decode(*decoder, *value) {}

// addresses are the elements of `tcp:` or `udp:`.
type addresses []bound

// bound is one address to listen on, and where it is written.
type bound struct {
	Bind
	value *value
}

func (a *addresses) decode(d *decoder, v *value) {
	*a = nil
	items := v.elements()
	if len(items) == 0 {
		d.errorf(idAddress, v, "is an empty list; write a port")
	}
	for _, item := range items {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		b, err := parseBind(text)
		if err != nil {
			d.wrong(item, err)
			continue
		}
		*a = append(*a, bound{b, item})
	}
}

// sniTable is `sni:`, in the order of the file.
type sniTable []row

// row is one line of a table.
type row struct {
	host *value
	to   target
}

func (s *sniTable) decode(d *decoder, v *value) {
	*s = nil
	if v.kind != mapping || len(v.pairs) == 0 {
		d.errorf(idKind, v, "%s where a table belongs: host names, and where they go", v.what())
		return
	}
	for _, p := range v.pairs {
		if p.value.null() {
			d.errorf(idNoValue, p.key, "has no value; write where it goes")
			continue
		}
		r := row{host: p.key}
		r.to.decode(d, p.value)
		*s = append(*s, r)
	}
}

// audience is `nodes:`: names of groups, and selectors in place.
type audience struct {
	value *value
	terms []nodeTerm
}

// nodeTerm is one element of `nodes:`: a group's name, or what a group would hold.
type nodeTerm struct {
	name *value
	term *Term
}

func (a *audience) decode(d *decoder, v *value) {
	*a = audience{value: v}
	for _, item := range v.elements() {
		if item.kind == mapping {
			t := &Term{}
			t.decode(d, item)
			a.terms = append(a.terms, nodeTerm{term: t})
		} else if _, ok := d.text(item); ok {
			a.terms = append(a.terms, nodeTerm{name: item})
		}
	}
	if v.kind == list && len(v.items) == 0 {
		d.errorf(idMatchesNoOne, v, "is an empty list, which no Envoy matches; leave it out for all")
	}
}

// decode reads a group, or what stands in its place.
func (t *Term) decode(d *decoder, v *value) {
	if v.kind == mapping && len(v.pairs) == 0 {
		d.errorf(idEmptyGroup, v, "has no conditions; write id, cluster, zone or metadata")
		return
	}
	d.mapping(v, t)
	if m := v.get("metadata"); m != nil && m.kind == mapping && len(m.pairs) == 0 {
		d.errorf(idEmptyGroup, m, "has no keys; leave it out, or write a key and its value")
	}
}

// endpointForm is the long form of an endpoint.
type endpointForm struct {
	// Address is what the short form would be.
	// Envoy: envoy.config.endpoint.v3.Endpoint.address
	Address  endpointAddress `yaml:"address,main" required:"true"`
	Endpoint `yaml:",inline"`
}

// endpointAddress is where an endpoint is.
type endpointAddress struct{ Endpoint }

func (a *endpointAddress) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	var err error
	if a.Endpoint, err = parseEndpoint(text); err != nil {
		d.wrong(v, err)
	}
}

func (e *Endpoint) decode(d *decoder, v *value) {
	var form endpointForm
	d.mapping(shapeOf(reflect.TypeOf(form)).long(v), &form)
	*e = form.Address.Endpoint
	e.Weight, e.Priority, e.ProxyProtocol = form.Weight, form.Priority, form.ProxyProtocol
}

func (f *Fields) decode(d *decoder, v *value) {
	var texts map[string]string
	d.texts(v, &texts)
	*f = nil
	format := shapeOf(reflect.TypeFor[AccessLog]()).index["text"]
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		d.fits(format, v.get(name))
		*f = append(*f, Field{name, texts[name]})
	}
}
