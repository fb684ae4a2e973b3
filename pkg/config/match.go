package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Match is what a route of `routes:` asks for: each of its conditions, by one of its values. A condition that is not
// there asks for nothing.
// Envoy: envoy.config.listener.v3.Listener.filter_chain_matcher, or the matcher of udp_proxy.
type Match struct {
	// SNI is the host name that a TLS client asks for: `*.x` is any name below x, `"*"` any TLS client, also one that names
	// no host.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.ServerNameInput, with the tls_inspector listener filter
	SNI []ServerName `yaml:"sni" only:"tcp"`
	// ALPN is an application protocol that a TLS client offers, such as `h2`.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput, with the tls_inspector
	ALPN []string `yaml:"alpn" only:"tcp" pattern:"^[!-&(-~]{1,255}$" hint:"the name of an application protocol, such as h2"`
	// From is where the client is: an IP address or a network; `local` for one that has a loopback address or the very one
	// that it dialled, as clients on the Envoy's own machine have; or `external` for any other. UDP takes addresses and
	// networks only.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.SourceIPInput and SourceTypeInput
	From []Client `yaml:"from"`
	// Peer is where the connection itself comes from, such as the load balancer that told by `proxy_protocol` who the client
	// is: an IP address or a network. Only where the listener has `proxy_protocol`; elsewhere it is `from`.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput
	Peer []Network `yaml:"peer" only:"tcp"`
	// FromPort is the port that the client uses, or a range.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.SourcePortInput
	FromPort []Ports `yaml:"from_port" only:"tcp"`
	// Port is the port that the client dialled, or a range: one of those that the listener has.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput
	Port []Ports `yaml:"port"`
	// Address is the IP address that the client dialled, or a network that holds it.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput
	Address []Network `yaml:"address"`
	// Transport is what the client speaks: `tls`, or `plain` for anything else.
	// Envoy: envoy.extensions.matching.common_inputs.network.v3.TransportProtocolInput, with the tls_inspector
	Transport []Transport `yaml:"transport" only:"tcp"`
}

// inspects reports whether m needs to see the TLS client hello.
func (m *Match) inspects() bool { return m.tls() || len(m.Transport) > 0 }

// tls reports whether only a TLS client can have what m asks for.
func (m *Match) tls() bool { return len(m.SNI) > 0 || len(m.ALPN) > 0 }

// empty reports whether m asks for nothing.
func (m *Match) empty() bool {
	return !m.inspects() && len(m.From) == 0 && len(m.Peer) == 0 && len(m.FromPort) == 0 && len(m.Port) == 0 && len(m.Address) == 0
}

// ServerName is a host name in lower case, "*.x" for any name below x, or "*" for any TLS client.
type ServerName string

func (n *ServerName) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	host, err := parseSNI(text)
	if err != nil {
		d.wrong(v, err)
	}
	*n = ServerName(host)
}

// Transport is what a client speaks.
type Transport string

// The transports.
const (
	TransportTLS   Transport = "tls"
	TransportPlain Transport = "plain"
)

func (Transport) words() []string { return []string{string(TransportTLS), string(TransportPlain)} }

// Origin is whether a client is on the Envoy's own machine.
type Origin string

// The origins.
const (
	Local    Origin = "local"
	External Origin = "external"
)

// Client is where a client is.
type Client struct {
	// Network holds the client's address; invalid where Origin says it.
	Network netip.Prefix
	// Origin is empty where Network says it.
	Origin Origin
}

// String is c as it is written.
func (c Client) String() string {
	if c.Origin != "" {
		return string(c.Origin)
	}
	return Network{c.Network}.String()
}

func (c *Client) decode(d *decoder, v *value) {
	*c = Client{}
	switch {
	case !v.is(string(Local)) && !v.is(string(External)):
		var n Network
		n.decode(d, v)
		c.Network = n.Prefix
	case d.protocol == UDP:
		d.errorf(idNoEffect, v, "%s does not work for UDP; write addresses or networks", v.what())
	default:
		c.Origin = Origin(v.text)
	}
}

// Network is an IP network, or a single address. The zero Network is none.
type Network struct{ netip.Prefix }

// String is n as it is written: without its length where it is a single address.
func (n Network) String() string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.Prefix.String()
}

func (n *Network) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	p, err := parseNetwork(text)
	if err != nil {
		d.wrong(v, err)
	}
	n.Prefix = p
}

// parseNetwork reads an IP address or a network.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := parseIP(text)
		if err != nil {
			return netip.Prefix{}, wrongf(idAddress, "%s is neither an IP address nor a network, such as 10.0.0.0/8", quote(text))
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, wrongf(idAddress, "%s is not a network, such as 10.0.0.0/8", quote(text))
	case p.Addr().Is4In6():
		return netip.Prefix{}, wrongf(idAddress, "%s is an IPv4 network in the form of IPv6; write it as IPv4", quote(text))
	case p != p.Masked():
		return p, wrongf(idAddress, "%s has bits behind its mask; write %s", quote(text), p.Masked())
	}
	return p, nil
}

// Ports is a port, or a range of ports.
type Ports struct {
	// First and Last are 1..65535, and equal for a single port.
	First, Last uint16
}

// String is p as it is written.
func (p Ports) String() string { return Bind{Port: p.First, Last: p.Last}.Ports() }

func (p *Ports) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	var err error
	if p.First, p.Last, err = parsePorts(text); err != nil {
		d.wrong(v, err)
	}
}

// meets reports whether some port is in p and o.
func (p Ports) meets(o Ports) bool { return p.First <= o.Last && o.First <= p.Last }

// covered reports whether each port of p is in one of these.
func (p Ports) covered(by []Ports) bool {
	sorted := slices.SortedFunc(slices.Values(by), func(a, b Ports) int { return int(a.First) - int(b.First) })
	next := int(p.First)
	for _, o := range sorted {
		if int(o.First) <= next {
			next = max(next, int(o.Last)+1)
		}
	}
	return next > int(p.Last)
}

// covered reports whether each address of n is in one of these.
func (n Network) covered(by []Network) bool {
	within := false
	for _, o := range by {
		if o.Bits() <= n.Bits() && o.Contains(n.Addr()) {
			return true
		}
		within = within || o.Overlaps(n.Prefix)
	}
	if !within {
		return false
	}
	low, high := n.halves()
	return low.covered(by) && high.covered(by)
}

// halves are the two networks that n consists of.
func (n Network) halves() (low, high Network) {
	bits := n.Bits()
	bytes := n.Addr().AsSlice()
	bytes[bits/8] |= 0x80 >> (bits % 8)
	upper, _ := netip.AddrFromSlice(bytes) // of the length that it had
	return Network{netip.PrefixFrom(n.Addr(), bits+1)}, Network{netip.PrefixFrom(upper, bits+1)}
}
