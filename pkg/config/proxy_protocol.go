package config

import (
	"cmp"
	"reflect"
	"slices"
)

// ProxyProtocol tells each endpoint whom a connection is from: a header in front of the first byte.
// Envoy: envoy.config.core.v3.ProxyProtocolConfig.
type ProxyProtocol struct {
	// Version is the form of the header: `v1` is a line of text, `v2` is binary.
	// Envoy: envoy.config.core.v3.ProxyProtocolConfig.version
	Version ProxyVersion `yaml:"version,main" required:"true"`
	// TLVs are values that the header has besides the addresses, v2 only: a map of types, `0xEE`, and texts, which may hold Envoy's
	// operators for what is known of the client when it connects: its addresses and those that it dialled, the host name that it
	// asks for where the listener has `sni`, `%CONNECTION_ID%`, `%START_TIME%`, `%FILTER_CHAIN_NAME%`, `%HOSTNAME%`,
	// `%ENVIRONMENT(X)%`. What the Envoy does not know is `-`. Servers read 0x02 as the host name, and leave 0xE0 to 0xEF to you.
	// Where `version` is written, too, those of the defaults are not taken.
	// Default: none.
	// Envoy: envoy.config.core.v3.ProxyProtocolConfig.added_tlvs
	TLVs TLVs `yaml:"tlvs" with:"version"`
	// Pass are the types of such values that are passed on from the header of the client, `0x02`, or `all`, v2 only. `tlvs` wins
	// over them. The listener must have `proxy_protocol`.
	// Default: none; whom a backend believes is for it to say.
	// Envoy: envoy.config.core.v3.ProxyProtocolConfig.pass_through_tlvs
	Pass Passed `yaml:"pass" with:"version"`
}

// ProxyVersion is a version of the PROXY protocol.
// Envoy: envoy.config.core.v3.ProxyProtocolConfig.Version.
type ProxyVersion string

// The versions of the PROXY protocol.
const (
	ProxyV1 ProxyVersion = "v1"
	ProxyV2 ProxyVersion = "v2"
)

func (ProxyVersion) words() []string { return []string{string(ProxyV1), string(ProxyV2)} }

// elsewhere says of a key that it is not for the far ends, although other keys of a backend are.
func (*tunnelForm) elsewhere(key string) string {
	if key == "proxy_protocol" {
		return "unknown key: the connections to the far ends are shared by clients; to tell the target write to: {endpoints: …, proxy_protocol: …} beside via"
	}
	return ""
}

// checkHeaders says which endpoints cannot have a header of their own, and gives the others that of b. They stand in list.
func (l *loader) checkHeaders(b *Backend, v, list *value, p protocols) {
	l.tells(b.ProxyProtocol, v)
	for i, item := range list.elements() {
		e, at := &b.Endpoints[i], item.pair("proxy_protocol")
		switch {
		case at == nil:
			e.ProxyProtocol = b.ProxyProtocol
		case p&onUDP != 0 && e.ProxyProtocol != nil:
			l.errorf(idNoEffect, at.key, "does not work for UDP (%s); give UDP a backend of its own", noHeader)
		case reflect.DeepEqual(e.ProxyProtocol, b.ProxyProtocol):
			l.errorf(idNoEffect, at.key, "has no effect: it is what the backend has; leave it out")
		default:
			l.tells(e.ProxyProtocol, item)
		}
	}
}

// noHeader is why datagrams have none.
const noHeader = "datagrams have no beginning that a header could stand at"

// checkProxyProtocol says where a check would have to tell an address that there is none: Envoy 1.40 crashes over it.
func (l *loader) checkProxyProtocol(b *Backend, v, endpoints *value) {
	if b.Check == nil {
		return
	}
	for i, item := range endpoints.elements() {
		e := &b.Endpoints[i]
		if e.Path != "" && e.ProxyProtocol != nil && e.ProxyProtocol.Version == ProxyV1 {
			at := endpoints
			if p := cmp.Or(item.pair("proxy_protocol"), v.pair("proxy_protocol")); p != nil {
				at = p.key
			}
			l.errorf(idUnix, at, "v1 has no words for a check of unix sockets, which have no address; write v2, or leave out the check")
			return
		}
	}
}

