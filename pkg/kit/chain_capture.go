package kit

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/l4xds/l4xds/pkg/config"
)

// capture takes traffic to Envoy's sockets as it is.
func (k *Kit) capture() Chain {
	c := Chain{
		Name: "capture", Hook: "type filter hook prerouting priority mangle; policy accept;", Table: "mangle", Builtin: "PREROUTING",
		Why: "Captured traffic goes to Envoy as it is, before it is routed: forwarding need not be on.",
	}
	host, network := k.tproxies(config.FromHost), k.tproxies(config.FromNetwork)
	if len(host)+len(network) == 0 {
		return c
	}
	c.Rules = append(c.Rules, k.answersPass())
	c.Rules = append(c.Rules, taken(host)...)
	if len(network) > 0 {
		c.Rules = append(c.Rules, Rule{
			Why: "What this host sends to itself is not captured: Envoy would be its own client.", V4: true, V6: true,
			NFT: `iif "lo" accept`, IPTables: []string{"-i lo -j RETURN"},
		})
	}
	c.Rules = append(c.Rules, taken(network)...)
	return c
}

// answersPass is the rule for packets of connections and sessions that began the other way. When Linux has forgotten a UDP
// session and Envoy speaks first after that, the client's datagrams are such, too; it is the mark that tells them.
func (k *Kit) answersPass() Rule {
	r := Rule{
		Why: "Answers are not captured: their port is that of a client.", V4: true, V6: true,
		NFT: "ct direction reply accept", IPTables: []string{"-m conntrack --ctdir REPLY -j RETURN"},
	}
	if slices.ContainsFunc(k.Captures, Capture.udpAsItIs) {
		r.Why = "Answers are not captured: their port is that of a client. With the mark they may be those of a client, to Envoy."
		r.NFT = "ct direction reply ct mark != " + mark(Mark) + " accept"
		r.IPTables = []string{"-m conntrack --ctdir REPLY -m connmark ! --mark " + mark(Mark) + " -j RETURN"}
	}
	return r
}

// udpAsItIs reports whether c is UDP that is not redirected.
func (c Capture) udpAsItIs() bool { return c.Protocol == config.UDP && c.Mode == config.TProxy }

// tproxies are the captures by tproxy from one place.
func (k *Kit) tproxies(from config.CaptureFrom) []Capture {
	return slices.DeleteFunc(slices.Clone(k.Captures), func(c Capture) bool { return c.Mode != config.TProxy || c.From != from })
}

// redirects are the captures by redirect from one place.
func (k *Kit) redirects(from config.CaptureFrom) []Capture {
	return slices.DeleteFunc(slices.Clone(k.Captures), func(c Capture) bool { return c.Mode != config.Redirect || c.From != from })
}

// taken are the rules that hand captured packets to Envoy, and those that let nothing pass where Envoy does not listen.
func taken(captures []Capture) []Rule {
	var all []Rule
	for _, c := range captures {
		r := Rule{Why: names(c.Listeners), V4: !c.V6, V6: c.V6}
		r.NFT = c.marked() + c.nftMatch() + " tproxy " + c.family() + " to " + c.nftTarget()
		if c.From == config.FromNetwork {
			r.NFT += " meta mark set " + mark(Mark)
		}
		r.NFT += " accept"
		r.IPTables = c.iptables(c.iptablesTProxy())
		if c.From == config.FromHost {
			for i, rule := range r.IPTables {
				r.IPTables[i] = "-i lo -m mark --mark " + mark(TurnedMark) + " " + rule
			}
		}
		all = append(all, r)
	}
	return append(all, closed(captures)...)
}

// closed are the rules behind those of tproxy, which nft passes over where Envoy does not listen. iptables drops such packets
// by itself.
func closed(captures []Capture) []Rule {
	var all []Rule
	for _, v6 := range []bool{false, true} {
		for _, p := range []config.Protocol{config.TCP, config.UDP} {
			c := Capture{Protocol: p, V6: v6}
			for _, o := range captures {
				if o.Protocol == p && o.V6 == v6 {
					c.From, c.Ports = o.From, append(c.Ports, o.Ports...)
				}
			}
			if c.Ports = join(c.Ports); len(c.Ports) == 0 {
				continue
			}
			verdict := " drop"
			if p == config.TCP {
				verdict = " reject with tcp reset"
			}
			all = append(all, Rule{V4: !v6, V6: v6, NFT: c.marked() + c.nftMatch() + verdict})
		}
	}
	if len(all) > 0 {
		all[0].Why = "Where Envoy does not listen nothing passes around it."
	}
	return all
}

