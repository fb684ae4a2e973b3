package kit

import (
	"slices"
	"strconv"
)

// Command is a part of the kit that one command makes and another takes away.
type Command struct {
	// Why is one sentence: what it is there for.
	Why string
	// V6 is whether it is for IPv6.
	V6 bool
	// Add makes it, and may fail if it is there; Delete takes it away, and fails if it is not there.
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
		all = append(append(all, k.routes(v6)...), k.rules(v6)...)
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
			all = append(all, rule(v6, RouteTable, "What a server sends from these ports is looked up in that table, except to this host itself.",
				"ipproto", string(a.Protocol), "sport", a.Ports.String()))
		}
	}
	return all
}

// marked are the rules for packets with a mark. Of IPv4 the kernel also asks where a packet's source is, with its mark where
// src_valid_mark is set, as wg-quick does, and drops it where the answer is this host; of IPv6 it does not.
func marked(v6 bool) []Command {
	turned := rule(v6, RouteTable, "What is turned back to this host is looked up in that table.", "fwmark", mark(TurnedMark))
	in := rule(v6, RouteTable-1, "What came in and has the mark is looked up in that table.", "fwmark", mark(Mark))
	if v6 {
		return []Command{turned, in}
	}
	asks := command(v6, "When the kernel looks where a packet with the mark is from (src_valid_mark), it is as if it had none.", "rule",
		"priority", strconv.Itoa(RouteTable-2), "fwmark", mark(Mark), "iif", "lo", "goto", strconv.Itoa(RouteTable))
	return []Command{turned, asks, in}
}

// rule lets what it selects be looked up in the kit's table.
func rule(v6 bool, priority int, why string, selector ...string) Command {
	args := append(append([]string{"priority", strconv.Itoa(priority)}, selector...), "lookup", strconv.Itoa(RouteTable))
	return command(v6, why, "rule", args...)
}

// routes are the routes of one family.
func (k *Kit) routes(v6 bool) []Command {
	var all []Command
	if v6 && k.V6 || !v6 && k.V4 {
		all = append(all, route(v6, "What is looked up in this table is delivered on this host, whatever its destination.",
			"local", "default", "dev", "lo"))
	}
	for _, a := range k.Envoy {
		if a.Is6() == v6 {
			all = append(all, route(v6, "What is looked up in this table goes to Envoy's host.", "default", "via", a.String()))
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

// route is a route of the kit's own table.
func route(v6 bool, why string, args ...string) Command {
	c := command(v6, why, "route", append(args, "table", strconv.Itoa(RouteTable))...)
	c.Add[3] = "replace" // the former one may lead elsewhere
	return c
}

func command(v6 bool, why, object string, args ...string) Command {
	ip := []string{"ip", "-4", object}
	if v6 {
		ip[1] = "-6"
	}
	return Command{Why: why, V6: v6, Add: slices.Concat(ip, []string{"add"}, args), Delete: slices.Concat(ip, []string{"delete"}, args)}
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
