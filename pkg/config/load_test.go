package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// mustLoad is the Config of a text without mistakes. Warnings are ignored.
func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	c, ds := loadText(text)
	if c == nil {
		t.Fatalf("refused:\n%s\n%v", text, ds)
	}
	return c
}

// listener is the one of that name and protocol.
func (c *Config) listener(t *testing.T, name string, p Protocol) *Listener {
	t.Helper()
	for _, l := range c.Listeners {
		if l.Name == name && l.Protocol == p {
			return l
		}
	}
	t.Fatalf("no listener %s on %s", name, p)
	return nil
}

var (
	ignorePlaces = cmpopts.IgnoreTypes(Place{})
	compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

func defaultKeepalive() *Keepalive {
	return &Keepalive{Idle: Duration(time.Minute), Interval: Duration(15 * time.Second), Probes: 4}
}

func TestLoadSmallest(t *testing.T) {
	c := mustLoad(t, "listeners: {db: {tcp: 5432, to: 10.0.0.11:5432}}\n")
	want := []*Listener{{
		Name: "db", Protocol: TCP,
		Binds:     []Bind{{Address: netip.MustParseAddr("0.0.0.0"), Port: 5432, Last: 5432}},
		Keepalive: defaultKeepalive(),
		Routes: []*Route{{To: Target{Cluster: "db", Parts: []Part{{Weight: 1, Backend: &Backend{
			Endpoints:      []Endpoint{{Address: netip.MustParseAddr("10.0.0.11"), Port: 5432, Weight: 1}},
			Balance:        RoundRobin,
			ConnectTimeout: Duration(5 * time.Second),
			Keepalive:      defaultKeepalive(),
		}}}}, Request: Request{Retry: &Retry{Attempts: 3}}}},
	}}
	if diff := cmp.Diff(want, c.Listeners, ignorePlaces, compareAddrs); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestLoadUDPDefaults(t *testing.T) {
	c := mustLoad(t, "listeners: {dns: {udp: 53, to: 10.0.0.1:53}}\n")
	l := c.listener(t, "dns", UDP)
	if l.Keepalive != nil || l.Timeouts.Idle != Duration(time.Minute) {
		t.Errorf("keepalive %v, idle %v", l.Keepalive, l.Timeouts.Idle)
	}
}

func TestBindForms(t *testing.T) {
	tests := []struct {
		tcp  string
		want []string // Bind.String and Bind.Ports
	}{
		{"5432", []string{"0.0.0.0:5432 5432"}},
		{`"5432"`, []string{"0.0.0.0:5432 5432"}},
		{"10.0.0.1:80", []string{"10.0.0.1:80 80"}},
		{`"[::]:53"`, []string{"[::]:53 53"}},
		{`"[::ffff:10.0.0.1]:53"`, []string{"10.0.0.1:53 53"}},
		{"27000-27015", []string{"0.0.0.0:27000 27000-27015"}},
		{"80-80", []string{"0.0.0.0:80 80"}},
		{"10.0.0.1:27000-27015", []string{"10.0.0.1:27000 27000-27015"}},
		{`"unix:/run/x.sock"`, []string{"unix:/run/x.sock 0"}},
		{`"unix:@x"`, []string{"unix:@x 0"}},
		{`[80, 81-82, "[::1]:80"]`, []string{"0.0.0.0:80 80", "0.0.0.0:81 81-82", "[::1]:80 80"}},
		{"{address: [80, 10.0.0.1:81], bind: 10.0.0.2}", []string{"10.0.0.2:80 80", "10.0.0.1:81 81"}},
		{`{address: 80, bind: "::"}`, []string{"[::]:80 80"}},
		{`{address: 80, bind: "[::]"}`, []string{"[::]:80 80"}},
	}
	for _, test := range tests {
		c := mustLoad(t, "listeners: {x: {tcp: "+test.tcp+", to: 10.0.0.1:1}}\n")
		var got []string
		for _, b := range c.Listeners[0].Binds {
			got = append(got, b.String()+" "+b.Ports())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("tcp: %s: want -, got +:\n%s", test.tcp, diff)
		}
	}
}

func TestUnixMode(t *testing.T) {
	c := mustLoad(t, `listeners: {x: {tcp: {address: ["unix:/a", 80], mode: "0660"}, to: 10.0.0.1:1}}`)
	binds := c.Listeners[0].Binds
	if binds[0].Mode != 0o660 || binds[1].Mode != 0 {
		t.Errorf("modes %o and %o, want 660 and 0", binds[0].Mode, binds[1].Mode)
	}
}

func TestEndpointForms(t *testing.T) {
	tests := []struct {
		to   string
		want Endpoint
	}{
		{"10.0.0.1:80", Endpoint{Address: netip.MustParseAddr("10.0.0.1"), Port: 80, Weight: 1}},
		{`"[2001:db8::1]:80"`, Endpoint{Address: netip.MustParseAddr("2001:db8::1"), Port: 80, Weight: 1}},
		{"DB.Example.com:80", Endpoint{Host: "db.example.com", Port: 80, Weight: 1}},
		{"db.example.com.:80", Endpoint{Host: "db.example.com.", Port: 80, Weight: 1}},
		{"my_db:80", Endpoint{Host: "my_db", Port: 80, Weight: 1}},
		{"unix:/run/x.sock", Endpoint{Path: "/run/x.sock", Weight: 1}},
		{"[{address: 10.0.0.1:80, weight: 7}]", Endpoint{Address: netip.MustParseAddr("10.0.0.1"), Port: 80, Weight: 7}},
		{"{endpoints: 10.0.0.1:80}", Endpoint{Address: netip.MustParseAddr("10.0.0.1"), Port: 80, Weight: 1}},
		{"{endpoints: {address: 10.0.0.1:80, weight: 2}}", Endpoint{Address: netip.MustParseAddr("10.0.0.1"), Port: 80, Weight: 2}},
	}
	for _, test := range tests {
		c := mustLoad(t, "listeners: {x: {tcp: 1, to: "+test.to+"}}\n")
		got := c.Listeners[0].Routes[0].To.Parts[0].Backend.Endpoints
		if diff := cmp.Diff([]Endpoint{test.want}, got, ignorePlaces, compareAddrs); diff != "" {
			t.Errorf("to: %s: want -, got +:\n%s", test.to, diff)
		}
	}
}

// TestNearWins holds the order of settings: the protocol's long form, the stanza, defaults.
func TestNearWins(t *testing.T) {
	c := mustLoad(t, `
defaults:
  listeners:
    bind: 10.0.0.9
    timeouts: {idle: 1h}
    keepalive: {interval: 20s, probes: 9}
    access_log: {file: stdout, json: {a: "1", b: "2"}}
  backends:
    balance: random
    check: {tcp: 9s, fall: 7}
    keepalive: none
listeners:
  plain: {tcp: 1, to: 10.0.0.1:1}
  near:
    tcp: 2
    to: 10.0.0.1:1
    bind: 10.0.0.8
    timeouts: {idle: none}
    keepalive: 30s
    access_log: {file: /log, json: {b: "3", c: "4"}}
    balance: maglev
    check: {tcp: 1s}
  nearer:
    tcp: {address: 3, bind: 10.0.0.7, keepalive: none, access_log: none, timeouts: {connect: 1s}}
    to: {endpoints: 10.0.0.1:1, balance: ring_hash}
    balance: maglev
    check: none
  text: {tcp: 4, to: 10.0.0.1:1, access_log: {file: stderr, text: x}}
`)
	type settings struct {
		Bind      string
		Idle      Duration
		Keepalive *Keepalive
		AccessLog *AccessLog
		Balance   Balance
		Check     *Check
		Connect   Duration
		Upstream  *Keepalive
	}
	second := Duration(time.Second)
	hour := 3600 * second
	want := map[string]settings{
		"plain": {
			"10.0.0.9:1", hour, &Keepalive{60 * second, 20 * second, 9},
			&AccessLog{File: "stdout", JSON: Fields{{"a", "1"}, {"b", "2"}}},
			Random, &Check{TCP: 9 * second, Timeout: second, Fall: 7, Rise: 2}, 5 * second, nil,
		},
		"near": {
			"10.0.0.8:2", 0, &Keepalive{30 * second, 20 * second, 9},
			&AccessLog{File: "/log", JSON: Fields{{"a", "1"}, {"b", "3"}, {"c", "4"}}},
			Maglev, &Check{TCP: second, Timeout: second, Fall: 7, Rise: 2}, 5 * second, nil,
		},
		"nearer": {"10.0.0.7:3", hour, nil, nil, RingHash, nil, second, nil},
		"text": {
			"10.0.0.9:4", hour, &Keepalive{60 * second, 20 * second, 9},
			&AccessLog{File: "stderr", Text: "x"},
			Random, &Check{TCP: 9 * second, Timeout: second, Fall: 7, Rise: 2}, 5 * second, nil,
		},
	}
	for name, w := range want {
		l := c.listener(t, name, TCP)
		b := l.Routes[0].To.Parts[0].Backend
		got := settings{
			l.Binds[0].String(), l.Timeouts.Idle, l.Keepalive, l.AccessLog,
			b.Balance, b.Check, b.ConnectTimeout, b.Keepalive,
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", name, diff)
		}
	}
}

// TestDefaultsByProtocol holds that defaults which do not apply to a protocol are left out there.
func TestDefaultsByProtocol(t *testing.T) {
	c := mustLoad(t, `
defaults:
  listeners: {timeouts: {idle: none}, keepalive: 30s}
  backends: {balance: least_connections, timeouts: {connect: 1s}}
listeners:
  both: {tcp: 1, udp: 1, to: 10.0.0.1:1}
  tcp: {tcp: 2, to: named}
  udp: {udp: 3, to: shared}
  tcp2: {tcp: 4, to: shared}
backends:
  named: {endpoints: 10.0.0.2:1}
  shared: {endpoints: 10.0.0.3:1}
`)
	if idle := c.listener(t, "both", UDP).Timeouts.Idle; idle != Duration(time.Minute) {
		t.Errorf("idle of UDP is %s, want its own default", idle)
	}
	if idle := c.listener(t, "both", TCP).Timeouts.Idle; idle != 0 {
		t.Errorf("idle of TCP is %s, want none", idle)
	}
	balances := map[string]Balance{"both": RoundRobin, "tcp": LeastConnections, "udp": RoundRobin, "tcp2": RoundRobin}
	for _, l := range c.Listeners {
		if got := l.Routes[0].To.Parts[0].Backend.Balance; got != balances[l.Name] {
			t.Errorf("%s %s goes by %s, want %s", l.Name, l.Protocol, got, balances[l.Name])
		}
	}
}

func TestClusterNames(t *testing.T) {
	c := mustLoad(t, `
listeners:
  one: {tcp: 1, udp: 1, to: 10.0.0.1:1}
  own: {tcp: {address: 2, to: 10.0.0.1:1}, udp: 2, to: 10.0.0.2:1}
  tuned: {tcp: {address: 3, timeouts: {connect: 1s}}, udp: 3, to: 10.0.0.3:1}
  alone: {tcp: {address: 4, to: 10.0.0.1:1}}
  named: {tcp: 5, to: web}
  split: {tcp: 6, udp: 6, to: {web: 1}}
  edge:
    tcp: 7
    sni: {"*": 10.0.0.9:1, B.example.com: {web: 1, api: 0}, a.example.com: web, "*.a.example.com": 10.0.0.8:1}
    to: 10.0.0.7:1
backends:
  web: {endpoints: 10.0.0.4:1}
  api: {endpoints: 10.0.0.5:1}
`)
	var got []string
	for _, l := range c.Listeners {
		for _, r := range l.Routes {
			got = append(got, l.Name+" "+string(l.Protocol)+" "+r.SNI+": "+r.To.Cluster)
		}
	}
	want := []string{
		"alone tcp : alone/tcp",
		"edge tcp *: edge/*",
		"edge tcp *.a.example.com: edge/*.a.example.com",
		"edge tcp a.example.com: web",
		"edge tcp b.example.com: edge/b.example.com",
		"edge tcp : edge",
		"named tcp : web",
		"one tcp : one",
		"one udp : one",
		"own tcp : own/tcp",
		"own udp : own",
		"split tcp : split",
		"split udp : split",
		"tuned tcp : tuned/tcp",
		"tuned udp : tuned",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	part := func(p Protocol) *Backend { return c.listener(t, "one", p).Routes[0].To.Parts[0].Backend }
	if part(TCP) != part(UDP) {
		t.Error("the inline backend of a stanza on both protocols is not one")
	}
}

func TestForm(t *testing.T) {
	const backends = `
backends:
  a: {endpoints: 10.0.0.1:1}
  b: {endpoints: 10.0.0.2:1}
  dns: {endpoints: x.example.com:1}
  sock: {endpoints: "unix:/a"}
  same: {endpoints: [10.0.0.1:1, 10.0.0.3:1]}
  checked: {endpoints: 10.0.0.4:1, check: {tcp: 1s}}
  checked2: {endpoints: 10.0.0.5:1, check: {tcp: 1s}}
  hashed: {endpoints: 10.0.0.6:1, balance: maglev}
  quick: {endpoints: 10.0.0.7:1, timeouts: {connect: 1s}}
  silent: {endpoints: 10.0.0.8:1, keepalive: none}
  told: {endpoints: 10.0.0.9:1, proxy_protocol: v2}
  told2: {endpoints: 10.0.0.10:1, proxy_protocol: {version: v2}}
  told1: {endpoints: 10.0.0.11:1, proxy_protocol: v1}
`
	tests := []struct {
		to   string
		want Form
	}{
		{"a", Single},
		{"10.0.0.9:1", Single},
		{"{a: 100}", Localities},
		{"{a: 1, b: 0}", Localities},
		{"{a: 1, sock: 1}", Localities},
		{"{a: 1, dns: 0}", DNSLocalities},
		{"{sock: 1, dns: 1}", Clusters},
		{"{checked: 1, checked2: 1}", Localities},
		{"{a: 1, same: 1}", Clusters},
		{"{a: 1, checked: 1}", Clusters},
		{"{a: 1, hashed: 1}", Clusters},
		{"{dns: 1, quick: 1}", Clusters},
		{"{a: 1, silent: 1}", Clusters},
		{"{told: 1, told2: 1}", Localities},
		{"{told: 1, told1: 1}", Clusters},
		{"{a: 1, told: 1}", Clusters},
	}
	for _, test := range tests {
		c := mustLoad(t, "listeners: {x: {tcp: 1, to: "+test.to+"}}"+backends)
		if got := c.Listeners[0].Routes[0].To.Form(); got != test.want {
			t.Errorf("to: %s has form %d, want %d", test.to, got, test.want)
		}
	}
}

func TestAudience(t *testing.T) {
	const groups = `
groups:
  branch: {id: "branch-*"}
  hub: {cluster: hub, metadata: {site: core, rack: 7}, zone: a}
`
	hub := Term{Cluster: "hub", Zone: "a", Metadata: map[string]string{"site": "core", "rack": "7"}}
	tests := []struct {
		nodes string
		want  []Term
	}{
		{"branch", []Term{{ID: "branch-*"}}},
		{"[branch, hub]", []Term{{ID: "branch-*"}, hub}},
		{"{id: x}", []Term{{ID: "x"}}},
		{"[hub, {zone: b}]", []Term{hub, {Zone: "b"}}},
	}
	for _, test := range tests {
		c := mustLoad(t, "listeners: {x: {tcp: 1, to: 10.0.0.1:1, nodes: "+test.nodes+"}}"+groups)
		if diff := cmp.Diff(test.want, c.Listeners[0].Audience.Terms); diff != "" {
			t.Errorf("nodes: %s: want -, got +:\n%s", test.nodes, diff)
		}
	}
}

// TestAudienceByProtocol holds that nodes may differ between the protocols of one stanza.
func TestAudienceByProtocol(t *testing.T) {
	c := mustLoad(t, "listeners: {x: {tcp: {address: 1, nodes: {id: a}}, udp: 1, nodes: {id: b}, to: 10.0.0.1:1}}")
	if a, b := c.Listeners[0].Audience.Terms[0].ID, c.Listeners[1].Audience.Terms[0].ID; a != "a" || b != "b" {
		t.Errorf("TCP is for %q, UDP for %q", a, b)
	}
}

// TestSamePort holds that an address may stand twice where no Envoy can be given both.
func TestSamePort(t *testing.T) {
	mustLoad(t, `
listeners:
  a: {tcp: 1, to: 10.0.0.1:1, nodes: {id: "a-*"}}
  b: {tcp: 1, to: 10.0.0.1:1, nodes: {id: "b-*"}}
  c: {tcp: 1-9, to: 10.0.0.1:1, nodes: [{id: c1}, {id: c2}]}
  d: {udp: 1, to: 10.0.0.1:1}
  e: {tcp: 10.0.0.1:10, to: 10.0.0.1:1}
  f: {tcp: 10.0.0.2:10, to: 10.0.0.1:1}
  g: {tcp: 1, to: 10.0.0.1:1, nodes: {cluster: x, id: c3}}
  h: {tcp: "unix:/a", to: 10.0.0.1:1}
  i: {tcp: "unix:/b", to: 10.0.0.1:1}
  j: {tcp: "[::1]:10", to: 10.0.0.1:1}
  k: {tcp: [20-29, 30-39, 40, 19], to: 10.0.0.1:1}
`)
}

func TestYAMLThatIsGood(t *testing.T) {
	tests := map[string]string{
		"byte order mark": "\uFEFFlisteners: {a: {tcp: 1, to: 10.0.0.1:1}}\n",
		"CRLF":            "listeners:\r\n  a:\r\n    tcp: 1\r\n    to: 10.0.0.1:1\r\n",
		"no line end":     "listeners: {a: {tcp: 1, to: 10.0.0.1:1}}",
		"document start":  "---\nlisteners: {a: {tcp: 1, to: 10.0.0.1:1}}\n...\n",
		"comments":        "# a\nlisteners: # b\n  # c\n  a: {tcp: 1, to: 10.0.0.1:1} # d\n# e\n",
		"merge key":       "x-a: &a {to: 10.0.0.1:1}\nx-b: &b {to: 10.0.0.2:1, tcp: 9}\nlisteners: {a: {<<: [*a, *b], tcp: 1}}\n",
		"alias":           "x-a: &a {tcp: 1, to: 10.0.0.1:1}\nlisteners: {a: *a}\n",
		"alias as scalar": "x-p: &p 10.0.0.1:1\nlisteners: {a: {tcp: 1, to: *p}}\n",
		"quoted key":      "\"listeners\": {'a': {\"tcp\": 1, to: 10.0.0.1:1}}\n",
		"folded text":     "listeners:\n  a:\n    tcp: 1\n    to: 10.0.0.1:1\n    access_log:\n      file: stdout\n      text: >\n        %BYTES_SENT%\n        x\n",
		"tab in a line":   "listeners:\t# x\n  a: {tcp:\t1, to: 10.0.0.1:1}\n",
		"version":         "version: 1\nx-any: [1, {a: ~}]\nlisteners: {a: {tcp: 1, to: 10.0.0.1:1}}\n",
		"quoted keyword":  "listeners: {a: {tcp: 1, to: 10.0.0.1:1, keepalive: \"none\", balance: \"maglev\"}}\n",
		"nothing there":   "listeners: {}\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, text)
			for _, l := range c.Listeners {
				if l.Binds[0].Port != 1 || l.Routes[0].To.Parts[0].Backend.Endpoints[0].Address.String() != "10.0.0.1" {
					t.Errorf("read as %+v", l)
				}
			}
		})
	}
}

// TestPlaces holds that places are those of the file, and that a stanza which moves keeps its own.
func TestPlaces(t *testing.T) {
	const stanzas = `listeners:
  db:
    tcp: [5432, 10.0.0.1:5433]
    to: {web: 1}
backends:
  web:
    endpoints:
      - 10.0.0.1:80
groups: {g: {id: x}}
`
	c := mustLoad(t, stanzas)
	moved := mustLoad(t, "# one\n\n# more\n"+stanzas)
	l, b := c.Listeners[0], c.Backends[0]
	tests := map[Place]Position{
		l.At:                       {"-", 2, 3},
		l.Binds[0].At:              {"-", 3, 11},
		l.Binds[1].At:              {"-", 3, 17},
		l.Routes[0].At:             {"-", 4, 9},
		l.Routes[0].To.Parts[0].At: {"-", 4, 10},
		b.At:                       {"-", 6, 3},
		b.EndpointsAt:              {"-", 8, 7},
		b.Endpoints[0].At:          {"-", 8, 9},
		c.Groups[0].At:             {"-", 9, 10},
	}
	for place, want := range tests {
		if got := c.Position(place); got != want {
			t.Errorf("%+v is at %v, want %v", place, got, want)
		}
	}
	if diff := cmp.Diff(c.Listeners, moved.Listeners, compareAddrs); diff != "" {
		t.Errorf("a move of three lines changed the content:\n%s", diff)
	}
	if got := moved.Position(l.At); got.Line != 5 {
		t.Errorf("after the move the listener is on line %d, want 5", got.Line)
	}
	if got := c.Position(Place{Stanza: "listeners.other"}); got != (Position{}) {
		t.Errorf("a stanza that is not there is at %v", got)
	}
}

// TestUnused holds that warnings do not keep a file from being used.
func TestUnused(t *testing.T) {
	c, ds := loadText("listeners: {}\nbackends: {web: {endpoints: 10.0.0.1:80}}\ngroups: {g: {id: x}}\n")
	if c == nil || ds.HasErrors() || len(ds) != 2 {
		t.Fatalf("config %v, %v", c, ds)
	}
	for _, d := range ds {
		if d.Severity != Warning || !strings.Contains(d.Message, "no listener") {
			t.Errorf("said %s", d)
		}
	}
}

func TestHashIsContent(t *testing.T) {
	a := mustLoad(t, "listeners: {}\n")
	b := mustLoad(t, "listeners: {}\n")
	other := mustLoad(t, "listeners: {} # a comment\n")
	if a.Hash != b.Hash || a.Hash == other.Hash || len(a.Hash) != 16 {
		t.Errorf("hashes %q, %q and %q", a.Hash, b.Hash, other.Hash)
	}
}

// TestLongFormAdds holds that a protocol's long form may add to what the stanza says.
func TestLongFormAdds(t *testing.T) {
	c := mustLoad(t, "listeners: {x: {tcp: {address: 1, keepalive: 30s}, keepalive: {interval: 20s}, to: 10.0.0.1:1}}")
	want := &Keepalive{Idle: Duration(30 * time.Second), Interval: Duration(20 * time.Second), Probes: 4}
	if diff := cmp.Diff(want, c.Listeners[0].Keepalive); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestNoPaths(t *testing.T) {
	if c, ds := Load(NewSource(), nil); c != nil || !ds.HasErrors() {
		t.Errorf("nothing was read, and gave %v, %v", c, ds)
	}
}
