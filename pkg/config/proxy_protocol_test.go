package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestProxyProtocolDefaults: a default is left out where it cannot be: for UDP, for far ends, and inside of a tunnel.
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
  inside: {tcp: 6, to: {endpoints: "h:1", tls: {verify: none}}, via: inline}
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
		if route.Inside != nil && route.Inside.ProxyProtocol != nil {
			t.Errorf("%s: the default is inside", name)
		}
	}
}

// TestInside: the long form of what a tunnel is asked for is the short one, unless there is more than endpoints in it.
func TestInside(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
listeners:
  a: {tcp: 1, udp: 1, to: {endpoints: "h:1"}, via: hub}
  b: {tcp: {address: 2, to: {endpoints: ["h:1"], proxy_protocol: v1}}, udp: 2, to: "h:2", via: hub}
  c: {tcp: 3, sni: {x.example: {endpoints: "h.example:1", tls: system}, "*": "h:2"}, via: hub}
  d: {tcp: 4, to: {endpoints: "h:1", tls: {verify: none, sni: other}}, via: hub}
  e: {tcp: 5, to: {endpoints: 10.0.0.1:1, tls: {names: x.example}}, via: hub}
tunnels: {hub: {proxy: 10.0.0.4:1, http: 2, propagate: headers}}
`)
	var got []string
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			text := l.Name + " " + string(l.Protocol) + " " + r.Ask.String()
			if in := r.Inside; in != nil {
				text += " in " + in.Cluster
				if in.ProxyProtocol != nil {
					text += " " + string(in.ProxyProtocol.Version)
				}
				if in.TLS != nil {
					text += " sni " + in.TLS.SNI
				}
			}
			got = append(got, text)
		}
	}
	want := []string{
		"a tcp h:1", "a udp h:1", "b tcp h:1 in b/tcp v1", "b udp h:2", "c tcp h:2", "c tcp h.example:1 in c/x.example sni h.example",
		"d tcp h:1 in d sni other", "e tcp 10.0.0.1:1 in e sni ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("goes to\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTakeOverTold makes edits that are wrong because of a stanza that did not change.
func TestTakeOverTold(t *testing.T) {
	t.Parallel()
	const text = `listeners:
  a: {tcp: unix:/run/a.sock, to: plain}
  b: {tcp: 2, to: {endpoints: "h:1", proxy_protocol: v2}, via: hub}
  c: {tcp: 3, to: told}
  e: {tcp: 5, to: passed, proxy_protocol: require}
  f: {tcp: 6, sni: {a.example.com: named}}
tunnels:
  hub: {proxy: 10.0.0.4:1, http: 2}
backends:
  plain: {endpoints: 10.0.0.2:1}
  told: {endpoints: 10.0.0.3:1, proxy_protocol: v2}
  passed: {endpoints: 10.0.0.4:1, proxy_protocol: {version: v2, pass: all}}
  named: {endpoints: [10.0.0.5:1, {address: 10.0.0.6:1, proxy_protocol: {version: v2, tlvs: {0x02: "%REQUESTED_SERVER_NAME%"}}}]}
`
	before := mustLoad(t, text)
	for name, test := range map[string]struct{ old, new, want string }{
		"the backend of a unix socket": {"10.0.0.2:1}", "10.0.0.2:1, proxy_protocol: v1}", string(idUnix)},
		"far ends of a new tunnel":     {"tcp: 3, to: told", "tcp: 3, to: told}\n  d: {tcp: 4, to: \"h:1\", via: {proxy: told, http: 2}", string(idTunnel)},
		"a backend of the same name":   {"backends:\n", "backends:\n  b: {endpoints: 10.0.0.9:1}\n", string(idClusterTwice)},
		"nobody's header to pass on":   {"passed, proxy_protocol: require", "passed", string(idNoEffect)},
		"an endpoint of a unix socket": {"10.0.0.2:1}", "[{address: 10.0.0.2:1, proxy_protocol: v1}]}", string(idUnix)},
		"a name that nobody reads":     {"tcp: 3, to: told", "tcp: 3, to: named", string(idNoEffect)},
		"a far end with a header":      {"tcp: 3, to: told", "tcp: 3, to: told}\n  d: {tcp: 4, to: \"h:1\", via: {proxy: named, http: 2}", string(idTunnel)},
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
				t.Error("what is spoken inside of a tunnel is read again")
			}
		})
	}
}

// TestClientProxyDefaults: a default for listeners is left out where nobody has a header: for UDP and exits. What is written of the
// mode begins anew.
func TestClientProxyDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
defaults: {listeners: {proxy_protocol: {mode: require, from: 10.0.0.0/8, versions: v2}}}
listeners:
  all: {tcp: 1, udp: 1, to: 10.0.0.1:1}
  without: {tcp: 2, to: 10.0.0.1:1, proxy_protocol: none}
  own: {tcp: 3, to: 10.0.0.1:1, proxy_protocol: optional}
  near: {tcp: 4, to: 10.0.0.1:1, proxy_protocol: {versions: [v1, v2]}}
tunnels: {hub: {exit: {tcp: 5, targets: any}}}
`)
	for _, test := range []struct {
		name     string
		protocol Protocol
		want     *ClientProxy
	}{
		{"all", TCP, &ClientProxy{Mode: ProxyRequire, From: []Network{{netip.MustParsePrefix("10.0.0.0/8")}}, Versions: []ProxyVersion{ProxyV2}}},
		{"all", UDP, nil},
		{"without", TCP, nil},
		{"own", TCP, &ClientProxy{Mode: ProxyOptional}},
		{"near", TCP, &ClientProxy{Mode: ProxyRequire, From: []Network{{netip.MustParsePrefix("10.0.0.0/8")}}, Versions: []ProxyVersion{ProxyV1, ProxyV2}}},
		{"hub", TCP, nil},
	} {
		if got := c.listener(t, test.name, test.protocol).ProxyProtocol; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s of %s: proxy_protocol is %+v, want %+v", test.protocol, test.name, got, test.want)
		}
	}
}

