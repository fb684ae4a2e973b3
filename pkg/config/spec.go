package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec says what may be written in one place of the file. The walker reads by the same tags and types that it is made
// from; the reference, the schema for editors, and later `explain` are made from it.
type Spec struct {
	// Name is that of a map with known keys: "listener", "check".
	Name string
	// Say is the form in words, as "a duration, 1ms..8760h". Empty for AnyOf and for maps with known keys.
	Say string
	// Kind is what is written; with AnyOf it is empty.
	Kind SpecKind
	// Pattern is what a text must match.
	Pattern string
	// Words are the only texts, if there are some.
	Words []string
	// Min and Max bound a number.
	Min, Max int64
	// Items is what a list holds, one element at least.
	Items *Spec
	// Keys are the known keys of a map, Values what stands behind every key that matches NamePattern, but for those that
	// match NotPattern. Such a map holds one entry at least if NotEmpty is set.
	Keys                    []KeySpec
	Values                  *Spec
	NamePattern, NotPattern string
	NotEmpty                bool
	// Needs are sets of keys, of each of which one must be there.
	Needs [][]Need
	// Excludes are pairs of keys that cannot stand side by side.
	Excludes [][]string
	// AnyOf are the forms in which the value may be written.
	AnyOf []*Spec
}

// Need is a key that must be there, or one of several.
type Need struct {
	Key string
	// Map is whether its value must be a map.
	Map bool
}

// SpecKind is what a value is.
type SpecKind string

// The kinds. A Scalar is a text that may look like something else to YAML.
const (
	TextKind   SpecKind = "text"
	ScalarKind SpecKind = "scalar"
	NumberKind SpecKind = "number"
	ListKind   SpecKind = "list"
	MapKind    SpecKind = "map"
	FlagKind   SpecKind = "flag"
)

// KeySpec is one key of a map.
type KeySpec struct {
	Name string
	// Owner and Field are the Go type and its field which declare the key: its documentation is the comment there. They
	// are empty for a map that only groups keys.
	Owner, Field string
	// Default is what an absent key means, as it would be written; DefaultUDP the same for UDP, where that differs.
	Default, DefaultUDP string
	// Only is the one protocol on which the key has an effect; empty for both.
	Only     Protocol
	Required bool
	Spec     *Spec
}

// FileSpec is what may be written in a file.
func FileSpec() *Spec { return specOf(reflect.TypeFor[file]()) }

// specified is a formed type that tells its forms.
type specified interface {
	spec() *Spec
}

// specNames are the names of maps where that of the Go type is not what a reader expects.
var specNames = map[reflect.Type]string{
	reflect.TypeFor[stanza]():        "listener",
	reflect.TypeFor[protocolForm]():  "protocol",
	reflect.TypeFor[Term]():          "group",
	reflect.TypeFor[endpointForm]():  "endpoint",
	reflect.TypeFor[AccessLog]():     "access_log",
	reflect.TypeFor[Backend]():       "backend",
	reflect.TypeFor[Check]():         "check",
	reflect.TypeFor[Keepalive]():     "keepalive",
	reflect.TypeFor[Transparent]():   "transparent",
	reflect.TypeFor[dialledForm]():   "original",
	reflect.TypeFor[BackendSource](): "source",
	reflect.TypeFor[tunnelForm]():    "tunnel",
	reflect.TypeFor[exitForm]():      "exit",
	reflect.TypeFor[insideForm]():    "inside",
	reflect.TypeFor[ProxyProtocol](): "proxy_protocol",
	reflect.TypeFor[ClientProxy]():   "client_proxy",
	reflect.TypeFor[routeForm]():     "route",
	reflect.TypeFor[exitRouteForm](): "exit_route",
	reflect.TypeFor[Retry]():         "retry",
	reflect.TypeFor[Buffer]():        "buffer",
	reflect.TypeFor[Ping]():          "ping",
	reflect.TypeFor[ListenerTLS]():   "listener_tls",
	reflect.TypeFor[BackendTLS]():    "backend_tls",
}

