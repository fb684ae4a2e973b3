package config

import "slices"

// ClientProxy is what a listener makes of the header that tells whom a connection is from, in front of its first byte.
// Envoy: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.
type ClientProxy struct {
	// Mode is `require`: a connection without a header is closed, and so is one on which none has come after 5 s; or
	// `optional`: what begins otherwise passes, as from who connects. With `optional` the client must speak first: one on which
	// nothing came, or only the beginning of a header, is closed after 5 s.
	// Envoy: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.allow_requests_without_proxy_protocol
	Mode ProxyMode `yaml:"mode,main" required:"true"`
	// From are the networks whose headers are believed: those of the load balancers in front. Connections from elsewhere are
	// refused, with a header or without. Only with `require`.
	// Default: all; whoever can connect can then say that he is somebody else.
	// Envoy: envoy.config.listener.v3.FilterChainMatch.direct_source_prefix_ranges, or DirectSourceIPInput in filter_chain_matcher
	From []Network `yaml:"from" with:"mode"`
	// Versions are those that are taken, `v1` and `v2`. A header of another one is refused; with `optional` it passes to the
	// backend, as what the client says.
	// Default: both.
	// Envoy: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.disallowed_versions
	Versions []ProxyVersion `yaml:"versions" with:"mode"`
}

// ProxyMode is whether there must be a header.
// Envoy: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.allow_requests_without_proxy_protocol.
type ProxyMode string

// The modes.
const (
	ProxyRequire  ProxyMode = "require"
	ProxyOptional ProxyMode = "optional"
)

func (m *ProxyMode) decode(d *decoder, v *value) {
	switch text, ok := d.text(v); {
	case !ok:
	case text == string(ProxyRequire), text == string(ProxyOptional):
		*m = ProxyMode(text)
	case slices.Contains(ProxyVersion("").words(), text):
		d.errorf(idWord, v, "%s is what a backend is told, and here it is what clients tell; write require or optional, "+
			"or for the backend to: {endpoints: …, proxy_protocol: %s}", v.what(), text)
	default:
		d.errorf(idWord, v, "%s is not known here; write require or optional", v.what())
	}
}

// check says who would be believed that should not be.
func (c *ClientProxy) check(d *decoder, v *value) {
	from := v.pair("from")
	switch {
	case c.Mode != ProxyOptional:
	case from != nil:
		d.errorf(idBelieved, from.key, "cannot stand beside optional: nothing tells whether a client from elsewhere sent a header, so that "+
			"it would be believed; write mode: require, and another listener for clients without a header")
	default:
		d.warnf(idBelieved, v.get("mode"), "whoever can connect can say that he is somebody else; where all clients send a header, "+
			"write {mode: require, from: NETWORKS}")
	}
}

// checkClientProxy says which networks of from, which stands in v, nobody has who connects to l.
func (r *reading) checkClientProxy(l *Listener, v *value) {
	if l.ProxyProtocol == nil || l.ProxyProtocol.From == nil || len(l.Binds) == 0 {
		return
	}
	from := v.get("proxy_protocol").pair("from")
	if slices.ContainsFunc(l.Binds, func(b Bind) bool { return b.Path != "" }) {
		r.errorf(idUnix, from.key, "who connects to a unix socket has no address; leave it out, and let mode say who may connect, "+
			"or listen there in a stanza of its own")
		return
	}
	never(r, l.ProxyProtocol.From, from.value, l.spots(), spot.takesPeer)
}
