package kit

import "strings"

// The functions of a script that look after the chains.
const (
	jumpChain = `# Lets a chain of the kernel go through one of ours, once.
jump() { # COMMAND TABLE KERNEL-CHAIN CHAIN
  "$1" -w -t "$2" -C "$3" -j "$4" 2>/dev/null || "$1" -w -t "$2" -I "$3" -j "$4"
}
`
	dropChain = `# Takes one of our chains away, if it is there.
drop() { # COMMAND TABLE KERNEL-CHAIN CHAIN
  while "$1" -w -t "$2" -D "$3" -j "$4" 2>/dev/null; do :; done
  "$1" -w -t "$2" -F "$4" 2>/dev/null && "$1" -w -t "$2" -X "$4" || :
}
`
)

// iptablesRules are those of iptables and ip6tables.
func (k *Kit) iptablesRules() rules {
	r := rules{
		remove:   dropChain + drops(removeAll.everyChain(), false) + drops(removeAll.everyChain(), true),
		localnet: "iptables -w -t raw -n -L L4XDS-LOCALNET >/dev/null 2>&1",
	}
	var jumps, stale strings.Builder
	for _, v6 := range []bool{false, true} {
		for _, c := range k.everyChain() {
			if len(c.iptables(v6)) > 0 {
				jumps.WriteString("jump " + iptablesCommand(v6) + " " + c.iptablesWords() + "\n")
			} else {
				stale.WriteString(drops([]Chain{c}, v6))
			}
		}
	}
	if jumps.Len() > 0 {
		r.load = "# Each table is filled at one stroke.\n" + k.restore(false) + k.restore(true) + "\n" + jumpChain + jumps.String() + "\n"
	}
	r.load += dropChain + "# What a former kit had and this one has not.\n" + stale.String()
	return r
}

// drops take chains away.
func drops(chains []Chain, v6 bool) string {
	var b strings.Builder
	for _, c := range chains {
		b.WriteString("drop " + iptablesCommand(v6) + " " + c.iptablesWords() + "\n")
	}
	return b.String()
}

// restore fills the chains of one family.
func (k *Kit) restore(v6 bool) string {
	var tables []string
	text := map[string]string{}
	for _, c := range k.everyChain() {
		lines := c.iptables(v6)
		if len(lines) == 0 {
			continue
		}
		if text[c.Table] == "" {
			tables = append(tables, c.Table)
			text[c.Table] = "*" + c.Table + "\n"
		}
		text[c.Table] += "# " + c.Why + "\n:" + c.iptablesName() + " - [0:0]\n" + strings.Join(lines, "\n") + "\n"
	}
	if len(tables) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(iptablesCommand(v6) + "-restore -w --noflush <<'EOF'\n")
	for _, t := range tables {
		b.WriteString(text[t] + "COMMIT\n")
	}
	b.WriteString("EOF\n")
	return b.String()
}

// iptables are the lines of c for one family, with comments.
func (c Chain) iptables(v6 bool) []string {
	var lines []string
	why := ""
	for _, r := range c.Rules {
		if v6 && !r.V6 || !v6 && !r.V4 || len(r.IPTables) == 0 {
			continue
		}
		if r.Why != "" && r.Why != why {
			lines = append(lines, "# "+r.Why)
		}
		why = r.Why
		for _, rule := range r.IPTables {
			lines = append(lines, "-A "+c.iptablesName()+" "+rule)
		}
	}
	return lines
}

// iptablesName is the name of the chain there.
func (c Chain) iptablesName() string {
	return "L4XDS-" + strings.ToUpper(strings.ReplaceAll(c.Name, "_", "-"))
}

// iptablesWords say where c is: the table, the chain of the kernel, its own name.
func (c Chain) iptablesWords() string { return c.Table + " " + c.Builtin + " " + c.iptablesName() }

func iptablesCommand(v6 bool) string {
	if v6 {
		return "ip6tables"
	}
	return "iptables"
}