// specOf is the map whose keys a struct declares.
func specOf(t reflect.Type) *Spec {
	s := shapeOf(t).spec()
	s.Name = specNames[t]
	if t == reflect.TypeFor[Check]() {
		s.Needs = [][]Need{{{Key: "tcp"}, {Key: "http"}}}
	}
	if t == reflect.TypeFor[tunnelForm]() {
		s.Needs = [][]Need{{{Key: "proxy"}, {Key: "exit"}}}
	}
	if t == reflect.TypeFor[stanza]() {
		s.Needs = [][]Need{
			{{Key: "tcp"}, {Key: "udp"}},
			{{Key: "to"}, {Key: "sni"}, {Key: "routes"}, {Key: "tcp", Map: true}, {Key: "udp", Map: true}},
		}
	}
	return s
}

func (s *shape) spec() *Spec {
	made := &Spec{Kind: MapKind}
	for _, k := range s.keys {
		made.Keys = append(made.Keys, k.keySpec())
		if k.instead != "" && k.name < k.instead {
			made.Excludes = append(made.Excludes, []string{k.name, k.instead})
		}
	}
	return made
}

func (k *key) keySpec() KeySpec {
	if k.table != nil {
		made := KeySpec{Name: k.name, Field: k.field.Name, Spec: k.table.spec()}
		if k.owner != nil {
			made.Owner = k.owner.Name()
		}
		return made
	}
	return KeySpec{
		Name: k.name, Owner: k.owner.Name(), Field: k.field.Name,
		Default: k.fallback, DefaultUDP: k.fallbackUDP,
		Only: k.only, Required: k.required,
		Spec: k.spec(k.field.Type),
	}
}

// spec is what may be written for a value of type t behind k.
func (k *key) spec(t reflect.Type) *Spec {
	switch target := reflect.New(t).Interface().(type) {
	case specified:
		return target.spec()
	case worded:
		return &Spec{Kind: TextKind, Words: target.words()}
	case *Duration:
		return k.durationSpec()
	case *Size:
		return &Spec{Kind: ScalarKind, Pattern: `^(0|[1-9][0-9]*)([KMG]iB)?$`, Say: "a size, " + k.bounds.String()}
	case *map[string]string:
		return &Spec{Kind: MapKind, Say: "a map of names and texts", NotEmpty: true, Values: anyText()}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return k.blockSpec(t.Elem())
	case reflect.Slice:
		return listOf(k.spec(t.Elem()))
	case reflect.Map:
		return namesOf(k.spec(t.Elem()))
	case reflect.Struct:
		return specOf(t)
	case reflect.String:
		return k.textSpec()
	case reflect.Bool:
		return &Spec{Kind: FlagKind, Say: "`true` or `false`"}
	}
	return k.numberSpec()
}

func (k *key) durationSpec() *Spec {
	const hms = `[0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?|[0-9]+s`
	span := &Spec{Kind: TextKind, Pattern: `^((` + hms + `)([0-9]+ms)?|[0-9]+ms)$`, NotPattern: `^[0hms]+$`, Say: "a duration"}
	if k.step == Duration(time.Second) {
		span.Pattern = `^(` + hms + `)$`
	}
	if k.bounds != (bounds{}) {
		span.Say += ", " + k.bounds.String()
	}
	if k.step != 0 {
		span.Say += ", a multiple of " + k.step.String()
	}
	if k.none == "" {
		return span
	}
	off := none()
	off.Say += " (" + strings.ToUpper(string(k.none)) + " only)"
	return &Spec{AnyOf: []*Spec{span, off}}
}

func (k *key) numberSpec() *Spec {
	low, _ := strconv.ParseInt(k.bounds.low, 10, 64)
	high, _ := strconv.ParseInt(k.bounds.high, 10, 64)
	made := &Spec{Kind: NumberKind, Min: low, Max: high, Say: "a number, " + k.bounds.String()}
	if low == high {
		made.Say = "`" + k.bounds.low + "`"
	}
	return made
}

