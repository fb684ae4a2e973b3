package config

import (
	"slices"
	"strings"
	"testing"
)

// TestProxyProtocolDefaults: a default is left out where it cannot be: for UDP and for far ends.
func TestProxyProtocolDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
defaults: {backends: {proxy_protocol: v2}}
listeners:
  all: {tcp: 1, to: web}
  without: {tcp: 2, to: {endpoints: 10.0.0.1:1, proxy_protocol: none}}
  own: {tcp: 3, to: {endpoints: 10.0.0.1:1, proxy_protocol: v1}}
  udp: {udp: 4, to: 10.0.0.1:1}
  named: {tcp: 5, to: "h:1", via: named}
  inside: {tcp: 6, to: "h:1", via: inline}
backends: {web: {endpoints: 10.0.0.2:1}, far: {endpoints: 10.0.0.3:1}}
tunnels: {named: {proxy: far, http: 2}, inline: {proxy: 10.0.0.4:1, http: 2}}
`)
	for name, want := range map[string]string{"all": "v2", "without": "", "own": "v1", "udp": "", "named": "", "inside": ""} {
		at := slices.IndexFunc(c.Listeners, func(l *Listener) bool { return l.Name == name })
		route := c.Listeners[at].Routes[0]
		got := ""
		if p := route.To.Parts[0].Backend.ProxyProtocol; p != nil {
			got = string(p.Version)
		}
		if got != want {
			t.Errorf("%s: proxy_protocol is %q, want %q", name, got, want)
		}
	}
}

// TestTakeOverTold makes edits that are wrong because of a stanza that did not change.
func TestTakeOverTold(t *testing.T) {
	t.Parallel()
	const text = `listeners:
  a: {tcp: unix:/run/a.sock, to: plain}
  b: {tcp: 2, to: "h:1", via: hub}
  c: {tcp: 3, to: told}
tunnels:
  hub: {proxy: 10.0.0.4:1, http: 2}
backends:
  plain: {endpoints: 10.0.0.2:1}
  told: {endpoints: 10.0.0.3:1, proxy_protocol: v2}
`
	before := mustLoad(t, text)
	for name, test := range map[string]struct{ old, new, want string }{
		"the backend of a unix socket": {"10.0.0.2:1}", "10.0.0.2:1, proxy_protocol: v1}", string(idUnix)},
		"far ends of a new tunnel":     {"tcp: 3, to: told", "tcp: 3, to: told}\n  d: {tcp: 4, to: \"h:1\", via: {proxy: told, http: 2}", string(idTunnel)},
		"another backend":              {"10.0.0.2:1", "10.0.0.5:1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"-": strings.Replace(text, test.old, test.new, 1)}
			now := takesOver(t, before, texts)
			_, said := loadAfter(before, texts)
			switch {
			case test.want != "" && !slices.ContainsFunc(said, func(d Diagnostic) bool { return d.ID == test.want }):
				t.Errorf("says %v, not %s", said, test.want)
			case test.want == "" && now.listener(t, "b", TCP) != before.listener(t, "b", TCP):
				t.Error("what goes through a tunnel is read again")
			}
		})
	}
}
