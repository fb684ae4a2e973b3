package hostcheck

import (
	"bytes"
	"strings"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/kit"
)

// chainPrefix is how the names of the kit's chains begin where it is applied with iptables.
const chainPrefix = "L4XDS-"

// saves are the programs that list the rules of iptables, and the family of each.
var saves = []struct{ program, family string }{{"iptables-save", "IPv4"}, {"ip6tables-save", "IPv6"}}

// iptables are the kit's chains that the host has in the form of iptables, and the jumps to them; none if it has none, or if
// they cannot be read.
func (i *inspection) iptables() []chain {
	var chains []chain
	for _, s := range saves {
		text, err := i.run(s.program)
		if err == nil {
			chains = append(chains, parseSaved(s.family, text)...)
		}
	}
	return chains
}

// mendIPTables is the command that makes the kit's chains.
func (i *inspection) mendIPTables() string { return i.kitCommand() + " --format iptables | sh" }

// twice says so where a host has the kit in both forms.
func (i *inspection) twice() {
	if chains := i.iptables(); len(chains) > 0 {
		i.say(Finding{
			Part: Rules, Name: "iptables", Result: finding.Failed, Message: "has the kit as well: its rules are there twice",
			Found: chains[0].name, Mend: "l4xds kit --remove --format iptables | sh; " + i.kitCommand() + " --format script | sh",
		})
	}
}

// compareIPTables compares the chains of the host with those of the kit.
func (i *inspection) compareIPTables(found []chain) {
	var script bytes.Buffer
	_ = i.Kit.Write(&script, kit.IPTables) // to memory
	const mark = "L4XDS-END"
	ctx, cancel := i.limited()
	defer cancel()
	listed, err := i.host.sandbox(ctx, script.String(),
		"ip link set lo up && sh >&2 && iptables-save && echo "+mark+" && ip6tables-save")
	if err != nil {
		i.say(Finding{
			Part: Rules, Name: "iptables", Result: finding.Failed,
			Message: "cannot be compared, for the kit cannot be listed in a namespace of its own: " + err.Error(),
			Advice:  howToRead("iptables", err),
		})
		return
	}
	v4, v6, _ := strings.Cut(listed, mark+"\n")
	expected := append(parseSaved(saves[0].family, v4), parseSaved(saves[1].family, v6)...)
	for _, want := range expected {
		i.compareChain(Finding{Part: Rules, Name: want.name, Mend: i.mendIPTables()}, find(found, want.name), want, i.sourceOfSaved(want.name))
	}
	for _, c := range found {
		if find(expected, c.name) == nil {
			i.say(Finding{
				Part: Rules, Name: c.name, Result: finding.Failed, Message: "the kit has none of that name", Mend: i.mendIPTables(),
			})
		}
	}
}

// sourceOfSaved is the chain of the kit that is listed under a name; of jumps there is none, but what they are for.
func (i *inspection) sourceOfSaved(name string) kit.Chain {
	for _, c := range i.Kit.Chains() {
		if strings.HasSuffix(name, "chain "+chainPrefix+strings.ToUpper(strings.ReplaceAll(c.Name, "_", "-"))) {
			return kit.Chain{Why: c.Why}
		}
	}
	return kit.Chain{Why: "The kernel's chains lead to those of the kit."}
}

// parseSaved reads what iptables-save writes, as far as it is of the kit. The first line of a chain is its declaration, or
// for the jumps to the kit's chains, their table.
func parseSaved(family, text string) []chain {
	var chains []chain
	add := func(name, head, line string) {
		c := find(chains, name)
		if c == nil {
			chains = append(chains, chain{name: name, lines: []string{head}})
			c = &chains[len(chains)-1]
		}
		if line != "" {
			c.lines = append(c.lines, line)
		}
	}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = family + " table " + line[1:]
		case strings.HasPrefix(line, ":"+chainPrefix):
			add(table+", chain "+fields[0][1:], "chain", "")
		case strings.HasPrefix(line, "-A "+chainPrefix):
			add(table+", chain "+fields[1], "chain", line)
		case strings.HasPrefix(line, "-A ") && strings.Contains(line, " "+chainPrefix):
			add(table+", jumps", "jumps", line)
		}
	}
	return chains
}
