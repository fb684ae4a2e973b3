//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/masque"
)

// checked runs `l4xds tunnel check` on a configuration, and returns what it prints and its exit code.
func (f *fleet) checked(config string, flags ...string) (string, int) {
	f.t.Helper()
	dir := filepath.Join(f.Dir, "config") // that of the daemon: certificates stand beside it
	f.must(os.MkdirAll(dir, 0o700))
	file, err := os.CreateTemp(dir, "check-*")
	f.must(err)
	_, err = file.WriteString(f.text(config))
	f.must(errors.Join(err, file.Close()))
	command := exec.CommandContext(f.ctx, program, append([]string{"tunnel", "check", file.Name(), "--timeout", "2s"}, flags...)...)
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	err = command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	f.t.Logf("l4xds tunnel check %s: exit code %d\n%s%s", strings.Join(flags, " "), command.ProcessState.ExitCode(), &out, &complaints)
	return out.String(), command.ProcessState.ExitCode()
}

// wantChecked wants a line of what was printed for each pattern, in this order.
func (f *fleet) wantChecked(printed string, patterns ...string) {
	f.t.Helper()
	lines := strings.Split(printed, "\n")
	for _, pattern := range patterns {
		re := regexp.MustCompile(pattern)
		for len(lines) > 0 && !re.MatchString(lines[0]) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			f.t.Errorf("no line, after those before, matches %q", pattern)
			return
		}
	}
}

// TestTunnelCheckHealthy: a tunnel that is well is found so, both ways, without any service behind it.
func TestTunnelCheckHealthy(t *testing.T) {
	for name, kind := range map[string]struct{ keys, how, spoken string }{
		"h2":      {"http: 2", "plain", "HTTP/2 is spoken"},
		"h2-mtls": {"http: 2", "mtls", "HTTP/2 is spoken"},
		"h3-mtls": {"http: 3", "mtls", "HTTP/3 is spoken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			config := f.protected(kind.keys, kind.how)
			f.startTunnel(config)
			f.untilServing(2)
			printed, code := f.checked(config, "--echo", f.addr("one"), "--echo", f.addr("two"))
			if code != 0 {
				f.t.Errorf("exit code %d, want 0", code)
			}
			tcp, udp := "tcp "+f.addr("two"), "udp "+f.addr("one")
			tcpBack, udpBack := `ok +`+tcp+`: 65536 bytes came back as they were sent`, `ok +`+udp+`: datagrams of 1, 100, 1200.* 1400.* bytes came back`
			f.wantChecked(printed,
				`^tunnel hub `,
				`far end `+f.addr("hub")+`, directly`, `ok +connected `, `ok +`+kind.spoken+`, round trip `,
				`ok +CONNECT for `+tcp+`: accepted in `, tcpBack,
				`ok +CONNECT-UDP for `+udp+`: accepted in `, udpBack,
				`near end, listener tcp at `+f.addr("tcp"), tcpBack,
				`near end, listener udp at `+f.addr("udp"), udpBack,
				`^\d+ ok, 0 unsure, 0 skipped, 0 failed$`)
		})
	}
}

// untilServing waits until the first Envoy serves so many listeners: it has some a while before that.
func (f *fleet) untilServing(n int) {
	f.t.Helper()
	f.until(func(ctx context.Context) error {
		serving, err := f.envoy.Listeners(ctx)
		if err == nil && len(serving) != n {
			err = fmt.Errorf("it serves %v", serving)
		}
		return err
	})
}

// near is a configuration with a near end only, whose far end belongs to another; its verbs are what is asked for, and the
// tunnel's keys.
const near = `
listeners: {tcp: {tcp: "127.0.0.1:1", to: %s, via: hub}, udp: {udp: "127.0.0.1:1", to: %[1]s, via: hub}}
tunnels: {hub: {%s}}
`

