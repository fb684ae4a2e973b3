package kit

import "strconv"

// Routes are the rules and routes, in the order in which they are made.
func (k *Kit) Routes() []Command {
	var all []Command
	for _, v6 := range []bool{false, true} {
		if v6 && !k.V6 || !v6 && !k.V4 {
			continue
		}
		table := strconv.Itoa(RouteTable)
		all = append(all, Command{
			Why:    "Packets with the mark are looked up in a table of their own, before all other rules.",
			Add:    ip(v6, "rule", "add", "priority", table, "fwmark", "0x4c", "lookup", table),
			Delete: ip(v6, "rule", "delete", "priority", table, "fwmark", "0x4c", "lookup", table),
		}, Command{
			Why:    "That table delivers them on this host, whatever their destination.",
			Add:    ip(v6, "route", "add", "local", "default", "dev", "lo", "table", table),
			Delete: ip(v6, "route", "delete", "local", "default", "dev", "lo", "table", table),
		})
	}
	for _, a := range k.Addresses {
		all = append(all, Command{
			Why:    "Envoy sends from this address, which the host does not have: what comes to it is for this host.",
			Add:    ip(a.Is6(), "route", "add", "local", a.String(), "dev", "lo", "proto", "static"),
			Delete: ip(a.Is6(), "route", "delete", "local", a.String(), "dev", "lo", "proto", "static"),
		})
	}
	return all
}

func ip(v6 bool, args ...string) []string {
	if v6 {
		return append([]string{"ip", "-6"}, args...)
	}
	return append([]string{"ip", "-4"}, args...)
}

// Sysctls are the settings of the kernel.
func (k *Kit) Sysctls() []Sysctl {
	if !k.Localnet {
		return nil
	}
	return []Sysctl{{
		Key: "net.ipv4.conf.all.route_localnet", Value: "1", Default: "0",
		Why: "A server on 127.0.0.0/8 may answer to an address elsewhere.",
	}}
}
