package kit

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// captures are what is captured for the listeners, no two of which want the same: config holds that.
func captures(listeners []*config.Listener) []Capture {
	var all []Capture
	for _, l := range listeners {
		if l.Transparent != nil {
			all = append(all, capturesOf(l)...)
		}
	}
	return merge(all)
}

// capturesOf are those of one listener. Where it listens on several addresses of one family, the first takes what is captured.
func capturesOf(l *config.Listener) []Capture {
	var all []Capture
	for _, b := range l.Binds {
		for _, v6 := range families(b) {
			for _, c := range capturesAt(l, b, v6) {
				taken := slices.ContainsFunc(all, c.meets)
				if !taken {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// capturesAt are those of l whose packets of one family go to b.
func capturesAt(l *config.Listener, b config.Bind, v6 bool) []Capture {
	c := Capture{
		Protocol: l.Protocol, Mode: l.Transparent.Mode, From: l.Transparent.From, V6: v6,
		Address: anyAddress(v6), Listeners: []string{l.Name},
	}
	if !b.Address.IsUnspecified() {
		c.Address = b.Address
	}
	if len(l.Transparent.Ports) > 0 && !keepsPorts(l) {
		c.Port, c.Ports = b.Port, l.Captured()
		return []Capture{c}
	}
	var all []Capture
	for _, p := range l.Captured() {
		if p.First, p.Last = max(p.First, b.Port), min(p.Last, b.Last); p.First <= p.Last {
			c.Ports = []config.Ports{p}
			all = append(all, c)
		}
	}
	return all
}

// keepsPorts reports whether what is captured for l goes to the port that it was for: Envoy sends the answers of UDP from the
// port that it listens on, and NAT alone puts the former one back.
func keepsPorts(l *config.Listener) bool {
	return l.Protocol == config.UDP && l.Transparent.Mode == config.TProxy
}

// families are those of the packets that come to b: false is IPv4.
func families(b config.Bind) []bool {
	switch {
	case b.Path != "":
		return nil
	case b.Address == netip.IPv6Unspecified():
		return []bool{false, true}
	default:
		return []bool{b.Address.Is6()}
	}
}

// anyAddress is the unspecified address of a family.
func anyAddress(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// meets reports whether c and o, of one listener, capture some port both.
func (c Capture) meets(o Capture) bool {
	return c.V6 == o.V6 && slices.ContainsFunc(c.Ports, func(p config.Ports) bool {
		return slices.ContainsFunc(o.Ports, func(q config.Ports) bool { return p.First <= q.Last && q.First <= p.Last })
	})
}

// merge makes one capture of those that go to the same place the same way, and sorts them.
func merge(all []Capture) []Capture {
	slices.SortStableFunc(all, func(a, b Capture) int { return a.compare(b) })
	var merged []Capture
	for _, c := range all {
		if n := len(merged); n > 0 && merged[n-1].compare(c) == 0 {
			merged[n-1].Ports = append(merged[n-1].Ports, c.Ports...)
			merged[n-1].Listeners = append(merged[n-1].Listeners, c.Listeners...)
			continue
		}
		c.Ports, c.Listeners = slices.Clone(c.Ports), slices.Clone(c.Listeners)
		merged = append(merged, c)
	}
	for i := range merged {
		merged[i].Ports = join(merged[i].Ports)
		slices.Sort(merged[i].Listeners)
		merged[i].Listeners = slices.Compact(merged[i].Listeners)
	}
	return merged
}

// compare orders captures by where they go and how. What comes from the host stands first: its packets come by lo, of which
// nothing else is captured.
func (c Capture) compare(o Capture) int {
	return cmp.Or(
		cmp.Compare(c.From, o.From), // "host" before "network"
		cmp.Compare(c.Mode, o.Mode),
		cmp.Compare(c.Protocol, o.Protocol),
		compareBool(c.V6, o.V6),
		c.Address.Compare(o.Address),
		cmp.Compare(c.Port, o.Port),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// join sorts ports and makes one range of those that touch.
func join(list []config.Ports) []config.Ports {
	slices.SortFunc(list, func(a, b config.Ports) int { return cmp.Compare(a.First, b.First) })
	var joined []config.Ports
	for _, p := range list {
		if n := len(joined); n > 0 && int(p.First) <= int(joined[n-1].Last)+1 {
			joined[n-1].Last = max(joined[n-1].Last, p.Last)
			continue
		}
		joined = append(joined, p)
	}
	return joined
}
