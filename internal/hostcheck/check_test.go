package hostcheck

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

// inspect is an inspection for a configuration, of a host on which nothing can be read.
func inspect(t *testing.T, text string) *inspection {
	t.Helper()
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, messages := config.Load(config.NewSource(), nil, file)
	if c == nil {
		t.Fatal(messages)
	}
	k, err := kit.For(c, config.Node{ID: "edge-1"}, kit.Options{EnvoyUser: "4711"})
	if err != nil {
		t.Fatal(err)
	}
	nothing := errors.New("unreadable")
	return &inspection{
		Options: Options{Kit: k, Node: config.Node{ID: "edge-1"}, Command: "l4xds kit edge.yaml --node id=edge-1", Timeout: time.Second},
		ctx:     t.Context(), config: c,
		host: host{
			proc:      t.TempDir(),
			run:       func(context.Context, string, ...string) (string, error) { return "", nothing },
			sandbox:   func(context.Context, string, string) (string, error) { return "", nothing },
			addresses: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("10.0.0.9")}, nil },
		},
	}
}

const (
	clientFile = `listeners: {dns: {tcp: 53, udp: 53, to: "10.0.0.53:53", source: client}}`
	allFile    = `
listeners:
  dns: {tcp: 53, udp: 53, to: ["10.0.0.53:53", "10.0.0.9:53"], source: client}
  web: {tcp: 15001, transparent: {mode: tproxy, ports: [80, 443]}, to: original, targets: any, source: client}
  nat: {tcp: 15002, transparent: {mode: redirect, ports: 8000}, to: original, targets: [10.0.0.0/8, 10.0.7.1]}
  far: {tcp: 15003, transparent: {mode: redirect, ports: 8001}, to: original, targets: 10.0.0.0/8}
  tls: {tcp: 15004, transparent: {mode: redirect, ports: 8002}, routes: [{name: a, sni: "*.example.com", address: 10.3.0.0/16, to: "10.0.0.1:443"}]}
  own: {tcp: "10.0.0.9:8003", to: "10.0.0.53:53", source: client}
  six: {tcp: "[2001:db8:1::9]:8004", to: "[2001:db8:1::53]:53", source: client}
  loop: {tcp: "127.0.0.1:8005", to: "10.0.0.53:53", source: client}
  out: {tcp: "127.0.0.1:15005", transparent: {mode: redirect, ports: 5432, from: host}, to: original, targets: any}
  log: {udp: 514, to: "10.0.0.7:514", source: 10.0.0.8}
  balanced: {tcp: 8006, to: "10.0.0.53:53", source: client, proxy_protocol: {mode: require, from: 10.0.0.0/8}}
  vip: {tcp: 515, to: "10.0.0.7:514", source: 10.0.0.9}
`
)

// TestUnreadable: what cannot be read is a finding of its own, and fails.
func TestUnreadable(t *testing.T) {
	denied := &programError{program: "nft", code: 1, said: "Operation not permitted (you must be root)"}
	for _, test := range []struct {
		name         string
		err          error
		want, advice string
	}{
		{"no root", denied, "cannot be read: nft: Operation not permitted (you must be root)", "run this as root"},
		{"no nft", &exec.Error{Name: "nft", Err: exec.ErrNotFound}, `cannot be read: exec: "nft": executable file not found in $PATH`, "install nft"},
		{"no nft there", &fs.PathError{Op: "fork/exec", Path: "/usr/sbin/nft", Err: fs.ErrNotExist}, "cannot be read: ", "install nft"},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := inspect(t, clientFile)
			i.host.run = func(context.Context, string, ...string) (string, error) { return "", test.err }
			i.rules()
			if len(i.findings) != 1 {
				t.Fatalf("found %v", i.findings)
			}
			f := i.findings[0]
			if f.Result != finding.Failed || !strings.HasPrefix(f.Message, test.want) || !strings.HasPrefix(f.Advice, test.advice) {
				t.Errorf("found %+v, want %s, %s", f, test.want, test.advice)
			}
		})
	}
	i := inspect(t, clientFile)
	i.routes()
	i.sysctls()
	i.envoy()
	for _, f := range i.findings {
		if want := "cannot be"; !strings.HasPrefix(f.Message, want) && f.Part != Envoy {
			t.Errorf("found %+v, want that it %s read", f, want)
		}
	}
	if Sound(i.findings) || len(i.findings) < 8 {
		t.Errorf("found %v", i.findings)
	}
}