func (k *key) textSpec() *Spec {
	if k.pattern == nil {
		return anyText()
	}
	return &Spec{Kind: TextKind, Pattern: k.pattern.String(), Say: k.hint}
}

// blockSpec is none, the value of the main key alone, or a map.
func (k *key) blockSpec(t reflect.Type) *Spec {
	made := &Spec{}
	if main := shapeOf(t).main; main != nil {
		made.AnyOf = append(made.AnyOf, main.spec(main.field.Type))
	}
	made.AnyOf = append(made.AnyOf, specOf(t), none())
	return made
}

func none() *Spec { return &Spec{Kind: TextKind, Words: []string{"none"}, Say: "`none`"} }

func anyText() *Spec { return &Spec{Kind: ScalarKind, Pattern: "^(.|\\n)", Say: "a text"} }

// listOf is one of item, or a list of them.
func listOf(items ...*Spec) *Spec {
	item := items[0]
	if len(items) > 1 {
		item = &Spec{AnyOf: items}
	}
	return &Spec{AnyOf: append(slices.Clip(items), &Spec{Kind: ListKind, Items: item, Say: "a list of these"})}
}

// What names look like, for the schema; validName and checkName decide.
const (
	namePattern     = `^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`
	reservedPattern = `^([0-9]+|original|requested|sni|echo|none|endpoints|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff]|[Nn][Uu][Ll][Ll])$`
)

// namesOf is a map by name.
func namesOf(values *Spec) *Spec {
	return &Spec{Kind: MapKind, Say: "a map by name", Values: values, NamePattern: namePattern, NotPattern: reservedPattern}
}

// Patterns of addresses, for the schema; parseBind and parseEndpoint decide.
const (
	portPattern  = `([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])`
	portsPattern = portPattern + `(-` + portPattern + `)?`
	octetPattern = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	v4Pattern    = octetPattern + `(\.` + octetPattern + `){3}`
	v6Pattern    = `[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*`
	unixPattern  = `unix:[/@].{1,106}`
	hostPattern  = `([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*`
	// aHost is a host name that is no slip in an address.
	aHost = `(` + hostPattern + `\.)?[A-Za-z0-9_-]*[A-Za-z_][A-Za-z0-9_-]*\.?`
)

func (*bindAddress) spec() *Spec {
	return &Spec{Kind: TextKind, Pattern: `^(` + v4Pattern + `|` + v6Pattern + `|\[` + v6Pattern + `\])$`, Say: "an IP address"}
}

func (*fileMode) spec() *Spec {
	return &Spec{Kind: TextKind, Pattern: `^0?[0-7]{3}$`, Say: "three or four octal digits, in quotes"}
}

func (*listen) spec() *Spec {
	made := (*addresses)(nil).spec()
	made.AnyOf = append(made.AnyOf, specOf(reflect.TypeFor[protocolForm]()))
	return made
}

func (*addresses) spec() *Spec {
	return listOf(
		&Spec{Kind: NumberKind, Min: 1, Max: 65535, Say: "a port"},
		&Spec{
			Kind:    TextKind,
			Pattern: `^((` + v4Pattern + `:|\[` + v6Pattern + `\]:)?` + portsPattern + `|` + unixPattern + `)$`,
			Say:     "`address:port`, `\"[v6]:port\"`, a range `first-last` in place of the port, or `unix:/path` (TCP only)",
		},
	)
}

// addressSpec is the short form of an endpoint.
func addressSpec() *Spec {
	return &Spec{
		Kind:    TextKind,
		Pattern: `^((` + v4Pattern + `|\[` + v6Pattern + `\]|` + aHost + `):` + portPattern + `|` + unixPattern + `)$`,
		Say:     "`host:port`, `\"[v6]:port\"` or `unix:/path`",
	}
}

