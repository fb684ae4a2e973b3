package hostcheck

import (
	"net/netip"
	"slices"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// listeners are those of the node that need something of the host.
func (i *inspection) listeners() []*config.Listener {
	var list []*config.Listener
	for _, l := range i.config.Listeners {
		if l.Audience.Match(i.Node) && (l.Transparent != nil || l.Source == config.SourceClient || l.Freebind) {
			list = append(list, l)
		}
	}
	return list
}

// addresses looks for the addresses that Envoy sends from. Those that the host need not have are among the routes.
func (i *inspection) addresses() {
	var seen []netip.Addr
	for _, l := range i.config.Listeners {
		if !l.Audience.Match(i.Node) {
			continue
		}
		for _, b := range l.Backends() {
			if b.Source == nil || b.Source.Freebind {
				continue
			}
			for _, a := range b.Source.Address {
				if !slices.Contains(seen, a.Addr) {
					seen = append(seen, a.Addr)
					i.address(a.Addr)
				}
			}
		}
	}
}

func (i *inspection) address(a netip.Addr) {
	f := Finding{Part: Addresses, Name: a.String(), Result: finding.OK, Message: "an address of this host"}
	if !i.host.has(a) {
		f.Result, f.Message = finding.Failed, "this host does not have it, and Envoy is to send from it"
		f.Advice = "give it to an interface of the host, or write source: {address: " + quoted(a) + ", freebind: true} and apply the kit again"
	}
	i.say(f)
}

// quoted is an address as YAML reads it within braces.
func quoted(a netip.Addr) string {
	if a.Is6() {
		return `"` + a.String() + `"`
	}
	return a.String()
}
