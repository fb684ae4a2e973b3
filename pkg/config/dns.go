package config

import (
	"net/netip"
	"strings"
)

// DNS is how the names that an exit is asked for are resolved.
// Envoy: envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig.
type DNS struct {
	// Family says which addresses of a name are used: `v4` or `v6` alone, `v4_first` or `v6_first` for those of the other kind
	// where a name has none of this one, or `all`, which tries one after the other until one answers.
	// Default: v4_first, for an address that the network does not route is found out only by waiting.
	// Envoy: envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig.dns_lookup_family
	Family Family `yaml:"family" default:"v4_first"`
	// Refresh is when a name is resolved again at the soonest, in whole seconds: an answer that lives longer is kept for as
	// long as it says. One that could not be resolved is tried again after this time.
	// Default: 5s.
	// Envoy: envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig.dns_min_refresh_rate and dns_refresh_rate
	Refresh Duration `yaml:"refresh" default:"5s" range:"1s..1h" step:"1s"`
	// Servers are the DNS servers that are asked: IP addresses, with their port unless that is 53.
	// Default: those of the machine that the Envoy runs on.
	// Envoy: envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig.resolvers
	Servers []NameServer `yaml:"servers"`
}

// Family says which addresses of a name are used.
// Envoy: envoy.config.cluster.v3.Cluster.DnsLookupFamily.
type Family string

// The families.
const (
	V4      Family = "v4"
	V6      Family = "v6"
	V4First Family = "v4_first"
	V6First Family = "v6_first"
	All     Family = "all"
)

func (Family) words() []string {
	return []string{string(V4), string(V6), string(V4First), string(V6First), string(All)}
}

// reaches reports whether a target that is an address of this kind is reached.
func (f Family) reaches(a netip.Addr) bool { return f != V4 && a.Is6() || f != V6 && a.Is4() }

// NameServer is the address of a DNS server.
type NameServer struct{ netip.AddrPort }

// nameServerPort is where DNS servers listen.
const nameServerPort = 53

func (n *NameServer) decode(d *decoder, v *value) {
	text, ok := d.text(v)
	if !ok {
		return
	}
	if ip, err := parseIP(text); err == nil {
		n.AddrPort = netip.AddrPortFrom(ip, nameServerPort)
		return
	}
	e, err := parseEndpoint(text)
	switch {
	case err != nil && !strings.ContainsAny(text, ":["):
		d.errorf(idAddress, v, "%s is not the IP address of a DNS server", v.what())
	case err != nil:
		d.wrong(v, err)
	case !e.Address.IsValid():
		d.errorf(idAddress, v, "%s is not an IP address, and who would resolve it?", v.what())
	default:
		n.AddrPort = netip.AddrPortFrom(e.Address, e.Port)
	}
}

// checkDNS says which of `dns` does nothing at an exit, and which targets it cannot reach.
func (e *far) checkDNS() {
	at := e.value.pair("dns")
	if at == nil {
		return
	}
	if !e.Forwards() {
		e.errorf(idNoEffect, at.key, "has no effect: nothing is resolved where to or via says where it goes")
		return
	}
	for _, a := range e.requested() {
		ip, err := netip.ParseAddr(a.Host)
		if a.Network.IsValid() {
			ip, err = a.Network.Addr(), nil
		}
		if err == nil && !e.Exit.DNS.Family.reaches(ip) {
			e.errorf(idTunnel, at.key, "with family: %s %s cannot be reached, which may be asked for", e.Exit.DNS.Family, a)
		}
	}
}
