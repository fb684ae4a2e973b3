package config

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// combinations are values of keys that look at each other, right and wrong ones; @ stands for a target.
var combinations = map[string][]string{
	"tcp":            {"53", "70000", "[]", `"[::]:53"`, "127.0.0.1:53", `[53, "[::1]:54"]`, "unix:/s", "80-90", "{}"},
	"udp":            {"53", "x", "40000", "[53, 54]"},
	"transparent":    {"tproxy", "redirect", "none", "x", "{}", "{ports: 80}", "{mode: redirect, ports: [x]}", "{mode: redirect, ports: [80, 90-100], from: host}", "{mode: tproxy, ports: [53, 0]}"},
	"source":         {"client", "none", "10.0.0.9", `[10.0.0.9, "::1"]`, "{}", "{freebind: true}", "[client]", "0.0.0.0"},
	"targets":        {"any", "[]", "10.0.0.0/8", `["*:80", x]`, "{}", `"[2001:db8::/32]:80"`},
	"proxy_protocol": {"require", "optional", "none", "{}", "{mode: require, from: 10.0.0.0/8}", "{from: [], versions: [x]}"},
	"freebind":       {"true", "x"},
	"via":            {"hub", "x", "{proxy: original, http: 2}"},
	"timeouts":       {"{idle: 60s}", "x"},
	"sni":            {"{a.example.com: @}"},
	"routes":         {"[{name: a, to: @}]", "[{name: a, peer: 10.0.0.0/8, to: @, targets: any}, {name: b, to: @}]", `[{name: a, from: "::/0", to: @, source: client}]`},
	"to":             {"@"},
}

var combinedTargets = []string{
	"original", "web", "six", "sock", "none", `["10.0.0.1:1", "unix:/x"]`, "{endpoints: original, source: {freebind: true}}", "{endpoints: []}", "{original: 1}",
	"{web: 1, six: 2}", `{endpoints: "10.0.0.1:1", source: {freebind: true}, proxy_protocol: {version: v2, pass: all}}`, "[original]",
	"{endpoints: [{address: 10.0.0.1:1, proxy_protocol: v2}], source: 10.0.0.8}",
}

// TestCombinations: whatever stands beside whatever, there is a model or a message.
func TestCombinations(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	keys := slices.Sorted(maps.Keys(combinations))
	for range 3000 {
		text := "listeners:\n"
		for n := range 2 {
			var stanza []string
			for _, key := range keys {
				if r.IntN(3) > 0 && key != "to" {
					continue
				}
				value := pick(combinations[key])
				for strings.Contains(value, "@") {
					value = strings.Replace(value, "@", pick(combinedTargets), 1)
				}
				stanza = append(stanza, key+": "+value)
			}
			text += fmt.Sprintf("  l%d: {%s}\n", n, strings.Join(stanza, ", "))
		}
		text += "backends:\n  web: {endpoints: [10.0.0.1:80], source: " + pick(combinations["source"]) + "}\n  six: {endpoints: \"[2001:db8::1]:1\"}\n" +
			"  sock: {endpoints: \"unix:/y\"}\ntunnels: {hub: {proxy: \"h:1\", http: 2, exit: {tcp: 9, to: " + pick(combinedTargets) + "}}}\n"
		if c, said := loadText(text); (c == nil) != said.HasErrors() {
			t.Errorf("a model: %t, and %v of\n%s", c != nil, said, text)
		}
	}
}
