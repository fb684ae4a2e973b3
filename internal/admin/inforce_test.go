package admin

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/certs"
)

// sameMeaning compares two models without the places and files that they came from.
var sameMeaning = cmp.Options{
	cmpopts.EquateComparable(netip.Prefix{}),
	cmpopts.IgnoreTypes(config.Place{}),
	cmpopts.IgnoreFields(config.Config{}, "Hash", "Files"),
	cmpopts.IgnoreUnexported(config.Config{}),
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}),
}

// odd are forms that the examples have no reason to show.
const odd = `
listeners:
  both: {tcp: {address: 1, to: 10.0.0.1:1}, udp: {address: 1, to: 10.0.0.2:1}}
  one: {tcp: {address: 2, to: web}, udp: 2, to: 10.0.0.1:1}
  long: {tcp: {address: 3, to: 10.0.0.1:1}}
  named: {tcp: {address: 4, to: web}, udp: {address: 4, to: dns}}
  table:
    tcp: {address: [5, "10.0.0.9:6-8"], sni: {a.example.com: web, "*": {web: 1, blue: 2}}}
    udp: 5
    to: dns
  logged:
    tcp: 9
    to: {endpoints: {address: 10.0.0.1:1, weight: 7}, keepalive: none}
    keepalive: none
    access_log: {file: /tmp/"x", json: {b: "%B%", a: 'it''s'}}
    nodes: [inner, {id: "x-*", zone: z, metadata: {k: "true"}}]
  large: {tcp: 16, udp: {address: 16, max_datagram: 60KiB}, to: dns}
  text: {udp: 10, to: dns, access_log: {file: stdout, text: "%B%\n"}, nodes: inner}
  carried: {tcp: 11, udp: 11, to: "[2001:db8::1]:11", via: far}
  carried2: {tcp: {address: 12, via: far}, udp: 12, to: 10.0.0.1:12}
  beside: {tcp: 17, udp: {address: 17, buffer: 9}, to: "h:1", via: told, retry: {backoff: 2s}, headers: {X-A: none, x-b: other, x-c: "none"}}
  beside2: {tcp: {address: 18, retry: none}, udp: {address: 18, retry: 7}, to: "h:1", via: told, headers: none}
  again: {tcp: 19, to: web, retry: {attempts: 9, backoff: 1s, max_backoff: 3s}}
  own: {tcp: 14, to: "h:1", via: {proxy: "p:1", http: 1, method: post, path: /x}}
  ownudp: {tcp: 15, udp: 15, to: "h:1", via: {proxy: web, http: 2, buffer: 7}}
  told1: {tcp: 27, to: {endpoints: "h:1", proxy_protocol: v1}, via: far}
  told2: {tcp: {address: 21, to: {endpoints: "h:1", proxy_protocol: v1, tls: {verify: none}}}, udp: 21, to: "h:2", via: far}
  told3: {tcp: 22, udp: {address: 22, to: "h:2"}, to: {endpoints: "h:1", tls: {verify: none, sni: x}}, via: {proxy: "p:1", http: 2}}
  told4: {tcp: {address: 23, to: {endpoints: "[2001:db8::1]:11", proxy_protocol: v2}}, via: far}
  told5: {tcp: 24, sni: {a.example.com: {endpoints: "%REQUESTED_SERVER_NAME%:1", proxy_protocol: v2}, "*": "h:1"}, via: far}
  far2: {tcp: {address: 26, to: "h:1"}, udp: {address: 26, to: "h:2"}, via: far2}
  told6: {tcp: 25, to: {endpoints: 10.0.0.1:1, proxy_protocol: v2, tls: {verify: none}}}
  ways:
    tcp: {address: [116, "unix:/run/x"], routes: [{name: a, from: local, to: 10.0.0.1:1}, {name: b, to: web, timeouts: {idle: 3s}, access_log: none}]}
    udp: {address: 116, routes: [{name: a, from: "2001:db8::/32", to: dns}, {name: c, port: [116], from: 10.0.0.0/8, to: {dns: 1}}], bind: "::"}
    access_log: stdout
  ways2: {tcp: 117, udp: 117, routes: [{name: a, from: [10.0.0.7, 10.1.0.0/16], to: 10.0.0.1:1}, {name: b, address: 10.0.0.9, to: dns}], to: dns}
  ways3: {tcp: {address: 118, check: {tcp: 7s}}, udp: 118, routes: [{name: a, from: 10.0.0.7, to: 10.0.0.1:1}]}
  ways4: {tcp: 119, via: {proxy: "p:1", http: 2}, routes: [{name: a, from: external, to: "h:1"}, {name: b, sni: ["*", "*.x.org"], to: "h:2", via: far}]}
  ways5: {tcp: 120, via: far, routes: [{name: a, from_port: 1-9, to: "h:1", via: {proxy: "p:2", http: 2}}, {name: b, alpn: h2, transport: tls, to: "h:2"}, {name: c, from: local, to: web, via: none}], to: "h:3"}
  ways6: {tcp: 126, via: told, retry: 7, headers: {x-a: none, x-c: c}, routes: [{name: a, from: local, to: "h:1", headers: {x-a: z, x-c: none}}, {name: b, from: 10.0.0.1, to: "h:1", via: far, retry: 2}, {name: c, from: 10.0.0.2, to: web, via: none}], to: "h:3"}
  ways8: {tcp: {address: 128, via: far, routes: [{name: a, from: local, to: {endpoints: "h:1", proxy_protocol: v1}}], to: {endpoints: "h:2", tls: {verify: none}}}}
  proxied: {tcp: {address: ["[::]:129"], proxy_protocol: {mode: require, from: [10.0.0.9, "2001:db8::/32"], versions: [v2, v1]}}, udp: 129, to: dns}
  proxied2: {tcp: 130, proxy_protocol: optional, routes: [{name: a, peer: [10.0.0.0/8, 10.9.9.9], from: local, to: web}]}
  proxied3: {tcp: 131, proxy_protocol: require, to: {endpoints: [{address: 10.0.0.1:1, proxy_protocol: {version: v2, tlvs: {0xE0: 'a"b', 0x02: "%HOSTNAME%"}, pass: all}}, 10.0.0.2:1, {address: 10.0.0.3:1, weight: 3, proxy_protocol: none}], proxy_protocol: {version: v2, pass: [0xE9, 0xE1]}}}
  orig: {tcp: {address: "[::]:139", transparent: {mode: tproxy, ports: [80, 81-82]}}, to: {endpoints: original, proxy_protocol: {version: v2, tlvs: {0xEE: a}}, source: [10.0.0.9, "2001:db8::9"], timeouts: {connect: 2s}, keepalive: none}, targets: ["*:80", 10.0.0.0/8, "[2001:db8::]:81-82", any]}
  orig2: {tcp: "10.0.0.1:140", transparent: {mode: redirect, ports: 83}, source: client, targets: any, routes: [{name: a, port: 83, from: 10.0.0.0/8, to: original, targets: "*:83"}, {name: b, from: 11.0.0.0/8, to: original}], to: web, freebind: true}
  orig3: {udp: {address: "127.0.0.1:141", transparent: {mode: tproxy, from: host}}, to: {endpoints: [10.0.0.1:1], source: {address: 10.0.0.9, freebind: true}}}
  ways7: {tcp: 127, retry: 6, routes: [{name: a, from: local, to: web}, {name: b, to: web, retry: none}]}
tunnels:
  far: {proxy: web, http: 2, retry: none, buffer: none, ping: none}
  told: {proxy: web, http: 2, headers: {x-a: a, X-B: b}, retry: {attempts: 4, backoff: 1s, max_backoff: 5s}, buffer: none}
  quiet: {proxy: web, http: 1, exit: {tcp: 20, targets: any, ping: none}}
  open: {exit: {ping: 3s, tcp: 13, targets: any}}
  far2: {proxy: "p:2", http: 2}
  ways-in: {exit: {tcp: 121, routes: [{name: a, target: any, request_headers: {x-a: ["*", "b*"]}, to: requested}, {name: b, to: 10.0.0.1:1}]}}
  ways-on: {exit: {tcp: 122, routes: [{name: a, target: "*:53-54", via: far}], to: requested, targets: ["10.0.0.0/8", "[::1]:7"]}}
  ways-by: {exit: {tcp: 124, targets: {"*.x:53": web, "10.0.0.0/8": requested, any: {web: 1, blue: 2}, "[::1]:7": 10.0.0.1:1}}}
  ways-by2: {exit: {tcp: 125, targets: {"a.x:53": requested}, routes: [{name: a, request_headers: {a: b}, to: web}], to: blue}}
  ways-to: {exit: {tcp: 123, routes: [{name: a, target: "*.x:53", to: requested}, {name: b, request_headers: {X-b: "b"}, to: web}], to: 10.0.0.1:1}}
backends:
  web: {endpoints: [10.0.0.1:1, host.example.com:2], balance: maglev, check: {tcp: 5s, fall: 9}, timeouts: {connect: 250ms}}
  blue: {endpoints: ["[2001:db8::1]:1"]}
  dns: {endpoints: [10.0.0.1:53]}
  spare: {endpoints: [10.0.0.1:1]}
groups:
  inner: {cluster: inner}
`