func (*Endpoint) spec() *Spec {
	return &Spec{AnyOf: []*Spec{addressSpec(), specOf(reflect.TypeFor[endpointForm]())}}
}

func (*endpointAddress) spec() *Spec { return addressSpec() }

func (*target) spec() *Spec {
	list := &Spec{Kind: ListKind, Items: (*Endpoint)(nil).spec(), Say: "a list of endpoints, see [Endpoint](#endpoint)"}
	shares := namesOf(&Spec{Kind: NumberKind, Min: 0, Max: 1000000, Say: "a weight, 0..1000000"})
	shares.Say, shares.NotEmpty = "names of backends with weights, 0..1000000", true
	return &Spec{AnyOf: []*Spec{
		addressSpec(), list, nameSpec("the name of a backend"), shares, specOf(backendType), askSpec(), specOf(insideType),
		{Kind: TextKind, Words: []string{original}, Say: "`original`"},
		specOf(dialledType),
	}}
}

// askSpec is a target with operators, for a tunnel.
func askSpec() *Spec {
	const (
		literal  = `[A-Za-z0-9._-]*`
		operator = `%[A-Z0-9_]+(\([^)]*\))?(:[0-9]+)?%`
	)
	return &Spec{
		Kind: TextKind, Say: "with `via`, `host:port` with Envoy's operators in the host, or for TCP one in place of the port",
		Pattern: `^(` + literal + `(` + operator + literal + `)+:(` + portPattern + `|` + operator + `)|(` +
			v4Pattern + `|\[` + v6Pattern + `\]|` + aHost + `):` + operator + `)$`,
	}
}

func (*asked) spec() *Spec {
	operators := askSpec()
	operators.Say = "`host:port` with Envoy's operators in the host, or one in place of the port"
	return &Spec{AnyOf: []*Spec{addressSpec(), operators, {Kind: ListKind, Items: &Spec{AnyOf: []*Spec{addressSpec(), operators}}, Say: "a list of one of these"}}}
}

func (*proxies) spec() *Spec {
	list := &Spec{Kind: ListKind, Items: (*Endpoint)(nil).spec(), Say: "a list of endpoints, see [Endpoint](#endpoint)"}
	return &Spec{AnyOf: []*Spec{addressSpec(), list, nameSpec("the name of a backend"), specOf(backendType)}}
}

func nameSpec(say string) *Spec {
	return &Spec{Kind: TextKind, Pattern: namePattern, NotPattern: reservedPattern, Say: say}
}

func (*sniTable) spec() *Spec {
	return &Spec{
		Kind: MapKind, Say: "a table of host names, and where they go as in `to`", NotEmpty: true,
		NamePattern: `^(\*|(\*\.)?` + aHost + `)$`, Values: (*target)(nil).spec(),
	}
}

func (*routeList) spec() *Spec {
	return &Spec{Kind: ListKind, Items: specOf(routeType), Say: "a list of routes, see [Route](#route)"}
}

func (*exitRouteList) spec() *Spec {
	return &Spec{Kind: ListKind, Items: specOf(reflect.TypeFor[exitRouteForm]()), Say: "a list of routes, see [Exit route](#exit-route)"}
}

func (*exitTarget) spec() *Spec {
	made := (*target)(nil).spec()
	made.AnyOf = append(made.AnyOf, &Spec{Kind: TextKind, Words: []string{"requested"}, Say: "`requested`"})
	return made
}

func (*HeaderMatches) spec() *Spec {
	return &Spec{
		Kind: MapKind, Say: "a map of names and values, each a text or a list", NotEmpty: true,
		NamePattern: (*Headers)(nil).spec().NamePattern, NotPattern: "^[Hh][Oo][Ss][Tt]$",
		Values: listOf(&Spec{Kind: ScalarKind, Pattern: `^(\*?[^*]+\*?|\*)$`, Say: "a text, which may have a `*` at its ends"}),
	}
}