// TestOwnText: without a namespace for the kit its own text is compared, and that is said.
func TestOwnText(t *testing.T) {
	i := inspect(t, clientFile)
	i.host.run = func(_ context.Context, _ string, words ...string) (string, error) {
		switch words[0] {
		case "nft":
			const missing = "ct direction reply ct mark 0x4c meta mark set 0x4d"
			return regexp.MustCompile(`(?m)^\s*(#.*|`+missing+`)\n`).ReplaceAllString(i.Kit.NFT(), ""), nil
		case "ip":
			return "0:\tfrom all lookup local\n4402:\tfrom all fwmark 0x4c iif lo goto 4404\n4404:\tfrom all fwmark 0x4d lookup 4404\n" +
				"local default dev lo table 4404 scope host\n", nil
		}
		return "", nil
	}
	i.rules()
	i.routes()
	var failed []string
	for _, f := range i.findings {
		if f.Result == finding.Failed {
			failed = append(failed, f.Name+": "+f.Message)
		}
	}
	want := []string{
		"chain sent of table inet l4xds: a line is missing",
		"ip -4 rule add priority 4403 fwmark 0x4c lookup 4404: missing",
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Error(diff)
	}
	if f := i.findings[0]; f.Result != finding.Unsure || !strings.Contains(f.Message, "compared with the kit's own text") {
		t.Errorf("found %+v first", f)
	}
}