// TestTunnelCheckBroken: what is wrong with a far end that is an Envoy is said.
func TestTunnelCheckBroken(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.backends("one")
	f.protected("", "mtls") // for its certificates
	f.start(`
listeners: {}
tunnels:
  open: {exit: {tcp: $open, targets: [$one, $nobody, $mute]}}
  in: {method: post, exit: {tcp: $in, targets: $one}}
  tls: {exit: {tcp: $tls, targets: $one, tls: ../hub.crt}}
  quic: {exit: {udp: $quic, targets: $one, tls: {cert: ../hub.crt, client_ca: ../ca.crt}}}
  strict: {exit: {tcp: $strict, targets: $one, tls: {cert: ../hub.crt, client_ca: ../ca.crt}}}
`)
	other := f.authority()
	f.trust(other, "other")
	f.issue(other, "stray", certs.Leaf{Names: []string{"near.example.com"}})
	f.foreigners()
	f.muteTarget("mute")
	for name, test := range map[string]struct {
		asks, keys string
		want       []string
		code       int
	}{
		"nothing wrong": {"$one", "proxy: $open, http: 2", []string{
			`ok +CONNECT for tcp`, `ok +tcp .*: 65536 bytes`, `ok +CONNECT-UDP for udp`, `ok +udp .*: datagrams of 1, 100, 1200, 1400, 1472, 2000, 8000 and 60000 bytes`,
		}, 0},
		"far end down": {
			"$one", "proxy: $nowhere, http: 2",
			[]string{`failed +connection refused: nothing listens at ` + f.addr("nowhere")},
			1,
		},
		"no HTTP/3": {
			"$one", "proxy: $tls, http: 3, tls: {ca: ../ca.crt, sni: hub.example.com}",
			[]string{`failed +connection refused: nothing listens at UDP ` + f.addr("tls")},
			1,
		},
		"target refused": {
			"$stray", "proxy: $open, http: 2",
			[]string{
				`failed +CONNECT for tcp .*: refused with 404 Not Found by envoy: the target is not among those of the exit`,
				`failed +CONNECT-UDP for udp .*: refused with 404`,
			},
			1,
		},
		"target down": {
			"$nobody", "proxy: $open, http: 2",
			[]string{
				`failed +CONNECT for tcp .*: refused with 503 Service Unavailable by envoy: it cannot reach the target`,
				`unsure +nothing came back from udp `,
			},
			1,
		},
		"POST for CONNECT": {
			"$one", "proxy: $open, http: 2, method: post",
			[]string{
				`failed +POST / for tcp .*: refused with 404 Not Found by envoy: it has nothing at this path`,
				`one that takes CONNECT answers a POST so`,
			},
			1,
		},
		"CONNECT for POST": {
			"$one", "proxy: $in, http: 2",
			[]string{`failed +CONNECT for tcp .*: refused with 404`, `one that takes a POST answers CONNECT so`},
			1,
		},
		"UDP by POST": {
			"$one", "proxy: $in, http: 2, method: post",
			[]string{`ok +tcp .*: 65536 bytes`, `failed +POST / for udp .*: refused with `},
			1,
		},
		"UDP over HTTP/1.1": {
			"$one", "proxy: $open, http: 1",
			[]string{
				`ok +HTTP/1.1 is spoken`,
				`ok +tcp .*: 65536 bytes`,
				`failed +CONNECT-UDP for udp .*: refused with 200 OK by envoy: an upgrade of HTTP/1.1 is answered with 101`,
				`write http: 2`,
			},
			1,
		},
		"another name": {
			"$one", "proxy: $tls, http: 2, tls: {ca: ../ca.crt, sni: elsewhere.example.com}",
			[]string{
				`failed +the certificate has another name: it is of hub.example.com, and wanted is elsewhere.example.com`,
			},
			1,
		},
		"another authority": {
			"$one", "proxy: $tls, http: 2, tls: {ca: ../other.crt, sni: hub.example.com}",
			[]string{
				`failed +the certificate of hub.example.com is vouched for by .*, which is not among the authorities in .*other.crt`,
			},
			1,
		},
		"no certificate": {
			"$one", "proxy: $strict, http: 2, tls: {ca: ../ca.crt, sni: hub.example.com}",
			[]string{`failed +demands a client certificate, and the tunnel has none`},
			1,
		},
		"another certificate": {
			"$one", "proxy: $strict, http: 1, tls: {ca: ../ca.crt, sni: hub.example.com, cert: ../stray.crt}",
			[]string{`failed +CONNECT for tcp .*: does not take the client certificate .*stray.crt`, `client_ca`},
			1,
		},
		"another certificate, HTTP/2": {
			"$one", "proxy: $strict, http: 2, tls: {ca: ../ca.crt, sni: hub.example.com, cert: ../stray.crt}",
			[]string{`failed +does not take the client certificate .*stray.crt`},
			1,
		},
		"no certificate, HTTP/3": {
			"$one", "proxy: $quic, http: 3, tls: {ca: ../ca.crt, sni: hub.example.com}",
			[]string{`failed +.*demands a client certificate, and the tunnel has none`},
			1,
		},
		"another certificate, HTTP/3": {
			"$one", "proxy: $quic, http: 3, tls: {ca: ../ca.crt, sni: hub.example.com, cert: ../stray.crt}",
			[]string{`failed +.*does not take the client certificate .*stray.crt`},
			1,
		},
		"another name, HTTP/3": {
			"$one", "proxy: $quic, http: 3, tls: {ca: ../ca.crt, sni: elsewhere.example.com, cert: ../near.crt}",
			[]string{`failed +the certificate has another name: it is of hub.example.com`},
			1,
		},
		"target refused, HTTP/3": {
			"$stray", "proxy: $quic, http: 3, tls: {ca: ../ca.crt, sni: hub.example.com, cert: ../near.crt}",
			[]string{`failed +CONNECT for tcp .*: refused with 404`, `failed +CONNECT-UDP for udp .*: refused with 404`},
			1,
		},
		"target silent": {
			"$mute", "proxy: $open, http: 2",
			[]string{
				`ok +CONNECT for tcp`,
				`unsure +nothing came back from tcp .* within 2s: it may be silent by nature`,
				`ok +CONNECT-UDP for udp`,
				`unsure +nothing came back from udp `,
			},
			0,
		},
		"far end silent": {
			"$one", "proxy: $hanging, http: 2",
			[]string{`failed +CONNECT for tcp .*: no answer within 2s: it waits for the target, or hangs`},
			1,
		},
		"HTTP/1.1 only": {
			"$one", "proxy: $h1only, http: 2",
			[]string{`failed +speaks HTTP/1.1, and not HTTP/2 as http: 2 says`, `write http: 1`},
			1,
		},
		"HTTP/2 only": {
			"$one", "proxy: $h2only, http: 1",
			[]string{
				`failed +CONNECT for tcp .*: speaks HTTP/2 only, and not HTTP/1.1 as http: 1 says`,
				`write http: 2`,
			},
			1,
		},
		"no capsules": {
			"$one", "proxy: $unframed, http: 2",
			[]string{`ok +tcp `, `failed +answers come without capsules`},
			1,
		},
		"TLS unexpected": {
			"$one", "proxy: $tls, http: 2",
			[]string{`failed +speaks TLS, and the tunnel does not`},
			1,
		},
		"TLS expected": {
			"$one", "proxy: $open, http: 2, tls: {ca: ../ca.crt, sni: hub.example.com}",
			[]string{`failed +answers "HTTP/" where TLS was expected`},
			1,
		},
	} {
		config := f.text(fmt.Sprintf(near, test.asks, test.keys))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := f.in(t)
			printed, code := f.checked(config)
			f.wantChecked(printed, test.want...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

// foreigners starts far ends that are no Envoys, and have each a fault of their own.
func (f *fleet) foreigners() {
	f.t.Helper()
	for name, versions := range map[string][]int{"h1only": {1}, "h2only": {2}} {
		end, err := masque.Listen(name, f.addr(name), versions...)
		f.must(err)
		f.Keep(end)
	}
	f.farEnd("unframed").Behave(masque.Manner{Plain: true, Unframed: true})
	f.farEnd("hanging").Behave(masque.Manner{Hang: true})
}

// muteTarget takes what comes, by TCP and UDP, and says nothing.
func (f *fleet) muteTarget(name string) {
	f.t.Helper()
	tcp, err := net.Listen("tcp", f.addr(name))
	f.must(err)
	f.Keep(tcp)
	udp, err := net.ListenPacket("udp", f.addr(name))
	f.must(err)
	f.Keep(udp)
}

// TestTunnelCheckWire: far ends are asked as Envoys ask them, key by key.
func TestTunnelCheckWire(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	for _, row := range onTheWire {
		end := f.farEnd(row.name)
		end.Behave(masque.Manner{Plain: true})
		to := row.to
		switch {
		case to == "":
			to = "10.0.0.1:53"
		case strings.Contains(to, "%"):
			to = "127.0.0.1:53" // what it comes to there
		}
		var listeners string
		for protocol, want := range map[string]string{"tcp": row.tcp, "udp": row.udp} {
			if want != "" {
				listeners += fmt.Sprintf("  %[1]s: {%[1]s: \"127.0.0.1:1\", to: %[2]q, via: %[3]s}\n", protocol, to, row.name)
			}
		}
		config := f.text(fmt.Sprintf("listeners:\n%stunnels:\n  %s: {proxy: $%[2]s, %[3]s}\n", listeners, row.name, row.keys))
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := f.in(t)
			printed, code := f.checked(config)
			if code != 0 {
				t.Errorf("exit code %d:\n%s", code, printed)
			}
			var got, want []string
			for _, request := range end.Requests() {
				if agent := request.Header["User-Agent"]; !slices.Equal(agent, []string{"l4xds"}) {
					t.Errorf("asked by %q", agent)
				}
				delete(request.Header, "User-Agent")
				got = append(got, wire(request))
			}
			for _, line := range []string{row.tcp, row.udp} {
				if line != "" {
					want = append(want, strings.Replace(line, "X-Client: 127.0.0.1", "X-Client: -", 1)) // there is no connection to tell of
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the far end was asked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTunnelCheckNearEnd: what a near end does with a far end that is gone.
func TestTunnelCheckNearEnd(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	config := fmt.Sprintf(tunnelled, "http: 2")
	far := f.startTunnel(config)
	f.must(far.Close())
	printed, code := f.checked(config, "--echo", f.addr("one"), "--echo", f.addr("two"))
	f.wantChecked(printed,
		`failed +connection refused`,
		`near end, listener tcp `, `failed +the near end closed the connection without a byte: its tunnel did not open`, `above`,
		`near end, listener udp `, `failed +nothing came back within 2s, and udp `+f.addr("one")+` is a stand-in that answers`)
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