// TestHeadersOfEndpoints: an endpoint has the header of its backend, also of the defaults, unless it has another one, or none.
func TestHeadersOfEndpoints(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
defaults: {backends: {proxy_protocol: {version: v2, tlvs: {0xE0: a, 0xE1: b}}}}
listeners:
  plain: {tcp: 1, to: [10.0.0.1:1, {address: 10.0.0.2:1, proxy_protocol: none}, {address: 10.0.0.3:1, proxy_protocol: {version: v2, tlvs: {0xE2: c}}}]}
  v1: {tcp: 2, to: {endpoints: [10.0.0.1:1, {address: 10.0.0.2:1, proxy_protocol: v2}], proxy_protocol: v1}}
  near: {tcp: 3, to: {endpoints: 10.0.0.1:1, proxy_protocol: {tlvs: {0xE1: "%HOSTNAME%", 0xEE: "50%%"}}}}
`)
	for name, want := range map[string]string{
		"plain": "v2 0xE0=a 0xE1=b, none, v2 0xE2=c", "v1": "v1, v2", "near": "v2 0xE0=a 0xE1=%HOSTNAME% 0xEE=50%%",
	} {
		var texts []string
		for _, e := range c.listener(t, name, TCP).Routes[0].To.Parts[0].Backend.Endpoints {
			text := "none"
			if p := e.ProxyProtocol; p != nil {
				text = string(p.Version)
				for _, tlv := range p.TLVs {
					text += " " + tlv.Type.String() + "=" + tlv.Text
				}
			}
			texts = append(texts, text)
		}
		if got := strings.Join(texts, ", "); got != want {
			t.Errorf("%s: the endpoints are told %s, want %s", name, got, want)
		}
	}
}
