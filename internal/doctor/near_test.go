package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/masque"
)

// nearFile is a tunnel with listeners at addresses where something answers; its verbs are they, their target, and the far end.
const nearFile = `
listeners:
  db: {tcp: %[1]q, to: %[2]q, via: hub}
  wg: {udp: %[1]q, to: %[2]q, via: hub}
tunnels:
  hub: {proxy: %[3]q, http: 2}
`

// TestNearEnds: what the listeners on this machine do is told from what the far end does.
func TestNearEnds(t *testing.T) {
	answers := masque.Manner{Plain: true}
	for name, test := range map[string]struct {
		near func(w *ward) string
		far  masque.Manner
		want []string
		ok   bool
	}{
		"both are well": {
			(*ward).echo, answers,
			[]string{
				`near end, listener db at 127.0.0.1:`, `ok +tcp 10.0.0.1:7: 65536 bytes came back`,
				`near end, listener wg at 127.0.0.1:`, `ok +udp 10.0.0.1:7: datagrams of 1, 100, 1200, 1400, 1472, 2000, 8000 and 60000 bytes came back`,
			},
			true,
		},
		"the near end closes": {
			(*ward).closing, answers,
			[]string{`listener db at`, `failed +the near end closed the connection without a byte, and directly tcp 10.0.0.1:7 answers`, `/status`},
			false,
		},
		"the near end says nothing": {
			(*ward).mute, answers,
			[]string{`listener db at`, `failed +nothing came back within 300ms, and directly tcp 10.0.0.1:7 answers`},
			false,
		},
		"the near end cuts": {
			(*ward).cutting, answers,
			[]string{`listener db at`, `failed +tcp 10.0.0.1:7: 0 bytes came back, and then: it ended before the rest of 65536 bytes came back: `},
			false,
		},
		"both are closed": {
			(*ward).closing,
			masque.Manner{Status: 503},
			[]string{`failed +CONNECT .* 503`, `listener db at`, `failed +the near end closed the connection without a byte: its tunnel did not open`, `above`},
			false,
		},
		"nobody says anything": {
			(*ward).mute,
			masque.Manner{Mute: true},
			[]string{`listener db at`, `unsure +nothing came back from tcp 10.0.0.1:7 within 300ms`},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			text, findings := w.check(fmt.Sprintf(nearFile, test.near(w), "10.0.0.1:7", w.behaving(test.far)), Options{Timeout: quick})
			wantLines(t, text, test.want...)
			if Sound(findings) != test.ok {
				t.Errorf("nothing failed: %v, want %v", Sound(findings), test.ok)
			}
		})
	}
}

// echo is an address where all comes back.
func (w *ward) echo() string {
	w.t.Helper()
	address := w.closed()
	stop, err := standIns([]string{address})
	w.must(err)
	w.t.Cleanup(stop)
	return address
}

// closing takes connections and closes them.
func (w *ward) closing() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// cutting takes connections, gives back what comes first, and closes them.
func (w *ward) cutting() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 1<<10)
			n, _ := conn.Read(b)
			_, _ = conn.Write(b[:n])
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// TestNearServerName: a listener that goes by the name in TLS is spoken to as a TLS client does.
func TestNearServerName(t *testing.T) {
	w := newWard(t)
	text, _ := w.check(fmt.Sprintf(`
listeners: {web: {tcp: %q, sni: {"*.example.com": 10.0.0.1:443}, via: hub}}
tunnels: {hub: {proxy: %q, http: 2}}
`, w.echo(), w.behaving(masque.Manner{Plain: true})), Options{})
	wantLines(t, text, `far end`, `ok +tcp 10.0.0.1:443: 65536 bytes`, `listener web`, `ok +tcp 10.0.0.1:443: 65536 bytes`)
	hello := string(greeting("check.example.com"))
	if !strings.Contains(hello, "check.example.com") || hello[0] != 22 {
		t.Errorf("no client hello with the name: %q", hello)
	}
}

// TestNearTLS: a listener that ends TLS is spoken to inside of it, and one that wants certificates is let be.
func TestNearTLS(t *testing.T) {
	w := newWard(t)
	address := w.closed()
	near, err := echo.ListenTLS("near", address, w.server(certs.Leaf{}))
	w.must(err)
	defer func() { _ = near.Close() }()
	const file = "listeners: {db: {tcp: %q, to: 10.0.0.1:5432, via: hub, tls: {cert: near.crt%s}}}\ntunnels: {hub: {proxy: %q, http: 2}}\n"
	far := w.behaving(masque.Manner{})
	text, _ := w.check(fmt.Sprintf(file, address, "", far), Options{})
	wantLines(t, text, `listener db`, `ok +tcp 10.0.0.1:5432: 65536 bytes`)
	text, _ = w.check(fmt.Sprintf(file, address, ", client_ca: ca.crt", far), Options{})
	wantLines(t, text, `listener db`, `skipped +the listener takes no client without a certificate`)
	text, findings := w.check(fmt.Sprintf(file, w.closing(), "", far), Options{})
	wantLines(t, text, `listener db`, `failed +the listener ends TLS, and did not: `)
	if Sound(findings) {
		t.Error("nothing failed")
	}
}

