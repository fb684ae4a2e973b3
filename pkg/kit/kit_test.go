package kit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

const someone = `
listeners:
  web: {tcp: {address: "[::]:15001", transparent: {mode: tproxy, ports: 8080}}, to: original, targets: any}
  dns: {udp: 53, transparent: tproxy, source: client, to: resolvers}
  plain: {tcp: 80, to: 10.0.0.1:80}
backends:
  resolvers: {endpoints: [10.0.0.53:53]}
`

// What is printed changes with what it is for, and with nothing else.
func TestWhatChangesIt(t *testing.T) {
	before := made(t, load(t, someone), envoySide)
	for _, tt := range []struct {
		name, from, to string
		same           bool
	}{
		{"another listener", "plain: {tcp: 80", "plain: {tcp: 81", true},
		{"one more listener", "  plain:", "  more: {udp: 99, to: 10.0.0.1:99}\n  plain:", true},
		{"a listener for another node", "  plain:", "  more: {tcp: 99, transparent: redirect, to: 10.0.0.1:99, nodes: {id: x}}\n  plain:", true},
		{"an endpoint", "[10.0.0.53:53]", "[10.0.0.53:53, 10.0.0.54:5353]", true},
		{"a key of a backend", "{endpoints: [10", "{balance: maglev, endpoints: [10", true},
		{"a key of a listener", "web: {tcp: {", "web: {timeouts: {idle: 1h}, tcp: {", true},
		{"targets", "targets: any", "targets: 10.0.0.0/8", true},
		{"a captured port", "ports: 8080", "ports: 8081", false},
		{"one more captured port", "ports: 8080", "ports: [8080, 8082]", false},
		{"the mode", "mode: tproxy", "mode: redirect", false},
		{"the listener's port", ":15001", ":15002", false},
		{"the listener's family", `"[::]:15001"`, "15001", false},
		{"source", "source: client, ", "", false},
		{"a server on this host", "[10.0.0.53:53]", "[127.0.0.1:53]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(someone, tt.from, tt.to, 1)
			if text == someone {
				t.Fatalf("%q is not in the file", tt.from)
			}
			after := made(t, load(t, text), envoySide)
			for _, f := range kit.Formats() {
				if same := written(t, before, f) == written(t, after, f); same != tt.same {
					t.Errorf("%s: is the same: %v, want %v", f, same, tt.same)
				}
			}
		})
	}
}

func TestForNode(t *testing.T) {
	c := load(t, `
listeners:
  a: {tcp: 81, transparent: redirect, to: 10.0.0.1:81, nodes: {id: edge-1}}
  b: {tcp: 82, transparent: tproxy, to: 10.0.0.1:82, nodes: {metadata: {site: core}}}
  c: {udp: 83, source: client, to: 10.0.0.1:83}
`)
	for _, tt := range []struct {
		node config.Node
		want string
	}{
		{config.Node{}, "c"},
		{config.Node{ID: "edge-1"}, "a c"},
		{config.Node{Metadata: map[string]string{"site": "core"}}, "b c"},
	} {
		k, err := kit.For(c, tt.node, kit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(k.Listeners, " "); got != tt.want {
			t.Errorf("For(%+v) is for %s, want %s", tt.node, got, tt.want)
		}
	}
}

// Only what is needed is there.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		name, stanza, chains, sysctls string
		v4, v6                        bool
	}{
		{"redirect", `{tcp: 80, transparent: redirect, to: "10.0.0.1:80"}`, "nat", "", false, false},
		{"redirect from host", `{tcp: "127.0.0.1:80", transparent: {mode: redirect, from: host}, to: "10.0.0.1:80"}`, "nat_host", "", false, false},
		{"tproxy", `{tcp: 80, transparent: tproxy, to: "10.0.0.1:80"}`, "capture", "", true, false},
		{"tproxy of IPv6", `{tcp: "[2001:db8::1]:80", transparent: tproxy, to: "10.0.0.1:80"}`, "capture", "", false, true},
		{"tproxy of UDP", `{udp: "[::]:80", transparent: tproxy, to: "10.0.0.1:80"}`, "sent back capture", "", true, true},
		{"tproxy from host", `{tcp: "[::1]:80", transparent: {mode: tproxy, from: host}, to: "10.0.0.1:80"}`, "host capture", "", false, true},
		{"source", `{tcp: 80, source: client, to: "10.0.0.1:80"}`, "sent back", "", true, false},
		{"source of a header", `{tcp: 80, proxy_protocol: require, source: client, to: "10.0.0.1:80"}`, "sent back", "", true, true},
		{"source of UDP", `{udp: 80, source: client, to: "10.0.0.1:80"}`, "sent back guard", "", true, false},
		{"source beside a server", `{tcp: 80, source: client, to: "127.1.0.1:80"}`, "localnet sent back", "net.ipv4.conf.all.route_localnet", true, false},
		{"source beside localhost", `{tcp: 80, source: client, to: "localhost:80"}`, "localnet sent back", "net.ipv4.conf.all.route_localnet", true, false},
		{"freebind", `{tcp: "192.0.2.1:80", freebind: true, to: "10.0.0.1:80"}`, "", "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := made(t, load(t, "listeners:\n  a: "+tt.stanza+"\n"), envoySide)
			var chains, sysctls []string
			for _, c := range k.Chains() {
				chains = append(chains, c.Name)
			}
			for _, s := range k.Sysctls() {
				sysctls = append(sysctls, s.Key)
			}
			if got := strings.Join(chains, " "); got != tt.chains {
				t.Errorf("chains are %q, want %q", got, tt.chains)
			}
			if got := strings.Join(sysctls, " "); got != tt.sysctls {
				t.Errorf("settings are %q, want %q", got, tt.sysctls)
			}
			if k.V4 != tt.v4 || k.V6 != tt.v6 {
				t.Errorf("marks IPv4: %v, IPv6: %v; want %v, %v", k.V4, k.V6, tt.v4, tt.v6)
			}
			if k.Empty() != (tt.chains == "") {
				t.Errorf("is empty: %v", k.Empty())
			}
		})
	}
}

