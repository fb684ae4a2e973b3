package config

import (
	"net/netip"
	"reflect"
	"slices"
)

// ClientSource is whose address the servers of a listener see; empty for Envoy's own.
// Envoy: the original_src listener filter, or use_original_src_ip of udp_proxy.
type ClientSource string

// SourceClient lets the servers see the client's address.
const SourceClient ClientSource = "client"

// decode leaves an address to the backend.
func (s *ClientSource) decode(_ *decoder, v *value) {
	*s = ""
	if v.is(string(SourceClient)) {
		*s = SourceClient
	}
}

// side is the backend's for all but the word.
func (ClientSource) side(v *value) reflect.Type {
	if v.is(string(SourceClient)) || v.is("none") {
		return nil
	}
	return backendType
}

// BackendSource is the address from which the endpoints of a backend are reached.
// Envoy: envoy.config.core.v3.BindConfig.
type BackendSource struct {
	// Address is an address of the Envoy's host, or one for each family.
	// Envoy: envoy.config.core.v3.BindConfig.source_address and extra_source_addresses
	Address []SourceAddress `yaml:"address,main" required:"true"`
	// Freebind is for an address that the Envoy's host does not have; the answers to it must come back there, for which `l4xds kit`
	// prints the route.
	// Default: false; without the address no endpoint is reached.
	// Envoy: envoy.config.core.v3.BindConfig.freebind
	Freebind bool `yaml:"freebind" default:"false"`
}

// SourceAddress is an IP address.
type SourceAddress struct{ netip.Addr }

func (a *SourceAddress) decode(d *decoder, v *value) {
	*a = SourceAddress{}
	text, ok := d.text(v)
	switch {
	case !ok:
		return
	case text == string(SourceClient):
		d.errorf(idNoEffect, v, "client is for all that comes to a listener; write source: client there")
		return
	}
	address, err := parseIP(text)
	switch {
	case err != nil:
		d.errorf(idAddress, v, "%s is neither client nor an IP address", quote(text))
	case address.IsUnspecified():
		d.errorf(idAddress, v, "%s is no address of a host; leave source out, and the host chooses", quote(text))
	}
	a.Addr = address
}

func (s *BackendSource) check(d *decoder, v *value) {
	address := v.get("address")
	if address == nil {
		return // an error was said
	}
	at := address.elements()
	if len(at) != len(s.Address) {
		return // an error was said
	}
	for i, a := range s.Address {
		for j, o := range s.Address[:i] {
			if a.IsValid() && o.IsValid() && a.Is4() == o.Is4() {
				d.errorf(idExclusive, at[i], "stands beside %s, of the same family (%s); write one for each", o, at[j].position())
			}
		}
	}
}

// whole reports whether s is there, and nothing about it is wrong, which was said.
func (s *BackendSource) whole() bool {
	return s != nil && len(s.Address) > 0 && !slices.ContainsFunc(s.Address, func(a SourceAddress) bool { return !a.IsValid() })
}

// of is the address of the family of a; invalid where there is none.
func (s *BackendSource) of(a netip.Addr) netip.Addr {
	for _, source := range s.Address {
		if source.Is4() == a.Is4() {
			return source.Addr
		}
	}
	return netip.Addr{}
}

// checkSource says which endpoints of b could not be reached from its source. Those that have names are not known here.
func (l *loader) checkSource(b *Backend, endpoints *value) {
	if !b.Source.whole() {
		return
	}
	for i, item := range endpoints.elements() {
		switch e := b.Endpoints[i]; {
		case e.Path != "":
			l.errorf(idUnix, item, "a unix socket is reached from no address; leave source out, or make it a backend of its own")
		case e.Address.IsValid() && !b.Source.of(e.Address).IsValid():
			l.errorf(idNoEffect, item, "source has no %s address to reach it from; write one beside the other", family(e.Address))
		}
	}
}

// family is that of a, in words.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
