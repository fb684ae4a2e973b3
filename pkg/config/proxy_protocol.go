package config

// ProxyProtocol tells each endpoint whom a connection is from: a header in front of the first byte.
// Envoy: envoy.config.core.v3.ProxyProtocolConfig.
type ProxyProtocol struct {
	// Version is the form of the header: `v1` is a line of text, `v2` is binary.
	// Envoy: envoy.config.core.v3.ProxyProtocolConfig.version
	Version ProxyVersion `yaml:"version,main" required:"true"`
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

// checkProxyProtocol says where a check would have to tell an address that there is none: Envoy 1.40 crashes over it.
func (l *loader) checkProxyProtocol(b *Backend, v, endpoints *value) {
	if b.ProxyProtocol == nil || b.ProxyProtocol.Version != ProxyV1 || b.Check == nil {
		return
	}
	at := endpoints
	if p := v.pair("proxy_protocol"); p != nil {
		at = p.key
	}
	for i := range b.Endpoints {
		if b.Endpoints[i].Path != "" {
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
		case b.ProxyProtocol != nil:
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
			default:
				l.errorf(idUnix, at, "clients of a unix socket have no address, which %s is to be told by proxy_protocol; "+
					"listen on an IP address, or go to a backend without it", told)
			}
		}
	}
}

// told is who is told by l whom a connection is from, in words; empty for nobody.
func (l *Listener) told() string {
	for _, r := range l.Routes {
		if r.Inside != nil && r.Inside.ProxyProtocol != nil {
			return quote(r.Ask.String())
		}
		for _, p := range r.To.Parts {
			if r.Via == nil && p.Backend.ProxyProtocol != nil {
				if p.Backend.Name != "" {
					return "backend " + quote(p.Backend.Name)
				}
				return "the backend"
			}
		}
	}
	return ""
}
