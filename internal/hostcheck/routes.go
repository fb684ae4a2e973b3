package hostcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/kit"
)

// routes looks for what the kit's ip commands make.
func (i *inspection) routes() {
	commands := i.Kit.Routes()
	if len(commands) == 0 {
		return
	}
	expected := i.expectedRoutes(commands)
	for n, c := range commands {
		i.route(c, expected[n])
	}
	i.strangers(commands)
}

// strangers says which other rules of routing come before those of the kit, or use its marks or its table.
func (i *inspection) strangers(commands []kit.Command) {
	for _, family := range families {
		own := slices.DeleteFunc(slices.Clone(commands), func(c kit.Command) bool { return c.Add[1] != family || c.Add[2] != "rule" })
		if len(own) == 0 {
			continue
		}
		text, err := i.run("ip", family, "rule", "show")
		if err != nil {
			return // the kit's own have said it
		}
		for _, line := range normalLines(text) {
			known := slices.ContainsFunc(own, func(c kit.Command) bool { return tells(line, c.Add) })
			if why := stranger(line); why != "" && !known {
				i.say(Finding{
					Part: Routes, Name: "ip " + family + " rule", Result: finding.Unsure, Message: "another rule of this host " + why, Found: line,
					Advice: fmt.Sprintf("see that it does not take packets with the marks %#x and %#x", kit.Mark, kit.TurnedMark),
				})
			}
		}
	}
}

// stranger says in which way a rule that is not the kit's concerns it; empty if it does not.
func stranger(line string) string {
	words := strings.Fields(line)
	priority, err := strconv.Atoi(strings.TrimSuffix(words[0], ":"))
	if err != nil || priority == 0 { // that of the local table
		return ""
	}
	for n, w := range words[1:] {
		switch mark, _, _ := strings.Cut(w, "/"); words[n] {
		case "fwmark":
			if mark == fmt.Sprintf("%#x", kit.Mark) || mark == fmt.Sprintf("%#x", kit.TurnedMark) {
				return "has a mark of the kit"
			}
		case "lookup":
			if w == strconv.Itoa(kit.RouteTable) {
				return "leads to the table of the kit"
			}
		}
	}
	if priority < kit.RouteTable-2 {
		return "comes before those of the kit"
	}
	return ""
}

// listing is the command whose output shows what that of a kit makes: `ip -4 rule add ...` or `ip -4 route replace ...`.
func listing(c kit.Command) []string {
	words := append(slices.Clone(c.Add[:3]), "show")
	if c.Add[2] == "route" {
		words = append(words, "table", "all")
	}
	return words
}

// route says whether there is what a command makes, of which the expected lines are listed.
func (i *inspection) route(c kit.Command, expected []string) {
	f := Finding{Part: Routes, Name: strings.Join(c.Add, " "), Why: c.Why}
	text, err := i.run(listing(c)...)
	if err != nil {
		f.Result, f.Message, f.Advice = finding.Failed, "cannot be read: "+err.Error(), howToRead("iproute2", err)
		i.say(f)
		return
	}
	found := normalLines(text)
	has := func(line string) bool { return slices.Contains(found, line) }
	if expected == nil {
		expected = []string{strings.Join(c.Add, " ")}
		has = func(string) bool {
			return slices.ContainsFunc(found, func(line string) bool { return tells(line, c.Add) })
		}
	}
	for _, line := range expected {
		if !has(line) {
			if a, is := i.sourceOf(c); is && i.host.has(a) {
				f.Result, f.Message, f.Why = finding.OK, "not needed: the host has the address", ""
				i.say(f)
				return
			}
			f.Result, f.Message, f.Expected, f.Mend = finding.Failed, "missing", line, strings.Join(c.Add, " ")
			i.say(f)
			return
		}
	}
	f.Result, f.Message, f.Why = finding.OK, "there", ""
	i.say(f)
}

// expectedRoutes are the lines with which the ip of this host lists what each command makes, as it does in a namespace where
// nothing else is; nil where that cannot be had.
func (i *inspection) expectedRoutes(commands []kit.Command) [][]string {
	const mark = "-----"
	var script strings.Builder
	script.WriteString("ip link set lo up || exit\n")
	for _, c := range commands {
		list := strings.Join(listing(c), " ")
		fmt.Fprintf(&script, "%s || exit\necho %s\n%s || exit\n%s || exit\necho %s\n", list, mark, strings.Join(c.Add, " "), list, mark)
	}
	ctx, cancel := i.limited()
	defer cancel()
	text, err := i.host.sandbox(ctx, "", script.String())
	expected := make([][]string, len(commands))
	parts := strings.Split(text, mark+"\n")
	if err != nil || len(parts) <= 2*len(commands) {
		return expected // then their words must do
	}
	for n := range commands {
		before, after := normalLines(parts[2*n]), normalLines(parts[2*n+1])
		expected[n] = slices.DeleteFunc(after, func(line string) bool { return slices.Contains(before, line) })
	}
	return expected
}

// sourceOf is the address that a route of the kit is for, where Envoy sends from it.
func (i *inspection) sourceOf(c kit.Command) (netip.Addr, bool) {
	n := slices.IndexFunc(i.Kit.Addresses, func(a netip.Addr) bool { return slices.Contains(c.Add, a.String()) })
	if n < 0 {
		return netip.Addr{}, false
	}
	return i.Kit.Addresses[n], true
}

// normalLines are the lines of a text with single blanks, without what does not matter: who made a route, and whether what a
// rule leads to is there, which is a finding of its own.
func normalLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), " [unresolved]"))
		if n := slices.Index(words, "proto"); n >= 0 && n+1 < len(words) {
			words = slices.Delete(words, n, n+2)
		}
		if len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return lines
}

// tells reports whether a line of a listing has all words of what a command of ip makes.
func tells(line string, command []string) bool {
	words := strings.Fields(line)
	words[0] = strings.TrimSuffix(words[0], ":") // the priority of a rule
	for n, w := range command[4:] {              // behind ip, the family, the object and the verb
		if n > 0 && command[4+n-1] == "proto" {
			continue
		}
		if w != "priority" && w != "proto" && !slices.Contains(words, w) {
			return false
		}
	}
	return true
}
