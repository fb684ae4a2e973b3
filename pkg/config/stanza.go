package config

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
)

// file is the whole of the file.
type file struct {
	// Version is that of the file's language; 1 is the only one.
	Version int `yaml:"version"`
	// Listeners are where the Envoys listen, and where what arrives there goes.
	Listeners map[string]stanza `yaml:"listeners"`
	// Backends are sets of endpoints that are shared by name, or need more than a list of addresses.
	Backends map[string]Backend `yaml:"backends"`
	// Groups name sets of Envoys, for `nodes`.
	Groups map[string]Term `yaml:"groups"`
	// Defaults are values for all listeners and all backends that do not say otherwise.
	Defaults defaults `yaml:"defaults"`
}

// defaults are values for all listeners and all backends, inline ones too.
type defaults struct {
	Listeners listenerDefaults `yaml:"listeners"`
	Backends  backendDefaults  `yaml:"backends"`
}

type listenerDefaults struct {
	// Bind is the address on which bare ports listen.
	Bind     bindAddress `yaml:"bind" default:"0.0.0.0"`
	Listener `yaml:",inline"`
}

type backendDefaults struct {
	Backend `yaml:",inline" without:"endpoints"`
}

// stanza is one entry of `listeners:`.
type stanza struct {
	// TCP is where it listens for connections.
	TCP addresses `yaml:"tcp"`
	// UDP is where it listens for datagrams.
	UDP          addresses `yaml:"udp"`
	listenerKeys `yaml:",inline"`
}

// listenerKeys may stand on a stanza, or in the long form of one of its protocols for that one alone.
type listenerKeys struct {
	listenerDefaults `yaml:",inline"`
	// To is where everything goes that no row of `sni` takes.
	To target `yaml:"to"`
	// SNI sends TLS connections to different places by the host name that the client asks for.
	SNI sniTable `yaml:"sni" only:"tcp"`
	// Nodes are the Envoys that are given this listener.
	Nodes audience `yaml:"nodes"`
	// Private holds the keys of the backend that stands inline in `to`.
	Private Backend `yaml:",inline" without:"endpoints"`
}

// protocolForm is the long form of `tcp:` and `udp:`.
type protocolForm struct {
	// Address is what the short form would be.
	Address      addresses `yaml:"address,main" required:"true"`
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
	if b.Addr, err = parseIP(text); err != nil {
		d.errorOf(idAddress, v, err)
	}
}

// addresses are the elements of `tcp:` or `udp:`.
type addresses []bound

type bound struct {
	Bind
	value *value
}

func (a *addresses) decode(d *decoder, v *value) {
	if v.kind == mapping {
		return // the long form is read key by key
	}
	for _, item := range v.elements() {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		b, err := parseBind(text)
		if err != nil {
			d.errorOf(idAddress, item, err)
			continue
		}
		*a = append(*a, bound{b, item})
	}
}

// target is `to` as it is written: a name, names with weights, or a backend inline.
type target struct {
	value  *value
	inline *value // a mapping with the keys of a backend; nil: parts are named
	split  bool
	parts  []share
}

// share is one named backend of a target.
type share struct {
	name   *value
	weight uint32
}

func (t *target) decode(d *decoder, v *value) {
	*t = target{value: v}
	switch {
	case v.kind == mapping && v.get("endpoints") != nil:
		t.inline = v
	case v.kind == mapping:
		t.split = true
		t.weights(d, v)
	case v.kind == list || !validName(v.text):
		t.inline = endpointsOnly(v)
	default:
		t.parts = []share{{v, 1}}
	}
}

// endpointsOnly is the long form of a backend that is written as its endpoints.
func endpointsOnly(v *value) *value {
	long := *v
	long.kind, long.items = mapping, nil
	key := &value{doc: v.doc, line: v.line, column: v.column, text: "endpoints", parent: v.parent}
	long.pairs = []pair{{key, v}}
	return &long
}

var weightKey = &key{bounds: bounds{"0", "1000000"}}

func (t *target) weights(d *decoder, v *value) {
	for _, p := range v.pairs {
		if n, ok := d.number(weightKey, p.value); ok {
			t.parts = append(t.parts, share{p.key, uint32(n)})
		}
	}
}

// sniTable is `sni:`, in the order of the file.
type sniTable []row

type row struct {
	host *value
	to   target
}

func (s *sniTable) decode(d *decoder, v *value) {
	if v.kind != mapping {
		d.errorf(idKind, v, "%s is not a map of host names and where they go", v.what())
		return
	}
	for _, p := range v.pairs {
		r := row{host: p.key}
		r.to.decode(d, p.value)
		*s = append(*s, r)
	}
}

// audience is `nodes:`: names of groups, or a selector.
type audience struct {
	names []*value
	term  *Term
}

func (a *audience) decode(d *decoder, v *value) {
	if v.kind == mapping {
		a.term = &Term{}
		d.mapping(v, a.term)
		return
	}
	a.names = slices.Clone(v.elements())
}

// endpointForm is the long form of an endpoint.
type endpointForm struct {
	Address  string `yaml:"address,main" required:"true"`
	Endpoint `yaml:",inline"`
}

func (e *Endpoint) decode(d *decoder, v *value) {
	v = shapeOf(reflect.TypeFor[endpointForm]()).long(v)
	var form endpointForm
	d.mapping(v, &form)
	if form.Address == "" {
		return
	}
	parsed, err := parseEndpoint(form.Address)
	if err != nil {
		d.errorOf(idEndpoint, v.get("address"), err)
	}
	parsed.Weight = form.Weight
	*e = parsed
}

func (f *Fields) decode(d *decoder, v *value) {
	var texts map[string]string
	d.texts(v, &texts)
	*f = nil
	for name, text := range texts {
		*f = append(*f, Field{name, text})
	}
	slices.SortFunc(*f, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
}