// tlvPattern is a type of TLV, also as the number that editors make of it; parseTLVType decides.
const tlvPattern = `^(0x(0[1-9A-Fa-f]|[1-9A-Fa-f][0-9A-Fa-f])|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])$`

func (*TLVs) spec() *Spec {
	return &Spec{
		Kind: MapKind, Say: "a map of types, `0x01` to `0xFF`, and texts with operators", NotEmpty: true,
		NamePattern: tlvPattern, NotPattern: "^(0x0[34]|0x20|3|4|32)$", Values: (*Fields)(nil).spec().Values,
	}
}

func (*Passed) spec() *Spec {
	types := &Spec{Kind: ScalarKind, Pattern: tlvPattern, Say: "a type, `0x01` to `0xFF`"}
	return &Spec{AnyOf: []*Spec{
		types, {Kind: ListKind, Items: types, Say: "a list of these"}, {Kind: TextKind, Words: []string{"all"}, Say: "`all`"},
	}}
}

func (*ProxyMode) spec() *Spec {
	return &Spec{Kind: TextKind, Words: []string{string(ProxyRequire), string(ProxyOptional)}}
}

func (*routeName) spec() *Spec { return nameSpec("a name, not that of another route here") }

func (*ServerName) spec() *Spec {
	return &Spec{Kind: TextKind, Pattern: `^(\*|(\*\.)?` + aHost + `)$`, Say: "a host name, `\"*.domain\"` or `\"*\"`"}
}

func (*Network) spec() *Spec {
	return &Spec{
		Kind:    TextKind,
		Pattern: `^(` + v4Pattern + `(/([0-9]|[12][0-9]|3[0-2]))?|` + v6Pattern + `(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?)$`,
		Say:     "an IP address or a network",
	}
}

func (*Client) spec() *Spec {
	return &Spec{AnyOf: []*Spec{
		(*Network)(nil).spec(), {Kind: TextKind, Words: []string{string(Local), string(External)}, Say: "`local` or `external`"},
	}}
}

func (*Ports) spec() *Spec {
	return &Spec{AnyOf: []*Spec{
		{Kind: NumberKind, Min: 1, Max: 65535, Say: "a port"},
		{Kind: TextKind, Pattern: `^` + portsPattern + `$`, Say: "a range `first-last`"},
	}}
}

func (*originalWord) spec() *Spec {
	return &Spec{Kind: TextKind, Words: []string{original}, Say: "`original`"}
}

func (ClientSource) spec() *Spec {
	made := &Spec{AnyOf: []*Spec{{Kind: TextKind, Words: []string{string(SourceClient)}, Say: "`client`"}}}
	made.AnyOf = append(made.AnyOf, listOf((*SourceAddress)(nil).spec()).AnyOf...)
	made.AnyOf = append(made.AnyOf, specOf(reflect.TypeFor[BackendSource]()), none())
	return made
}

func (*SourceAddress) spec() *Spec {
	return &Spec{Kind: TextKind, Pattern: `^(` + v4Pattern + `|` + v6Pattern + `)$`, Say: "an IP address"}
}

func (*reaches) spec() *Spec {
	return listOf(&Spec{
		Kind: TextKind,
		Pattern: `^(any|\*:` + portsPattern + `|` + v4Pattern + `(/([0-9]|[12][0-9]|3[0-2]))?(:` + portsPattern + `)?|` +
			v6Pattern + `(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?|\[` + v6Pattern + `(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?\](:` + portsPattern + `)?)$`,
		Say: "an address or a network, `network:port`, `\"[v6 network]:port\"`, `\"*:port\"`, a range `first-last` in place of the port, or `any`",
	})
}

func (*audience) spec() *Spec { return listOf(nameSpec("the name of a group"), (*Term)(nil).spec()) }

func (*Term) spec() *Spec {
	s := specOf(reflect.TypeFor[Term]())
	s.NotEmpty = true
	return s
}

func (*exit) spec() *Spec { return specOf(reflect.TypeFor[exitForm]()) }