// TestInside: what a near end speaks inside of the tunnel is for the target: a stand-in is not asked by it, and that a target
// answers directly, without it, says nothing.
func TestInside(t *testing.T) {
	w := newWard(t)
	target := w.closed()
	far := w.behaving(masque.Manner{Plain: true})
	const file = "listeners: {db: {tcp: %q, to: {endpoints: %q, proxy_protocol: v2}, via: hub}}\ntunnels: {hub: {proxy: %q, http: 2}}\n"
	text, findings := w.check(fmt.Sprintf(file, w.echo(), target, far), Options{Echo: []string{target}})
	wantLines(t, text, `ok +tcp `+target+`: 65536 bytes`, `listener db`, `skipped +the near end speaks PROXY or TLS with the target`)
	if !Sound(findings) {
		t.Error("something failed")
	}
	text, findings = w.check(fmt.Sprintf(file, w.closing(), target, far), Options{})
	wantLines(t, text, `ok +tcp `+target+`: 65536 bytes`, `listener db`, `failed +the near end closed the connection without a byte: `)
	if Sound(findings) {
		t.Error("nothing failed")
	}
}

// TestUnixSockets: both ends may be unix sockets.
func TestUnixSockets(t *testing.T) {
	w := newWard(t)
	dir, err := os.MkdirTemp("", "doctor") // its path has to be short
	w.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	near, err := echo.ListenUnix("near", filepath.Join(dir, "near"))
	w.must(err)
	defer func() { _ = near.Close() }()
	text, findings := w.check(fmt.Sprintf("listeners: {db: {tcp: %q, to: 10.0.0.1:5432, via: hub}}\ntunnels: {hub: {proxy: %q, http: 2}}\n",
		"unix:"+near.Addr, "unix:"+filepath.Join(dir, "far")), Options{})
	wantLines(t, text, `far end /.*/far, directly`, `failed +`, `listener db at /.*/near`, `ok +tcp 10.0.0.1:5432: 65536 bytes`)
	if Sound(findings) {
		t.Error("nothing failed")
	}
}

// TestTarget: another target is asked for instead, by the same protocols.
func TestTarget(t *testing.T) {
	w := newWard(t)
	end := w.keep(masque.Listen("far", "127.0.0.1:0"))
	text, _ := w.check(fmt.Sprintf(tcpFile, end.Addr, "http: 2"), Options{Target: config.Ask{Host: "::1", Port: 9}})
	wantLines(t, text, `ok +CONNECT for tcp \[::1\]:9: accepted`)
	if asked := end.Requests(); len(asked) != 1 || asked[0].Authority != "[::1]:9" {
		t.Errorf("asked for %+v", asked)
	}
}

// TestHeaders: what stands beside via is sent, and listeners that differ in nothing a far end sees are asked for once.
func TestHeaders(t *testing.T) {
	w := newWard(t)
	end := w.keep(masque.Listen("far", "127.0.0.1:0"))
	w.check(fmt.Sprintf(`
listeners:
  a: {tcp: "127.0.0.1:1", to: 10.0.0.1:5432, via: hub}
  b: {tcp: "127.0.0.1:2", to: 10.0.0.1:5432, via: hub}
  c: {tcp: "127.0.0.1:3", to: 10.0.0.1:5432, via: hub, headers: {x-b: "100%%%%"}}
tunnels: {hub: {proxy: %q, http: 2, headers: {x-a: one}}}
`, end.Addr), Options{})
	var got []string
	for _, r := range end.Requests() {
		got = append(got, r.Header.Get("X-A")+" "+r.Header.Get("X-B"))
	}
	if want := []string{"one ", "one 100%"}; !slices.Equal(got, want) {
		t.Errorf("headers %q, want %q", got, want)
	}
}

// TestEcho: a stand-in is asked for where no listener does, and has to answer.
func TestEcho(t *testing.T) {
	w := newWard(t)
	echo := w.closed()
	end := w.keep(masque.Listen("far", "127.0.0.1:0"))
	end.Behave(masque.Manner{Mute: true})
	text, findings := w.check(fmt.Sprintf(tcpFile, end.Addr, "http: 2"), Options{Echo: []string{echo}, Timeout: quick})
	wantLines(t, text, `unsure +nothing came back from tcp 10.0.0.1:5432`, `ok +CONNECT for tcp `+echo,
		`failed +tcp `+echo+` is a stand-in that answers, and nothing came back within 300ms`, `far end's machine`)
	if Sound(findings) {
		t.Error("nothing failed")
	}
	end.Behave(masque.Manner{Curt: true})
	text, _ = w.check(fmt.Sprintf(udpFile, end.Addr, "http: 2"), Options{Target: config.Ask{Host: "10.0.0.1", Port: 7}, Echo: []string{echo}, Timeout: quick})
	wantLines(t, text, `failed +udp 10.0.0.1:7 answers "far .*, and not what was sent`)
}

