package kit

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// Chain is one chain of rules, for nft and for iptables.
type Chain struct {
	// Name is its name in the nft table.
	Name string
	// Why is what it is there for.
	Why string
	// Hook is its first line: type, hook, priority and policy.
	Hook string
	// Table and Builtin are where iptables has it: the table, and the chain that jumps to it.
	Table, Builtin string
	Rules          []Rule
}

// Rule is one rule of a chain.
type Rule struct {
	// Why is what it is there for; empty if the rule above says so.
	Why string
	// NFT is the rule for nft.
	NFT string
	// IPTables are the rules for iptables, behind the name of the chain; none where it needs none.
	IPTables []string
	// V4 and V6 are the families that it is for.
	V4, V6 bool
}

// Chains are the chains that k needs, in the order in which packets meet them.
func (k *Kit) Chains() []Chain {
	return slices.DeleteFunc(k.everyChain(), func(c Chain) bool { return len(c.Rules) == 0 })
}

// everyChain are all chains that a kit may have; those that k does not need are empty.
func (k *Kit) everyChain() []Chain {
	return []Chain{k.localnet(), k.host(), k.sent(), k.back(), k.capture(), k.redirect(), k.redirectHost(), k.guard()}
}

// localnet closes what route_localnet opens.
func (k *Kit) localnet() Chain {
	c := Chain{
		Name: "localnet", Hook: "type filter hook prerouting priority raw; policy accept;", Table: "raw", Builtin: "PREROUTING",
		Why: "With route_localnet the kernel takes 127.0.0.0/8 from everywhere. Nobody else is to reach what listens there.",
	}
	if k.Localnet {
		c.Rules = []Rule{
			{V4: true, NFT: `iif != "lo" ip daddr 127.0.0.0/8 drop`, IPTables: []string{"! -i lo -d 127.0.0.0/8 -j DROP"}},
			{V4: true, NFT: `iif != "lo" ip saddr 127.0.0.0/8 drop`, IPTables: []string{"! -i lo -s 127.0.0.0/8 -j DROP"}},
		}
	}
	return c
}

// sent marks the connections that Envoy opens with a client's address.
func (k *Kit) sent() Chain {
	c := Chain{
		Name: "sent", Hook: "type route hook output priority mangle; policy accept;", Table: "mangle", Builtin: "OUTPUT",
		Why: "What begins here from an address that this host does not have is Envoy's: the answers are to come back here.",
	}
	if k.Back {
		c.Rules = []Rule{{
			Why: "Remember the connection or session; nothing is remembered of others.",
			V4:  true, V6: true, NFT: "ct direction original fib saddr type != local ct mark set " + mark(Mark),
			IPTables: []string{"-m conntrack --ctdir ORIGINAL -m addrtype ! --src-type LOCAL -j CONNMARK --set-mark " + mark(Mark)},
		}, {
			Why: "The answer of a server on this host.",
			V4:  true, V6: true, NFT: "ct direction reply ct mark " + mark(Mark) + " meta mark set " + mark(TurnedMark),
			IPTables: []string{"-m conntrack --ctdir REPLY -m connmark --mark " + mark(Mark) + " -j MARK --set-mark " + mark(TurnedMark)},
		}}
	}
	return c
}

// back brings in the answers of servers elsewhere.
func (k *Kit) back() Chain {
	c := Chain{
		Name: "back", Hook: "type filter hook prerouting priority mangle - 1; policy accept;", Table: "mangle", Builtin: "PREROUTING",
		Why: "The way back: such answers from elsewhere are for an address that this host does not have, and go to Envoy.",
	}
	if k.Back {
		c.Rules = []Rule{{
			V4: true, V6: true, NFT: `iif != "lo" ct direction reply ct mark ` + mark(Mark) + " meta mark set " + mark(Mark),
			IPTables: []string{"! -i lo -m conntrack --ctdir REPLY -m connmark --mark " + mark(Mark) + " -j MARK --set-mark " + mark(Mark)},
		}}
	}
	return c
}

// guard drops what nobody asked for. Envoy's sessions with clients' addresses are the only transparent UDP sockets of it
// besides the captured ports, so that the rule needs no range of ports, which each host may set as it likes.
func (k *Kit) guard() Chain {
	c := Chain{
		Name: "guard", Hook: "type filter hook input priority filter; policy accept;", Table: "filter", Builtin: "INPUT",
		Why: "Envoy does not look who sends to the socket of a session: it would pass on a datagram from anybody as the server's.",
	}
	if !k.Guard {
		return c
	}
	var captured []config.Ports
	for _, capture := range k.Captures {
		if capture.udpAsItIs() {
			captured = append(captured, capture.Ports...)
		}
	}
	drop := "socket transparent 1 ct direction original fib daddr type local drop"
	r := Rule{Why: "Only answers may come to this host's own addresses.", V4: true, V6: true, NFT: "meta l4proto udp " + drop}
	if len(captured) > 0 {
		captured = join(captured)
		r.Why = "Only answers may come to this host's own addresses, except to the captured ports, which are no sessions."
		r.NFT = "udp dport != " + nftPorts(captured) + " " + drop
		for _, match := range multiport(captured) {
			r.IPTables = append(r.IPTables, "-p udp "+match+" -j RETURN")
		}
	}
	r.IPTables = append(r.IPTables,
		"-p udp -m socket --transparent --nowildcard -m conntrack --ctdir ORIGINAL -m addrtype --dst-type LOCAL -j DROP")
	c.Rules = []Rule{r}
	return c
}

// mark is a mark as it is written.
func mark(m int) string { return fmt.Sprintf("0x%x", m) }

// nftPorts are ports as nft reads them: 80, 80-90, { 80, 90-99 }.
func nftPorts(list []config.Ports) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	if len(list) == 1 {
		return texts[0]
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}

// multiport are ports as iptables reads them, which takes 15 numbers at once.
func multiport(list []config.Ports) []string {
	const most = 15
	var all []string
	text, numbers := "", 0
	for _, p := range list {
		one, size := strconv.Itoa(int(p.First)), 1
		if p.First != p.Last {
			one, size = one+":"+strconv.Itoa(int(p.Last)), 2
		}
		if numbers+size > most {
			all = append(all, "-m multiport --dports "+text)
			text, numbers = "", 0
		}
		if text != "" {
			text += ","
		}
		text, numbers = text+one, numbers+size
	}
	return append(all, "-m multiport --dports "+text)
}

// loopback is the loopback address of a family.
func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