func (*tunnelName) spec() *Spec { return nameSpec("the name of a tunnel") }

func (*tunnelRef) spec() *Spec {
	return &Spec{AnyOf: []*Spec{nameSpec("the name of a tunnel"), specOf(reflect.TypeFor[tunnelForm]())}}
}

func (*routeVia) spec() *Spec {
	made := (*tunnelRef)(nil).spec()
	made.AnyOf = append(made.AnyOf, none())
	return made
}

func (*proxyHost) spec() *Spec {
	return &Spec{Kind: TextKind, Pattern: `^(` + v4Pattern + `|` + aHost + `)(:` + portPattern + `)?$`, Say: "`host` or `host:port`"}
}

// targetPattern is what may be asked for; parseAllowed decides.
const targetPattern = `^(any|(` + v4Pattern + `|\*|\[` + v6Pattern + `\]|(\*\.)?` + aHost + `):` + portsPattern +
	`|` + v4Pattern + `/([0-9]|[12][0-9]|3[0-2])(:` + portsPattern + `)?)$`

func (*exitTargets) spec() *Spec {
	made := (*targets)(nil).spec()
	made.AnyOf = append(made.AnyOf, &Spec{
		Kind: MapKind, Say: "a table of these, and where they go as in `to`", NotEmpty: true,
		NamePattern: targetPattern, Values: (*exitTarget)(nil).spec(),
	})
	return made
}

func (*targets) spec() *Spec {
	return listOf(&Spec{
		Kind:    TextKind,
		Pattern: targetPattern,
		Say:     "`host:port`, `\"*.domain:port\"`, `\"*:port\"`, a network, `network:port`, a range `first-last` in place of the port, or `any`",
	})
}

func (*NameServer) spec() *Spec {
	return &Spec{
		Kind: TextKind, Say: "an IP address, `address:port` or `\"[v6]:port\"`",
		Pattern: `^(` + v4Pattern + `(:` + portPattern + `)?|` + v6Pattern + `|\[` + v6Pattern + `\]:` + portPattern + `)$`,
	}
}

func (*Headers) spec() *Spec {
	headers := &Spec{
		Kind: MapKind, Say: "a map of names and texts with operators", NotEmpty: true,
		NamePattern: "^[A-Za-z0-9!#$&'*+.^_`|~-]+$", NotPattern: "^[Hh][Oo][Ss][Tt]$", Values: (*Fields)(nil).spec().Values,
	}
	return &Spec{AnyOf: []*Spec{headers, none()}}
}

func (TLSVersion) spec() *Spec {
	return &Spec{Kind: ScalarKind, Pattern: `^1\.[23]$`, Say: "`1.2` or `1.3`"}
}

func (HTTPVersion) spec() *Spec {
	return &Spec{Kind: ScalarKind, Pattern: `^([123]|auto)$`, Say: "`1`, `2`, `3` or `auto`"}
}

// pathSpec is the short form of a file.
func pathSpec() *Spec { return &Spec{Kind: ScalarKind, Pattern: "^(.|\\n)", Say: "a path"} }

func (*File) spec() *Spec {
	return &Spec{AnyOf: []*Spec{pathSpec(), specOf(reflect.TypeFor[onEnvoyForm]())}}
}

func (*ServerCA) spec() *Spec {
	made := (*File)(nil).spec()
	made.AnyOf = append([]*Spec{{Kind: TextKind, Words: []string{"system"}}}, made.AnyOf...)
	return made
}

func (*Certificate) spec() *Spec {
	made := (*File)(nil).spec()
	made.AnyOf = append(made.AnyOf, specOf(reflect.TypeFor[certificateForm]()))
	return made
}

func (*Fields) spec() *Spec {
	values := anyText()
	values.Pattern = shapeOf(reflect.TypeFor[AccessLog]()).index["text"].pattern.String()
	return &Spec{Kind: MapKind, Say: "a map of names and texts with operators", Values: values}
}