// What /config shows is a configuration, and means what is in force.
func TestInForceMeansTheSame(t *testing.T) {
	if err := certs.ForExamples("../.."); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../examples/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	file := filepath.Join(t.TempDir(), "odd.yaml")
	if err := os.WriteFile(file, []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, file) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			before, messages := config.Load(config.NewSource(), nil, path)
			if before == nil {
				t.Fatalf("not valid: %v", messages)
			}
			text := inForce(before)
			src := config.NewSource()
			src.Stdin(strings.NewReader(text))
			after, messages := config.Load(src, nil, "-")
			if after == nil {
				t.Fatalf("what is shown is not valid: %v\n%s", messages, text)
			}
			if diff := cmp.Diff(before, after, sameMeaning); diff != "" {
				t.Errorf("what is shown means something else (-file +shown):\n%s\n%s", diff, text)
			}
		})
	}
}

func TestInForceShowsDefaultsAndPlaces(t *testing.T) {
	text := inForce(load(t, `
listeners:
  db: {tcp: 5432, to: 10.0.0.1:5432}
  dns: {tcp: 53, udp: 53, to: resolvers}
backends:
  resolvers: {endpoints: [10.0.0.53:53]}
`))
	want := `listeners:
  db: # -:3:3
    tcp: "0.0.0.0:5432"
    timeouts: {idle: none}
    keepalive: {idle: 1m, interval: 15s, probes: 4}
    retry: {attempts: 3, backoff: none}
    to: # -:3:23
      endpoints: ["10.0.0.1:5432"]
      balance: round_robin
      timeouts: {connect: 5s}
      keepalive: {idle: 1m, interval: 15s, probes: 4}
  dns: # -:4:3
    tcp:
      address: "0.0.0.0:53"
      timeouts: {idle: none}
      keepalive: {idle: 1m, interval: 15s, probes: 4}
      retry: {attempts: 3, backoff: none}
    udp:
      address: "0.0.0.0:53"
      timeouts: {idle: 1m}
    to: resolvers # -:4:31
backends:
  resolvers: # -:6:3
    endpoints: ["10.0.0.53:53"]
    balance: round_robin
    timeouts: {connect: 5s}
    keepalive: {idle: 1m, interval: 15s, probes: 4}
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
