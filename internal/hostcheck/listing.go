package hostcheck

import (
	"slices"
	"strings"
)

// chain is one chain of rules, or another block of a table, as a program lists it.
type chain struct {
	// name is its kind and name: "chain back".
	name  string
	lines []string
}

// parseTable reads what `nft list table` writes: blocks of lines within one block.
func parseTable(text string) []chain {
	var chains []chain
	rule := "" // what has been read of one that goes over several lines
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, opens := strings.CutSuffix(line, " {")
		switch {
		case rule == "" && opens && strings.HasPrefix(name, "table "), line == "":
		case rule == "" && opens:
			chains = append(chains, chain{name: name})
		case rule == "" && line == "}":
		case len(chains) > 0:
			rule = strings.TrimSpace(rule + " " + line)
			if strings.Count(rule, "{") > strings.Count(rule, "}") {
				continue // a long set is broken
			}
			last := &chains[len(chains)-1]
			last.lines = append(last.lines, rule)
			rule = ""
		}
	}
	return chains
}

// find is the chain of that name, nil if there is none.
func find(chains []chain, name string) *chain {
	if i := slices.IndexFunc(chains, func(c chain) bool { return c.name == name }); i >= 0 {
		return &chains[i]
	}
	return nil
}

// difference is one line that is not as it should be. One of the two is empty where a line is missing, or too much.
type difference struct{ found, expected string }

// compare tells in what found differs from expected, in order.
func compare(found, expected []string) []difference {
	// kept[i][j] is how many lines the rests from i and j have in common, in their order.
	kept := make([][]int, len(found)+1)
	for i := range kept {
		kept[i] = make([]int, len(expected)+1)
	}
	for i, f := range slices.Backward(found) {
		for j, e := range slices.Backward(expected) {
			if f == e {
				kept[i][j] = kept[i+1][j+1] + 1
			} else {
				kept[i][j] = max(kept[i+1][j], kept[i][j+1])
			}
		}
	}
	var list []difference
	var extra, missing []string
	flush := func() {
		for len(extra) > 0 || len(missing) > 0 {
			var d difference
			if len(extra) > 0 {
				d.found, extra = extra[0], extra[1:]
			}
			if len(missing) > 0 {
				d.expected, missing = missing[0], missing[1:]
			}
			list = append(list, d)
		}
	}
	i, j := 0, 0
	for i < len(found) || j < len(expected) {
		switch {
		case i < len(found) && j < len(expected) && found[i] == expected[j]:
			flush()
			i, j = i+1, j+1
		case j == len(expected) || i < len(found) && kept[i+1][j] >= kept[i][j+1]:
			extra = append(extra, found[i])
			i++
		default:
			missing = append(missing, expected[j])
			j++
		}
	}
	flush()
	return list
}
