package kit

import (
	"net/netip"
	"strconv"
)

// Command is a part of the kit that one command makes and another takes away.
type Command struct {
	// Why is one sentence: what it is there for.
	Why string
	// V6 is whether it is for IPv6.
	V6 bool
	// Add makes it, and fails if it is there; Delete takes it away, and fails if it is not.
	Add, Delete []string
}

// Sysctl is a setting of the kernel.
type Sysctl struct {
	// Key is its name, with dots: "net.ipv4.conf.all.route_localnet".
	Key string
	// Value is what the kit needs, Default what the kernel has without it.
	Value, Default string
	// Why is one sentence: what it is there for.
	Why string
}

// Routes are the rules of routing and the routes, in the order in which they are made.
func (k *Kit) Routes() []Command {
	var all []Command
	for _, v6 := range []bool{false, true} {
		all = append(append(all, k.rules(v6)...), k.routes(v6)...)
	}
	return all
}

// rules are the rules of routing of one family.
func (k *Kit) rules(v6 bool) []Command {
	var all []Command
	if v6 && k.V6 || !v6 && k.V4 {
		all = append(all, marked(v6)...)
	}
	for _, a := range k.Answers {
		if a.V6 == v6 {
			all = append(all, rule(v6, RouteTable, "What servers send from this port is looked up in a table of its own.",
				"ipproto", string(a.Protocol), "sport", a.Ports.String()))
		}
	}
	return all
}

// marked are the rules for packets with a mark. Of IPv4 the kernel also asks where a packet's source is, with its mark where
// src_valid_mark is set, as wg-quick does, and drops it where the answer is this host; of IPv6 it does not.
func marked(v6 bool) []Command {
	all := []Command{
		rule(v6, RouteTable-1, "What came in and has the mark is looked up in a table of its own, before all other rules.", "fwmark", mark(Mark)),
		rule(v6, RouteTable, "So is what is turned back to this host.", "fwmark", mark(TurnedMark)),
	}
	if v6 {
		return all
	}
	asks := command(v6, "When the kernel asks where such a packet is from, as with src_valid_mark, it is as if there was no mark.", "rule",
		"priority", strconv.Itoa(RouteTable-2), "fwmark", mark(Mark), "iif", "lo", "goto", strconv.Itoa(RouteTable))
	return append([]Command{all[1], asks}, all[0])
}

// rule lets what it selects be looked up in the kit's table.
func rule(v6 bool, priority int, why string, selector ...string) Command {
	args := append(append([]string{"priority", strconv.Itoa(priority)}, selector...), "lookup", strconv.Itoa(RouteTable))
	return command(v6, why, "rule", args...)
}

// routes are the routes of one family.
func (k *Kit) routes(v6 bool) []Command {
	var all []Command
	table := strconv.Itoa(RouteTable)
	if v6 && k.V6 || !v6 && k.V4 {
		all = append(all, command(v6, "All that is looked up there is delivered on this host, whatever its destination.",
			"route", "local", "default", "dev", "lo", "table", table))
	}
	for _, a := range k.Envoy {
		if a.Is6() == v6 {
			all = append(all, command(v6, "All that is looked up there goes to Envoy's host.",
				"route", "default", "via", a.String(), "table", table))
		}
	}
	for _, a := range k.Addresses {
		if a.Is6() == v6 {
			all = append(all, command(v6, "Envoy sends from this address, which the host does not have: what comes to it is for this host.",
				"route", "local", a.String(), "dev", "lo", "table", "local", "proto", strconv.Itoa(RouteProtocol)))
		}
	}
	return all
}

func command(v6 bool, why, object string, args ...string) Command {
	ip := []string{"ip", "-4", object}
	if v6 {
		ip[1] = "-6"
	}
	with := func(verb string) []string { return append(append(append([]string{}, ip...), verb), args...) }
	return Command{Why: why, V6: v6, Add: with("add"), Delete: with("delete")}
}

// Sysctls are the settings of the kernel.
func (k *Kit) Sysctls() []Sysctl {
	if !k.Localnet {
		return nil
	}
	return []Sysctl{{
		Key: localnetKey, Value: "1", Default: "0",
		Why: "A server on 127.0.0.0/8 may answer to an address elsewhere.",
	}}
}

const localnetKey = "net.ipv4.conf.all.route_localnet"

// addressesOf are those of k.Addresses of one family.
func (k *Kit) addressesOf(v6 bool) []netip.Addr {
	var all []netip.Addr
	for _, a := range k.Addresses {
		if a.Is6() == v6 {
			all = append(all, a)
		}
	}
	return all
}
