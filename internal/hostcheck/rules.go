package hostcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/kit"
)

// tableName is the kit's table as it is spoken of.
const tableName = "table inet " + kit.Table

// rules compares the rules of the host with those of the kit, whose text is printed in another way by each version of nft
// and iptables: so what is expected is what they list when the kit is alone in a namespace.
func (i *inspection) rules() {
	if len(i.Kit.Chains()) == 0 {
		return
	}
	table, err := i.run("nft", "-s", "list", "table", "inet", kit.Table)
	if err == nil {
		i.compareTable(table)
		i.twice()
		return
	}
	if chains := i.iptables(); len(chains) > 0 {
		i.compareIPTables(chains)
		return
	}
	f := Finding{Part: Rules, Name: tableName, Result: finding.Failed}
	if isAbsent(err) {
		f.Message, f.Mend = "missing", i.mendTable()
	} else {
		f.Message, f.Advice = "cannot be read: "+err.Error(), howToRead("nft", err)
	}
	i.say(f)
}

// kitCommand is the command that writes the kit, without its format.
func (i *inspection) kitCommand() string {
	if i.Kit.EnvoyUser == "" {
		return i.Command
	}
	return i.Command + " --envoy-user " + i.Kit.EnvoyUser
}

// mendTable is the command that loads the kit's table.
func (i *inspection) mendTable() string { return i.kitCommand() + " --format nft | nft -f -" }

// isAbsent reports whether err is that of nft for a table that is not there.
func isAbsent(err error) bool {
	said, is := errors.AsType[*programError](err)
	return is && strings.Contains(said.said, "No such file or directory")
}

// howToRead is what to do about a program that cannot be run or may not read.
func howToRead(program string, err error) string {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return "install " + program
	}
	return "run this as root, in the network namespace of the Envoy"
}

// compareTable compares the table of the host with that of the kit.
func (i *inspection) compareTable(text string) {
	found := parseTable(text)
	expected := i.expectedTable()
	for n, want := range expected {
		i.compareChain(Finding{Part: Rules, Name: want.name + " of " + tableName, Mend: i.mendTable()}, find(found, want.name), want,
			i.Kit.Chains()[n])
	}
	for _, c := range found {
		if find(expected, c.name) == nil {
			i.say(Finding{
				Part: Rules, Name: c.name + " of " + tableName, Result: finding.Failed, Message: "the kit has none of that name",
				Mend: i.mendTable(),
			})
		}
	}
}

// expectedTable is the kit's table as the nft of this host lists it; where that cannot be had, as the kit writes it.
func (i *inspection) expectedTable() []chain {
	ctx, cancel := i.limited()
	defer cancel()
	listed, err := i.host.sandbox(ctx, i.Kit.NFT(), "nft -f - && nft -s list table inet "+kit.Table)
	if err == nil {
		return parseTable(listed)
	}
	i.say(Finding{
		Part: Rules, Name: tableName, Result: finding.Unsure,
		Message: "compared with the kit's own text, for nft cannot list the kit in a namespace of its own: " + err.Error(),
		Advice:  "lines that mean the same may be told as different",
	})
	var chains []chain
	for _, c := range i.Kit.Chains() {
		lines := []string{c.Hook}
		for _, rule := range c.Rules {
			lines = append(lines, rule.NFT)
		}
		chains = append(chains, chain{name: "chain " + c.Name, lines: lines})
	}
	return chains
}

// compareChain compares a chain, nil if it is missing, with what the kit has. f says where, and what mends it.
func (i *inspection) compareChain(f Finding, found *chain, expected chain, source kit.Chain) {
	if found == nil {
		f.Result, f.Message, f.Why = finding.Failed, "missing", source.Why
		i.say(f)
		return
	}
	differences := compare(found.lines, expected.lines)
	if len(differences) == 0 {
		f.Result, f.Message, f.Mend = finding.OK, fmt.Sprintf("as the kit has it, %s", count(len(expected.lines)-1, "rule")), ""
		i.say(f)
		return
	}
	for _, d := range differences {
		f.Result, f.Found, f.Expected, f.Why = finding.Failed, d.found, d.expected, ""
		switch {
		case d.expected == "":
			f.Message = "a line that the kit does not have"
		case d.found == "":
			f.Message, f.Why = "a line is missing", reason(source, expected, d.expected)
		default:
			f.Message, f.Why = "a line is another one", reason(source, expected, d.expected)
		}
		i.say(f)
	}
}

// reason is what a line of a chain is for: the listing has the chain's hook, then its rules in the kit's order.
func reason(source kit.Chain, listed chain, line string) string {
	why := source.Why
	for n, other := range listed.lines {
		if n > 0 && n <= len(source.Rules) && source.Rules[n-1].Why != "" {
			why = source.Rules[n-1].Why
		}
		if other == line {
			break
		}
	}
	return why
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