// host marks what programs of this host send, so that it comes by lo to the rules of capture.
func (k *Kit) host() Chain {
	c := Chain{
		Name: "host", Hook: "type route hook output priority mangle; policy accept;", Table: "mangle", Builtin: "OUTPUT",
		Why: "What programs of this host send is turned back to it, and captured as it comes in by lo.",
	}
	captures := k.tproxies(config.FromHost)
	if len(captures) == 0 {
		return c
	}
	c.Rules = []Rule{{
		Why: "A captured connection remains so. The first packet decides: later ones may have no user any more.", V4: true, V6: true,
		NFT: "ct direction original ct mark " + mark(TurnedMark) + " meta mark set " + mark(TurnedMark) + " accept",
		IPTables: []string{
			"-m conntrack --ctdir ORIGINAL -m connmark --mark " + mark(TurnedMark) + " -j MARK --set-mark " + mark(TurnedMark),
			"-m connmark --mark " + mark(TurnedMark) + " -j RETURN",
		},
	}, {
		V4: true, V6: true, NFT: "ct state != new accept", IPTables: []string{"-m conntrack ! --ctstate NEW -j RETURN"},
	}}
	c.Rules = append(c.Rules, k.exempt()...)
	for _, o := range captures {
		r := Rule{Why: names(o.Listeners), V4: !o.V6, V6: o.V6}
		r.NFT = o.nftMatch() + " ct mark set " + mark(TurnedMark) + " meta mark set " + mark(TurnedMark)
		r.IPTables = append(o.iptables("-j CONNMARK --set-mark "+mark(TurnedMark)), o.iptables("-j MARK --set-mark "+mark(TurnedMark))...)
		c.Rules = append(c.Rules, r)
	}
	return c
}

// exempt are the rules for what a host sends and is never captured.
func (k *Kit) exempt() []Rule {
	return []Rule{{
		Why: "Envoy's own is not captured.", V4: true, V6: true,
		NFT: "meta skuid " + k.EnvoyUser + " accept", IPTables: []string{"-m owner --uid-owner " + k.EnvoyUser + " -j RETURN"},
	}, {
		Why: "Nor is what stays on this host.", V4: true, V6: true,
		NFT: "fib daddr type local accept", IPTables: []string{"-m addrtype --dst-type LOCAL -j RETURN"},
	}}
}

// redirect changes the destination of what comes from the network.
func (k *Kit) redirect() Chain {
	return Chain{
		Name: "nat", Hook: "type nat hook prerouting priority dstnat; policy accept;", Table: "nat", Builtin: "PREROUTING",
		Why:   "Captured traffic is redirected to Envoy, before it is routed: forwarding need not be on. Without Envoy it is refused.",
		Rules: redirected(k.redirects(config.FromNetwork)),
	}
}

// redirectHost changes the destination of what programs of this host send.
func (k *Kit) redirectHost() Chain {
	c := Chain{
		Name: "nat_host", Hook: "type nat hook output priority -100; policy accept;", Table: "nat", Builtin: "OUTPUT",
		Why: "What programs of this host send is redirected to Envoy. Without Envoy it is refused.",
	}
	if captures := k.redirects(config.FromHost); len(captures) > 0 {
		c.Rules = append(k.exempt(), redirected(captures)...)
	}
	return c
}

func redirected(captures []Capture) []Rule {
	var all []Rule
	for _, c := range captures {
		verdict, target := "redirect", "-j REDIRECT"
		switch at := netip.AddrPortFrom(c.Address, c.Port); {
		case !c.Address.IsUnspecified() && c.Address != loopback(c.V6):
			verdict, target = "dnat "+c.family()+" to "+c.nftTarget(), "-j DNAT --to-destination "+c.nftTarget()
		case at.Port() > 0:
			verdict += " to :" + strconv.Itoa(int(c.Port))
			target += " --to-ports " + strconv.Itoa(int(c.Port))
		}
		all = append(all, Rule{Why: names(c.Listeners), V4: !c.V6, V6: c.V6, NFT: c.nftMatch() + " " + verdict, IPTables: c.iptables(target)})
	}
	return all
}

// family is c's family as nft calls it behind tproxy and dnat.
func (c Capture) family() string {
	if c.V6 {
		return "ip6"
	}
	return "ip"
}

// marked is the condition that a packet was turned back by the chain host; empty for what comes from the network.
func (c Capture) marked() string {
	if c.From == config.FromHost {
		return `iif "lo" meta mark ` + mark(TurnedMark) + " "
	}
	return ""
}

// nftMatch is what c captures.
func (c Capture) nftMatch() string {
	family := "ipv4"
	if c.V6 {
		family = "ipv6"
	}
	return "meta nfproto " + family + " " + string(c.Protocol) + " dport " + nftPorts(c.Ports)
}

// nftTarget is the listener's socket. An address without a port keeps the port; any of the host's finds a socket that listens
// on all.
func (c Capture) nftTarget() string {
	switch {
	case c.Port == 0 && c.Address.IsUnspecified():
		return loopback(c.V6).String()
	case c.Port == 0:
		return c.Address.String()
	case c.Address.IsUnspecified():
		return ":" + strconv.Itoa(int(c.Port))
	default:
		return netip.AddrPortFrom(c.Address, c.Port).String()
	}
}

// iptablesTProxy is the same for iptables, where port 0 keeps the port.
func (c Capture) iptablesTProxy() string {
	text := "-j TPROXY --on-port " + strconv.Itoa(int(c.Port))
	if !c.Address.IsUnspecified() {
		text += " --on-ip " + c.Address.String()
	}
	return text + " --tproxy-mark " + mark(Mark)
}

// iptables are the rules that do something with what c captures.
func (c Capture) iptables(target string) []string {
	var all []string
	for _, match := range multiport(c.Ports) {
		all = append(all, "-p "+string(c.Protocol)+" "+match+" "+target)
	}
	return all
}

// names is a list of listeners in words.
func names(list []string) string {
	if len(list) == 1 {
		return "Listener " + list[0] + "."
	}
	return "Listeners " + sentence(list) + "."
}