// notToFar takes proxy_protocol from the backend of a tunnel's far ends, and says so where it is written in v.
func (l *loader) notToFar(b *Backend, v *value, tunnel string) {
	if p := v.pair("proxy_protocol"); p != nil && b.ProxyProtocol != nil {
		l.errorf(idTunnel, p.key, "cannot stand on the far ends of tunnel %s, the connections to which are shared by clients; "+
			"to tell the target write to: {endpoints: …, proxy_protocol: …} beside via", quote(tunnel))
	}
	b.ProxyProtocol = nil
	list := v.get("endpoints")
	if list == nil || len(b.Endpoints) == 0 {
		return
	}
	for i, item := range list.elements() {
		if p := item.pair("proxy_protocol"); p != nil && b.Endpoints[i].ProxyProtocol != nil {
			l.errorf(idTunnel, p.key, "cannot stand on a far end of tunnel %s, the connections to which are shared by clients; "+
				"to tell the target write to: {endpoints: …, proxy_protocol: …} beside via", quote(tunnel))
		}
		b.Endpoints[i].ProxyProtocol = nil
	}
}

// checkDatagrams says which keys of the backend of an exit do nothing for the datagrams that end there, too: Envoy sends them as
// they are. All backends are read by then.
func (e *far) checkDatagrams() {
	if e.form.To.value == nil || !e.tunnel.carries[UDP] || len(e.Routes) == 0 {
		return
	}
	for _, p := range e.Routes[0].To.Parts {
		var key string
		switch b := p.Backend; {
		case b.TLS != nil:
			key = "tls"
		case len(b.headers()) > 0:
			key = "proxy_protocol"
		default:
			continue
		}
		e.errorf(idNoEffect, e.form.To.value, "what goes there has %s, and UDP goes through this tunnel, which cannot have it; let UDP go by another tunnel", key)
		return
	}
}

// checkAddressless says which clients have no address for proxy_protocol to tell, now that all backends are read: with
// those of a unix socket Envoy 1.40 crashes (v1), or leaves the header out (v2).
func (l *loader) checkAddressless(listeners []*Listener) {
	for _, listener := range listeners {
		if !slices.ContainsFunc(listener.Binds, func(b Bind) bool { return b.Path != "" }) {
			continue
		}
		told := listener.told()
		if told == "" {
			continue
		}
		for i := range listener.Binds {
			b := &listener.Binds[i]
			switch at := l.binds[b]; {
			case b.Path == "":
			case at == nil: // the listener was taken over
				l.unsure = true
			case listener.ProxyProtocol != nil:
				l.errorf(idUnix, at, "a header that tells of nobody leaves clients of a unix socket without an address, which %s is to be told by "+
					"proxy_protocol; listen on an IP address, or go to a backend without it", told)
			default:
				l.errorf(idUnix, at, "clients of a unix socket have no address, which %s is to be told by proxy_protocol; "+
					"listen on an IP address, or go to a backend without it", told)
			}
		}
	}
}

// headers are the different headers that endpoints of b are sent; none where none is. The original destination is no endpoint.
func (b *Backend) headers() []*ProxyProtocol {
	var all []*ProxyProtocol
	if len(b.Endpoints) == 0 && b.ProxyProtocol != nil {
		all = append(all, b.ProxyProtocol)
	}
	for i := range b.Endpoints {
		if p := b.Endpoints[i].ProxyProtocol; p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// Told are the different PROXY headers that what r takes is sent with; none where it is sent without.
func (r *Route) Told() []*ProxyProtocol {
	if r.Via != nil {
		if r.Inside == nil || r.Inside.ProxyProtocol == nil {
			return nil
		}
		return []*ProxyProtocol{r.Inside.ProxyProtocol}
	}
	var all []*ProxyProtocol
	for _, part := range r.To.Parts {
		all = append(all, part.Backend.headers()...)
	}
	return all
}

// told is who is told by l whom a connection is from, in words; empty for nobody.
func (l *Listener) told() string {
	for _, r := range l.Routes {
		if r.Inside != nil && r.Inside.ProxyProtocol != nil {
			return quote(r.Ask.String())
		}
		for _, p := range r.To.Parts {
			if r.Via == nil && len(p.Backend.headers()) > 0 {
				if p.Backend.Name != "" {
					return "backend " + quote(p.Backend.Name)
				}
				return "the backend"
			}
		}
	}
	return ""
}
