package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTransparent reads what is captured, and whose address the servers see.
func TestTransparent(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `listeners:
  own: {tcp: [80, 90-99], udp: 53, transparent: tproxy, source: client, to: "h:1"}
  cap: {tcp: {address: "[::]:15001", transparent: {mode: redirect, ports: [8080, 443, 9000-9010, 443]}}, to: original, targets: [10.0.0.0/8, "*:53-443", "[2001:db8::/32]:9007", "10.0.0.1:8080", "2001:db8::/32", any]}
  side: {tcp: "127.0.0.1:15002", transparent: {mode: redirect, from: host, ports: 5432}, to: {endpoints: original, proxy_protocol: v2, timeouts: {connect: 1s}}, targets: any, source: 10.0.0.9}
  slow: {udp: 54, source: client, timeouts: {idle: 10s}, to: "h:1"}
  plain: {udp: 55, to: "h:1", source: none}
`)
	var got []string
	for _, l := range c.Listeners {
		text := fmt.Sprint(l.Name, " ", l.Protocol, " ", l.Captured(), " idle ", l.Timeouts.Idle, " needs ", l.NeedsNetRaw())
		for _, r := range l.Routes {
			if r.Original {
				b := r.To.Parts[0].Backend
				text += fmt.Sprint(" original ", r.To.Cluster, " within ", r.Targets, " after ", b.ConnectTimeout)
				if b.Source != nil {
					text += fmt.Sprint(" from ", b.Source.Address, " by ", b.ProxyProtocol.Version)
				}
			}
		}
		got = append(got, text)
	}
	want := []string{
		"cap tcp [443 8080 9000-9010] idle none needs false original cap within [10.0.0.0/8 *:53-443 [2001:db8::/32]:9007 10.0.0.1:8080 [2001:db8::/32] any] after 5s",
		"own tcp [80 90-99] idle none needs true",
		"own udp [53] idle 30s needs true",
		"plain udp [] idle 1m needs false",
		"side tcp [5432] idle none needs false original side within [any] after 1s from [10.0.0.9] by v2",
		"slow udp [] idle 10s needs true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestReachReadsBack: what may be reached is written as it can be read.
func TestReachReadsBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"any", "*:53", "*:53-54", "10.0.0.0/8", "10.0.0.1:9-10", "[2001:db8::/32]:7", "[2001:db8::1]:7", "2001:db8::/32", "10.0.0.1"} {
		first, err := parseReach(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if again, err := parseReach(first.String()); err != nil || again != first {
			t.Errorf("%s reads as %s, and then as %s (%v)", text, first, again, err)
		}
	}
}

// TestSourceDefaults: what is nearer than the defaults takes their source away.
func TestSourceDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `listeners:
  seen: {tcp: 1, to: "10.0.0.1:1", source: client}
  own: {tcp: 2, to: "10.0.0.1:1", source: 10.0.0.8}
  rest: {tcp: 4, to: "10.0.0.1:1"}
  cap: {tcp: 5, transparent: {mode: redirect, ports: 9}, to: original, targets: any}
  both: {tcp: 6, transparent: {mode: tproxy, ports: 10}, to: original, targets: any, source: client}
  list: {tcp: 7, source: 10.0.0.6, routes: [{name: a, from: 10.0.0.0/8, to: "10.0.0.1:1"}, {name: b, to: "10.0.0.1:1", source: 10.0.0.5}]}
  left: {tcp: 8, to: {endpoints: "10.0.0.1:1", source: none}}
defaults: {backends: {source: 10.0.0.9}}
`)
	var got []string
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			source := "none"
			if s := r.To.Parts[0].Backend.Source; s != nil {
				source = s.Address[0].String()
			}
			got = append(got, l.Name+" "+r.Name+" "+source)
		}
	}
	want := []string{"both  none", "cap  10.0.0.9", "left  none", "list a 10.0.0.6", "list b 10.0.0.5", "own  10.0.0.8", "rest  10.0.0.9", "seen  none"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestTakeOverSeen makes edits that are wrong because of a listener that did not change.
func TestTakeOverSeen(t *testing.T) {
	t.Parallel()
	const text = `listeners:
  a: {tcp: 1, to: web, source: client}
  b: {udp: 2, to: web, source: client}
  c: {tcp: 3, transparent: {mode: redirect, ports: 80-89}, to: web}
backends:
  web: {endpoints: [10.0.0.2:1]}
`
	before := mustLoad(t, text)
	for name, test := range map[string]struct{ old, new, want string }{
		"a backend of the other family": {"10.0.0.2:1", `"[2001:db8::2]:1"`, "2001:db8::2"},
		"a backend with a source":       {"10.0.0.2:1]", "10.0.0.2:1], source: 10.0.0.9", "10.0.0.9"},
		"a port that is captured":       {"backends:", "  d: {tcp: 85, to: web}\nbackends:", "port 85 is captured"},
		"a capture of what is there":    {"backends:", "  d: {tcp: 4, transparent: {mode: redirect, ports: 1}, to: web}\nbackends:", "port 1 is captured"},
		"a backend on a unix socket":    {"10.0.0.2:1", "unix:/run/x.sock", "unix:/run/x.sock"},
		"another backend":               {"10.0.0.2:1", "10.0.0.3:1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"-": strings.Replace(text, test.old, test.new, 1)}
			now := takesOver(t, before, texts)
			_, said := loadAfter(before, texts)
			told := slices.ContainsFunc(said, func(d Diagnostic) bool { return strings.Contains(d.Message, test.want) })
			if test.want != "" && (now != nil || !told) || test.want == "" && now == nil {
				t.Errorf("says %v, not %q", said, test.want)
			}
		})
	}
}