func TestStranger(t *testing.T) {
	for line, want := range map[string]string{
		"0: from all lookup local":                       "",
		"32766: from all lookup main":                    "",
		"32764: not from all fwmark 0xca6c lookup 51820": "",
		"100: from all fwmark 0x1 lookup 100":            "comes before those of the kit",
		"5000: from all fwmark 0x4c lookup 100":          "has a mark of the kit",
		"5000: from all fwmark 0x4d/0xff lookup 100":     "has a mark of the kit",
		"5000: from 10.0.0.1 lookup 4404":                "leads to the table of the kit",
		"5000: from all fwmark 0x4c0 lookup 44040":       "",
		"what no version of ip has ever written":         "",
	} {
		if got := stranger(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	p := config.Ports{First: 27000, Last: 27003}
	for used, want := range map[string]bool{
		"32768 60999": false, "20000 60999": true, "27003 27003": true, "1024 26999": false, "": false, "x y": false,
	} {
		if overlaps(used, p) != want {
			t.Errorf("overlaps %q: %v, want %v", used, !want, want)
		}
	}
	for kept, want := range map[string]bool{
		"": false, "27000-27003": true, "80,27000-28000": true, "27000": false, "27000-27002": false, "x-y": false,
	} {
		if isReserved(kept, p) != want {
			t.Errorf("reserved by %q: %v, want %v", kept, !want, want)
		}
	}
	if !atLeast("30", "30") || !atLeast("120", "30") || atLeast("10", "30") || atLeast("", "30") {
		t.Error("atLeast")
	}
}

func TestParseSaved(t *testing.T) {
	const text = `# Generated by iptables-save
*mangle
:PREROUTING ACCEPT [0:0]
:L4XDS-BACK - [0:0]
-A PREROUTING -j L4XDS-BACK
-A PREROUTING -i eth0 -j ACCEPT
-A L4XDS-BACK -m conntrack --ctdir REPLY -j MARK --set-xmark 0x4c/0xffffffff
COMMIT
`
	want := []chain{
		{"IPv4 table mangle, chain L4XDS-BACK", []string{"chain", "-A L4XDS-BACK -m conntrack --ctdir REPLY -j MARK --set-xmark 0x4c/0xffffffff"}},
		{"IPv4 table mangle, jumps", []string{"jumps", "-A PREROUTING -j L4XDS-BACK"}},
	}
	if diff := cmp.Diff(want, parseSaved("IPv4", text), cmp.AllowUnexported(chain{})); diff != "" {
		t.Error(diff)
	}
}

// TestNode: what Envoys say of themselves.
func TestNode(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"declares", `{"node": {"id": "edge-1", "metadata": {"l4xds": {"capabilities": ["net_raw", "what_comes"]}}}}`, "is edge-1; net_raw"},
		{"declares in a text", `{"node": {"id": "edge-1", "metadata": {"l4xds.capabilities": "CAP_NET_ADMIN"}}}`, "is edge-1; net_admin"},
		{"declares nothing", `{"node": {"id": "edge-1"}}`, "is edge-1; l4xds does not give it what needs a capability: dns"},
		{"another", `{"node": {"id": "edge-2"}}`, "is another node"},
		{"none", `{}`, "what the Envoy says of itself cannot be seen: /server_info names no node: that is no Envoy"},
		{"no JSON", `<html>`, "what the Envoy says of itself cannot be seen: /server_info: invalid character '<' looking for beginning of value"},
		{"error", ``, "what the Envoy says of itself cannot be seen: /server_info: 503 Service Unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.answer == "" {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				_, _ = w.Write([]byte(test.answer))
			}))
			defer server.Close()
			i := inspect(t, clientFile)
			i.Admin = server.Listener.Addr().String()
			(&vitals{inspection: i}).node()
			var messages []string
			for _, f := range i.findings {
				messages = append(messages, f.Message)
			}
			if got := strings.Join(messages, "; "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestEnvoy: a process on the listeners' ports, without what they need.
func TestEnvoy(t *testing.T) {
	littleEnd(t)
	i := inspect(t, `
listeners:
  out: {tcp: "127.0.0.1:9901", transparent: {mode: redirect, ports: 5432, from: host}, to: original, targets: any}
  web: {tcp: 8000, to: "10.0.0.53:53", source: client}
  two: {tcp: 8001-8002, to: "10.0.0.53:53", source: client}
`)
	h := fakeProc(t, map[string]string{
		"net/tcp": tcpTable, "net/udp": udpTable,
		"42/status": strings.ReplaceAll(envoyStatus, "2000", "0000"), "42/exe": "->/usr/bin/envoy",
		"42/fd/3": "->socket:[4711]", "42/fd/4": "->socket:[4712]",
	})
	i.host.proc = h.proc
	i.Admin = "127.0.0.1:0"
	i.envoy()
	var got []string
	for _, f := range i.findings {
		got = append(got, string(f.Result)+" "+f.Name+": "+f.Message)
	}
	want := []string{
		"unsure node at 127.0.0.1:0: what the Envoy says of itself cannot be seen: connect: " + syscall.ECONNREFUSED.Error(),
		"ok listener out, tcp 127.0.0.1:9901: envoy (process 42, user 65534) listens",
		"failed listener two, tcp 0.0.0.0:8001-8002: nothing listens on port 8001",
		"ok listener web, tcp 0.0.0.0:8000: envoy (process 42, user 65534) listens",
		"failed capabilities of envoy (process 42, user 65534): lacks what it needs to use addresses that are not the host's",
		"failed user of envoy (process 42, user 65534): its own connections are captured, and it calls itself",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOtherProgram: what is not called envoy may be none.
func TestOtherProgram(t *testing.T) {
	littleEnd(t)
	i := inspect(t, `listeners: {web: {tcp: 8000, to: "10.0.0.53:53", source: client}}`)
	i.host.proc = fakeProc(t, map[string]string{
		"net/tcp": tcpTable, "42/status": strings.ReplaceAll(envoyStatus, "envoy", "nginx"), "42/fd/4": "->socket:[4712]",
	}).proc
	i.Admin = "127.0.0.1:0"
	i.envoy()
	if f := i.findings[1]; f.Result != finding.Unsure || f.Message != "nginx (process 42, user 65534) listens" {
		t.Errorf("found %+v", f)
	}
}

// TestAddresses: those that Envoy sends from are the host's.
func TestAddresses(t *testing.T) {
	i := inspect(t, allFile)
	i.addresses()
	if len(i.findings) != 2 || i.findings[0].Name != "10.0.0.8" || i.findings[0].Result != finding.Failed ||
		!strings.Contains(i.findings[0].Advice, "source: {address: 10.0.0.8, freebind: true}") || i.findings[1].Result != finding.OK {
		t.Errorf("found %+v", i.findings)
	}
}

// TestAim: what is dialled for each listener, and who gets it.
func TestAim(t *testing.T) {
	i := inspect(t, allFile)
	type aimed struct {
		To, Servers string
		Real        bool
		SNI, Skip   string
	}
	got := map[string]aimed{}
	for _, l := range i.listeners() {
		for _, s := range i.shots(l) {
			var servers []string
			for _, a := range s.servers {
				servers = append(servers, a.String())
			}
			got[l.Name+" "+string(l.Protocol)] = aimed{s.to.String(), strings.Join(servers, " "), s.real, s.sni, s.skip}
		}
	}
	want := map[string]aimed{
		"dns tcp":  {To: "169.254.76.1:53", Servers: "10.0.0.53:53", Real: true},
		"dns udp":  {To: "169.254.76.1:53", Servers: "10.0.0.53:53", Real: true},
		"web tcp":  {To: "192.0.2.1:80", Servers: "192.0.2.1:80"},
		"nat tcp":  {To: "10.0.7.1:8000", Real: true},
		"far tcp":  {To: "invalid AddrPort", Real: true, Skip: "of the networks in targets none is a single address, and who lives there is not known"},
		"tls tcp":  {To: "10.3.0.0:8002", Real: true, SNI: "l4xds.example.com"},
		"own tcp":  {To: "10.0.0.9:8003", Servers: "10.0.0.53:53"},
		"six tcp":  {To: "[2001:db8:1::9]:8004", Servers: "[2001:db8:1::53]:53"},
		"loop tcp": {To: "192.0.2.1:8005", Servers: "10.0.0.53:53", Skip: "a client at another address cannot come to 127.0.0.1"},
		"balanced tcp": {
			To: "169.254.76.1:8006", Servers: "10.0.0.53:53",
			Skip: "a client at 169.254.76.2 is not among those whose PROXY headers are believed",
		},
		"out tcp": {To: "192.0.2.1:5432", Servers: "192.0.2.1:5432"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestHeader: in the form that proxy-protocol.txt of HAProxy gives.
func TestHeader(t *testing.T) {
	four := [2]netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:4711"), netip.MustParseAddrPort("10.0.0.1:80")}
	six := [2]netip.AddrPort{netip.MustParseAddrPort("[fd00::2]:4711"), netip.MustParseAddrPort("[fd00::1]:80")}
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	for _, test := range []struct {
		versions []config.ProxyVersion
		ends     [2]netip.AddrPort
		want     string
	}{
		{nil, four, "PROXY TCP4 10.0.0.2 10.0.0.1 4711 80\r\n"},
		{[]config.ProxyVersion{config.ProxyV1}, six, "PROXY TCP6 fd00::2 fd00::1 4711 80\r\n"},
		{[]config.ProxyVersion{config.ProxyV2}, four, signature + "\x21\x11\x00\x0c\x0a\x00\x00\x02\x0a\x00\x00\x01\x12\x67\x00\x50"},
		{
			[]config.ProxyVersion{config.ProxyV2},
			six,
			signature + "\x21\x21\x00\x24\xfd" + strings.Repeat("\x00", 14) + "\x02\xfd" + strings.Repeat("\x00", 14) + "\x01\x12\x67\x00\x50",
		},
	} {
		if got := header(&config.ClientProxy{Versions: test.versions}, test.ends[0], test.ends[1]); string(got) != test.want {
			t.Errorf("%v: %q, want %q", test.versions, got, test.want)
		}
	}
}

// TestJudge: what the client and the stand-in saw, in words.
func TestJudge(t *testing.T) {
	client := netip.AddrPortFrom(clientLink.there[0].Addr(), 4711)
	shots := map[string]shot{}
	i := inspect(t, allFile)
	for _, l := range i.listeners() {
		shots[l.Name+" "+string(l.Protocol)] = i.shots(l)[0]
	}
	for _, test := range []struct {
		shot string
		saw  outcome
		want string
	}{
		{"web tcp", outcome{err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "failed: refused: nothing takes the connection"},
		{"web tcp", outcome{err: os.ErrDeadlineExceeded}, "failed: no answer to the connection"},
		{"web tcp", outcome{err: syscall.ENETUNREACH}, "failed: cannot be connected to: network is unreachable"},
		{"web tcp", outcome{saw: client, answered: 9}, "ok: the server saw 169.254.76.2, the client, and its answer came back"},
		{"web tcp", outcome{saw: client}, "failed: the server saw 169.254.76.2, and its answer did not come back"},
		{"web tcp", outcome{saw: netip.MustParseAddrPort("10.0.0.9:1"), answered: 9}, "failed: the server does not see the client's address"},
		{"web tcp", outcome{closed: 2 * time.Millisecond}, "failed: closed after 2ms: the Envoy did not reach the server"},
		{"web tcp", outcome{}, "failed: the connection is taken, and nothing reaches the server"},
		{"web tcp", outcome{answered: 1}, "failed: somebody else answered, with 1 byte"},
		{"out tcp", outcome{saw: netip.MustParseAddrPort("10.0.0.9:1"), answered: 9}, "ok: the server saw 10.0.0.9, and its answer came back"},
		{"dns udp", outcome{}, "unsure: nothing came back within 1s; the server may have nothing to say"},
		{"dns udp", outcome{answered: 12}, "ok: 12 bytes came back"},
		{"dns udp", outcome{closed: time.Millisecond}, "failed: refused: nothing takes the datagram"},
		{"dns tcp", outcome{traced: true}, "ok: the Envoy has a connection to its server from 169.254.76.2, the client"},
		{"dns tcp", outcome{}, "failed: taken, and the Envoy has no connection to its server from 169.254.76.2, the client"},
		{"nat tcp", outcome{}, "ok: taken, and held for 16s: the Envoy has a connection to a server"},
		{"nat tcp", outcome{closed: 1200 * time.Millisecond}, "failed: closed after 1.2s without a byte: the Envoy did not reach a server, or that closed it"},
	} {
		f := shots[test.shot].judge(test.saw)
		if got := string(f.Result) + ": " + f.Message; got != test.want {
			t.Errorf("%s: %+v: %q, want %q", test.shot, test.saw, got, test.want)
		}
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	w.Say(Finding{Part: Rules, Name: "chain back", Result: finding.OK, Message: "as the kit has it, 1 rule"})
	w.Say(Finding{
		Part: Sysctls, Name: "net.x", Result: finding.Failed, Message: "has another value", Found: "0", Expected: "1", Why: "A reason.",
		Advice: "look", Mend: "sysctl -w net.x=1",
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `rules
  ok      chain back: as the kit has it, 1 rule
sysctls
  failed  net.x: has another value
          found:    0
          expected: 1
          why:      A reason.
          look
          mend:     sysctl -w net.x=1
1 ok, 0 unsure, 0 skipped, 1 failed
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}