func TestEnvoyUser(t *testing.T) {
	c := load(t, `
listeners:
  out: {tcp: "127.0.0.1:80", transparent: {mode: redirect, from: host}, to: 10.0.0.1:80}
`)
	if _, err := kit.For(c, node, kit.Options{}); !errors.Is(err, kit.ErrNoEnvoyUser) {
		t.Errorf("without a user: %v, want ErrNoEnvoyUser", err)
	}
	for _, name := range []string{"a b", "0x", "-1", "$(id)", "a;b", "envoy\n"} {
		if _, err := kit.For(c, node, kit.Options{EnvoyUser: name}); err == nil {
			t.Errorf("%q passes for a user", name)
		}
	}
	for _, name := range []string{"0", "65534", "envoy", "_envoy-1.x"} {
		if _, err := kit.For(c, node, kit.Options{EnvoyUser: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestServerSide(t *testing.T) {
	c := load(t, `
listeners:
  a: {tcp: 80, source: client, to: ["10.0.0.1:8080", "10.0.0.2:8080"]}
  b: {udp: "[2001:db8::9]:53", source: client, to: "[2001:db8::1]:53"}
  c: {tcp: {address: 15001, transparent: {mode: tproxy, ports: [443, 5000-5009]}}, to: original, targets: any, source: client}
  here: {tcp: 81, source: client, to: "127.0.0.1:8081"}
  name: {tcp: 82, source: client, to: "db.example.com:5432"}
  other: {tcp: 83, to: 10.0.0.1:8083}
`)
	k := made(t, c, serverSide)
	var got []string
	for _, r := range k.Routes() {
		got = append(got, strings.Join(r.Add, " "))
	}
	want := []string{
		"ip -4 route replace default via 10.0.0.1 table 4404",
		"ip -4 rule add priority 4404 ipproto tcp sport 443 lookup 4404",
		"ip -4 rule add priority 4404 ipproto tcp sport 5000-5009 lookup 4404",
		"ip -4 rule add priority 4404 ipproto tcp sport 5432 lookup 4404",
		"ip -4 rule add priority 4404 ipproto tcp sport 8080 lookup 4404",
		"ip -6 route replace default via 2001:db8::1 table 4404",
		"ip -6 rule add priority 4404 ipproto tcp sport 5432 lookup 4404",
		"ip -6 rule add priority 4404 ipproto udp sport 53 lookup 4404",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, f := range []kit.Format{kit.NFTables, kit.IPTables} {
		if err := k.Write(nil, f); !errors.Is(err, kit.ErrNoTable) {
			t.Errorf("%s: %v, want ErrNoTable", f, err)
		}
	}
	_, err := kit.For(c, node, kit.Options{Side: kit.ServerSide, Envoy: serverSide.Envoy[:1]})
	var noEnvoy *kit.NoEnvoyError
	if !errors.As(err, &noEnvoy) || err.Error() != "answers from udp port 53 go back by Envoy's host, whose IPv6 address is not known" {
		t.Errorf("without an IPv6 address: %v", err)
	}
	if _, err = kit.For(c, node, kit.Options{Side: kit.ServerSide}); !errors.As(err, &noEnvoy) {
		t.Errorf("without any address: %v", err)
	}
}