// TestMiddle: a tunnel to which an exit passes requests on is asked for what came through the first one.
func TestMiddle(t *testing.T) {
	w := newWard(t)
	text, _ := w.check(fmt.Sprintf(`
listeners: {db: {tcp: "127.0.0.1:1", to: 10.0.0.1:5432, via: first}}
tunnels:
  first: {proxy: %q, http: 1, method: post, path: /in, headers: {x-a: "%%PROTOCOL%%"}, exit: {via: second}}
  second: {proxy: %[1]q, http: 2}
`, w.behaving(masque.Manner{})), Options{Tunnel: "second"})
	wantLines(t, text, `tunnel second`, `skipped +the operators in x-a `, `ok +POST /in for tcp 10.0.0.1:5432: accepted`)
}

// TestInline: a tunnel that stands in a listener is checked as well.
func TestInline(t *testing.T) {
	w := newWard(t)
	text, _ := w.check(fmt.Sprintf("listeners: {db: {tcp: \"127.0.0.1:1\", to: 10.0.0.1:5432, via: {proxy: %q, http: 2}}}\n",
		w.behaving(masque.Manner{})), Options{})
	wantLines(t, text, `tunnel db/via`, `ok +CONNECT for tcp 10.0.0.1:5432: accepted`)
}

// TestCannot: what is asked of the check itself, and cannot be.
func TestCannot(t *testing.T) {
	w := newWard(t)
	path := filepath.Join(w.dir, "l4xds.yaml")
	load := func(text string) *config.Config {
		w.must(os.WriteFile(path, []byte(text), 0o600))
		c, messages := config.Load(config.NewSource(), nil, path)
		if c == nil {
			t.Fatal(messages)
		}
		return c
	}
	one := load(fmt.Sprintf(tcpFile, "127.0.0.1:1", "http: 2"))
	taken := w.mute()
	for name, test := range map[string]struct {
		config *config.Config
		o      Options
		want   string
	}{
		"no tunnel":    {load("listeners: {}\n"), Options{}, "there is no tunnel with a proxy"},
		"another name": {one, Options{Tunnel: "hbu"}, `no tunnel with a proxy is named "hbu"; there are: hub`},
		"port taken":   {one, Options{Echo: []string{taken}}, "stand in for a target: listen tcp " + taken},
	} {
		test.o.Timeout = time.Second
		if _, err := Check(t.Context(), test.config, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestJSON: programs get the same findings.
func TestJSON(t *testing.T) {
	w := newWard(t)
	_, findings := w.check(fmt.Sprintf(tcpFile, w.refusing(404), "http: 2"), Options{})
	var out bytes.Buffer
	w.must(WriteJSON(&out, findings))
	var got struct {
		Sound    bool      `json:"sound"`
		Findings []Finding `json:"findings"`
	}
	w.must(json.Unmarshal(out.Bytes(), &got))
	if got.Sound || len(got.Findings) != 4 || got.Findings[2].Step != Request || got.Findings[2].Result != finding.Failed || got.Findings[2].Line != 2 {
		t.Errorf("got %+v", got)
	}
	out.Reset()
	w.must(WriteJSON(&out, nil))
	if !strings.Contains(out.String(), `"findings": []`) {
		t.Errorf("got %s", &out)
	}
	writer := NewWriter(broken{})
	writer.Say(Finding{})
	if writer.Close() == nil {
		t.Error("no error though nothing could be written")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestRoutes: of a listener with routes the far end is asked for what each of them asks for; whom they take is not for the
// check to play. An exit passes on what its routes do.
func TestRoutes(t *testing.T) {
	w := newWard(t)
	end := w.behaving(masque.Manner{Plain: true})
	text, _ := w.check(fmt.Sprintf(`
listeners:
  web:
    tcp: "127.0.0.1:1"
    via: hub
    routes:
      - {name: a, from: 10.0.0.0/8, to: 10.0.0.1:1}
      - {name: b, sni: "*.example.com", to: 10.0.0.2:2}
tunnels:
  hub: {proxy: %q, http: 2, exit: {tcp: "127.0.0.1:9", routes: [{name: far, target: 10.0.0.2:2, via: next}], to: 10.0.0.3:3}}
  next: {proxy: %[1]q, http: 2}
`, end), Options{})
	wantLines(t, text, `tunnel hub`, `ok +tcp 10.0.0.1:1: 65536 bytes`, `ok +tcp 10.0.0.2:2: 65536 bytes`,
		`listener web`, `skipped +which of its routes`, `tunnel next`, `ok +tcp 10.0.0.2:2: 65536 bytes`)
	if _, next, _ := strings.Cut(text, "tunnel next"); strings.Contains(next, "10.0.0.1:1") {
		t.Error("the next tunnel is asked for what does not come to it")
	}
}
