package doctor

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/masque"
)

func TestMain(m *testing.M) {
	if err := masque.Enable(); err != nil {
		fmt.Fprintln(os.Stderr, "doctor:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// ward is a directory with certificates, for one test.
type ward struct {
	t  *testing.T
	ca *certs.Authority
	// dir holds ca.crt, other.crt (an authority that nobody here has) and near.crt.
	dir string
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{t: t, dir: t.TempDir()}
	w.ca = w.authority("ca")
	w.authority("other")
	pair, err := w.ca.Issue(certs.Leaf{Names: []string{"near.example.com"}})
	w.must(err)
	w.must(pair.Write(w.dir, "near"))
	return w
}

func (w *ward) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// authority makes one, and the file that names it.
func (w *ward) authority(name string) *certs.Authority {
	w.t.Helper()
	ca, err := certs.NewAuthority()
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, name+".crt"), ca.PEM(), 0o600))
	return ca
}

// server is the TLS of a far end that shows this certificate.
func (w *ward) server(leaf certs.Leaf) *tls.Config {
	w.t.Helper()
	pair, err := w.ca.Issue(leaf)
	w.must(err)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	w.must(err)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
}

// keep is the far end that was started, until the test ends.
func (w *ward) keep(s *masque.Server, err error) *masque.Server {
	w.t.Helper()
	w.must(err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// check checks the configuration, in which $dir is that of the certificates, and returns what is written for people.
func (w *ward) check(text string, o Options) (string, []Finding) {
	w.t.Helper()
	path := filepath.Join(w.dir, "l4xds.yaml")
	w.must(os.WriteFile(path, []byte(text), 0o600))
	c, messages := config.Load(config.NewSource(), nil, path)
	if c == nil {
		w.t.Fatal(messages)
	}
	var out bytes.Buffer
	writer := NewWriter(&out)
	o.Say = writer.Say
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	findings, err := Check(w.t.Context(), c, o)
	w.must(err)
	w.must(writer.Close())
	w.t.Logf("\n%s", out.String())
	return out.String(), findings
}

// quick is a time that is long enough for what answers at once.
const quick = 300 * time.Millisecond

// wantLines wants a line for each pattern, in this order.
func wantLines(t *testing.T, text string, patterns ...string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for _, p := range patterns {
		re := regexp.MustCompile(p)
		for len(lines) > 0 && !re.MatchString(lines[0]) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			t.Errorf("no line, after those before, matches %q", p)
			return
		}
	}
}

// file is a tunnel with both protocols; its verbs are the far end and the tunnel's keys.
const file = `
listeners:
  db: {tcp: "127.0.0.1:1", to: 10.0.0.1:5432, via: hub}
  wg: {udp: "127.0.0.1:1", to: "[2001:db8::1]:51820", via: hub}
tunnels:
  hub: {proxy: %q, %s}
`

// tcpFile is one for TCP alone, udpFile for UDP alone.
const (
	tcpFile = "listeners: {db: {tcp: \"127.0.0.1:1\", to: 10.0.0.1:5432, via: hub}}\ntunnels: {hub: {proxy: %q, %s}}\n"
	udpFile = "listeners: {wg: {udp: \"127.0.0.1:1\", to: 10.0.0.1:51820, via: hub}}\ntunnels: {hub: {proxy: %q, %s}}\n"
)

const secure = "tls: {ca: ca.crt, sni: hub.example.com, cert: near.crt}"

// TestHealthy: a far end that is well is found so, over every version of HTTP.
func TestHealthy(t *testing.T) {
	tcp, udp := `ok +CONNECT for tcp 10.0.0.1:5432: accepted in `, `ok +CONNECT-UDP for udp \[2001:db8::1\]:51820: accepted in `
	tcpBack := `ok +tcp 10.0.0.1:5432: 65536 bytes came back as they were sent, round trip `
	udpBack := `ok +udp \[2001:db8::1\]:51820: datagrams of 1, 100, 1200, 1400, 1472, 2000, 8000 and 60000 bytes came back, round trip `
	cert := `ok +TLS 1.3, certificate of hub.example.com, good until 20..-..-.. ..:.. UTC; it asked for ours$`
	for name, test := range map[string]struct {
		keys string
		want []string
	}{
		"h1":   {"http: 1", []string{`ok +connected in `, `ok +HTTP/1.1 is spoken`, tcp, tcpBack, udp, udpBack}},
		"h2":   {"http: 2", []string{`ok +connected in `, `ok +HTTP/2 is spoken, round trip `, tcp, tcpBack, udp, udpBack}},
		"auto": {"http: auto, " + secure, []string{`ok +connected in `, cert, `ok +agreed on HTTP/2`, tcp, tcpBack}},
		"h3": {"http: 3, " + secure, []string{
			`ok +connected over QUIC in `, cert, `ok +HTTP/3 is spoken, round trip `, tcp, tcpBack, udp,
			`ok +udp .*: datagrams of 1, 100, 1200, 1400 and 14[0-9][0-9] bytes came back, round trip .*; a packet of QUIC from here takes no more than 14[0-9][0-9], and one from an Envoy 1423`,
		}},
		"h1 tls": {"http: 1, " + secure, []string{`ok +connected in `, cert, tcp, tcpBack, udp, udpBack}},
		"h2 tls": {"http: 2, " + secure, []string{`ok +connected in `, cert, `ok +HTTP/2 is spoken`, tcp, tcpBack, udp, udpBack}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			end := w.keep(masque.Listen("far", "127.0.0.1:0"))
			if strings.Contains(test.keys, "tls") {
				server := w.server(certs.Leaf{Names: []string{"hub.example.com"}})
				server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, w.ca.Pool()
				end = w.keep(masque.ListenTLS("far", "127.0.0.1:0", server))
				if strings.HasPrefix(name, "h3") {
					end = w.keep(masque.ListenHTTP3("far", "127.0.0.1:0", server))
				}
			}
			end.Behave(masque.Manner{Plain: true})
			form := file
			if name == "auto" {
				form = tcpFile
			}
			text, findings := w.check(fmt.Sprintf(form, end.Addr, test.keys), Options{})
			wantLines(t, text, test.want...)
			if !Sound(findings) {
				t.Error("something failed")
			}
		})
	}
}

// TestFaults: what is wrong with a far end is said, with what to do.
func TestFaults(t *testing.T) {
	hub := certs.Leaf{Names: []string{"hub.example.com"}}
	for name, test := range map[string]struct {
		file string
		keys string
		end  func(w *ward) string
		want []string
		ok   bool // nothing fails
	}{
		"refused": {
			tcpFile, "http: 2", func(w *ward) string { return w.closed() },
			[]string{`failed +connection refused: nothing listens at 127.0.0.1:`, `start the far end`},
			false,
		},
		"no such name": {
			tcpFile, "http: 2", func(*ward) string { return "nowhere.invalid:443" },
			[]string{`failed +the name nowhere.invalid cannot be resolved here: `},
			false,
		},
		"hangs": {
			tcpFile, "http: 2", func(w *ward) string { return w.mute() },
			[]string{`failed +takes connections and says nothing within 300ms: it hangs, or is no HTTP/2`},
			false,
		},
		"hangs with TLS": {
			tcpFile, "http: 2, " + secure, func(w *ward) string { return w.mute() },
			[]string{`failed +takes connections and says nothing within 300ms`},
			false,
		},
		"HTTP/1.1 only": {
			tcpFile, "http: 2", func(w *ward) string { return w.keep(masque.Listen("far", "127.0.0.1:0", 1)).Addr },
			[]string{`failed +speaks HTTP/1.1, and not HTTP/2 as http: 2 says; it answered "HTTP/1.1 `, `write http: 1`},
			false,
		},
		"HTTP/1.1 only with TLS": {
			tcpFile, "http: 2, " + secure, func(w *ward) string { return w.keep(masque.ListenTLS("far", "127.0.0.1:0", w.server(hub), 1)).Addr },
			[]string{`failed +does not speak HTTP/2 inside TLS: it agrees to none of h2`},
			false,
		},
		"HTTP/2 only": {
			tcpFile, "http: 1", func(w *ward) string { return w.keep(masque.Listen("far", "127.0.0.1:0", 2)).Addr },
			[]string{`failed +CONNECT for tcp 10.0.0.1:5432: speaks HTTP/2 only, and not HTTP/1.1 as http: 1 says`, `write http: 2`},
			false,
		},
		"TLS where the file has none": {
			tcpFile, "http: 2", func(w *ward) string { return w.keep(masque.ListenTLS("far", "127.0.0.1:0", w.server(hub), 2)).Addr },
			[]string{`failed +speaks TLS, and the tunnel does not`},
			false,
		},
		"clear text where the file has TLS": {
			tcpFile, "http: 1, " + secure, func(w *ward) string { return w.keep(masque.Listen("far", "127.0.0.1:0")).Addr },
			[]string{`failed +answers "HTTP/" where TLS was expected`, `leave out the tunnel's tls`},
			false,
		},
		"another name": {
			tcpFile, "http: 2, tls: {ca: ca.crt, sni: elsewhere.example.com}", func(w *ward) string { return w.secure(hub).Addr },
			[]string{`failed +the certificate has another name: it is of hub.example.com, and wanted is elsewhere.example.com`, `sni, or as names`},
			false,
		},
		"another authority": {
			tcpFile, "http: 2, tls: {ca: other.crt, sni: hub.example.com}", func(w *ward) string { return w.secure(hub).Addr },
			[]string{`failed +the certificate of hub.example.com is vouched for by "CN=authority of the tests", which is not among the authorities in .*other.crt`},
			false,
		},
		"expired": {
			tcpFile, "http: 2, " + secure, func(w *ward) string {
				return w.secure(certs.Leaf{Names: hub.Names, From: time.Now().Add(-2 * time.Hour), Until: time.Now().Add(-time.Hour)}).Addr
			},
			[]string{`failed +the certificate of hub.example.com expired on `, `new certificate`},
			false,
		},
		"not valid yet": {
			tcpFile, "http: 2, " + secure, func(w *ward) string {
				return w.secure(certs.Leaf{Names: hub.Names, From: time.Now().Add(time.Hour), Until: time.Now().Add(2 * time.Hour)}).Addr
			},
			[]string{`failed +the certificate of hub.example.com is not valid before `, `clocks`},
			false,
		},
		"client certificate demanded": {
			tcpFile, "http: 2, tls: {ca: ca.crt, sni: hub.example.com}", func(w *ward) string { return w.strict(w.ca, tls.VersionTLS13) },
			[]string{`failed +demands a client certificate, and the tunnel has none`, `write cert`},
			false,
		},
		"client certificate demanded with TLS 1.2": {
			tcpFile, "http: 1, tls: {ca: ca.crt, sni: hub.example.com}", func(w *ward) string { return w.strict(w.ca, tls.VersionTLS12) },
			[]string{`failed +demands a client certificate, and the tunnel has none`},
			false,
		},
		"client certificate not taken": {
			tcpFile, "http: 2, " + secure, func(w *ward) string { return w.strict(w.authority("clients"), tls.VersionTLS13) },
			[]string{`failed +does not take the client certificate .*near.crt`, `client_ca`},
			false,
		},
		"authorities on the Envoy": {
			tcpFile, "http: 2, tls: {ca: {on_envoy: /nowhere/ca.crt}, sni: hub.example.com}", func(w *ward) string { return w.secure(hub).Addr },
			[]string{`skipped +the certificate is not checked: the authorities are on the Envoy`, `ok +TLS 1.3, certificate of hub.example.com.*, not checked`, `ok +tcp `},
			true,
		},
		"certificate on the Envoy": {
			tcpFile, "http: 2, tls: {ca: ca.crt, sni: hub.example.com, cert: {on_envoy: /nowhere/near.crt}}", func(w *ward) string { return w.secure(hub).Addr },
			[]string{`skipped +the client certificate is on the Envoy, and not here`, `run the check beside the Envoy`},
			true,
		},
		"verify none": {
			tcpFile, "http: 2, tls: {verify: none}", func(w *ward) string { return w.secure(certs.Leaf{}).Addr },
			[]string{`ok +TLS 1.3, certificate of no name \(""\), good until .*, not checked`, `ok +tcp 10.0.0.1:5432: 65536 bytes came back`},
			true,
		},
		"other names": {
			tcpFile, `http: 2, tls: {ca: ca.crt, names: [no, "*.example.com"]}`, func(w *ward) string { return w.secure(hub).Addr },
			[]string{`ok +TLS 1.3, certificate of hub.example.com`},
			true,
		},
		"forbidden": {
			tcpFile, "http: 2", func(w *ward) string { return w.refusing(403) },
			[]string{`failed +CONNECT for tcp 10.0.0.1:5432: refused with 403 Forbidden: it knows what is asked for`},
			false,
		},
		"not found": {
			udpFile, "http: 2", func(w *ward) string { return w.refusing(404) },
			[]string{`failed +CONNECT-UDP for udp 10.0.0.1:51820: refused with 404 Not Found: the target is not among those of the exit`},
			false,
		},
		"post not found": {
			tcpFile, "http: 1, method: post, path: /in", func(w *ward) string { return w.refusing(404) },
			[]string{`failed +POST /in for tcp 10.0.0.1:5432: refused with 404 Not Found: it has nothing at this path`, `leave out method: post`},
			false,
		},
		"credentials": {
			tcpFile, "http: 1", func(w *ward) string { return w.refusing(407) },
			[]string{`failed .*407 Proxy Authentication Required: it wants to know who asks`, `proxy-authorization`},
			false,
		},
		"target out of reach": {
			tcpFile, "http: 2", func(w *ward) string { return w.refusing(503) },
			[]string{`failed .*503 Service Unavailable: it cannot reach the target`},
			false,
		},
		"no CONNECT-UDP": {
			udpFile, "http: 2", func(w *ward) string { return w.plainHTTP2() },
			[]string{`ok +HTTP/2 is spoken`, `failed +CONNECT-UDP for udp 10.0.0.1:51820: its settings do not offer CONNECT-UDP`, `has to allow it`},
			false,
		},
		"an Envoy that ends HTTP/1.1 upgrades": {
			udpFile, "http: 1", func(w *ward) string { return w.refusing(200) },
			[]string{`failed .*200 OK: an upgrade of HTTP/1.1 is answered with 101`, `write http: 2`},
			false,
		},
		"no answer": {
			tcpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Hang: true}) },
			[]string{`failed +CONNECT for tcp 10.0.0.1:5432: no answer within 300ms: it waits for the target, or hangs`},
			false,
		},
		"silent TCP": {
			tcpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Mute: true}) },
			[]string{`ok +CONNECT .*accepted`, `unsure +nothing came back from tcp 10.0.0.1:5432 within 300ms`, `--echo`},
			true,
		},
		"silent UDP": {
			udpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Mute: true}) },
			[]string{`ok +CONNECT-UDP .*accepted`, `unsure +nothing came back from udp 10.0.0.1:51820 within 300ms`},
			true,
		},
		"no capsules": {
			udpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Plain: true, Unframed: true}) },
			[]string{`failed +answers come without capsules`, `RFC 9297`},
			false,
		},
		"greetings without capsules": {
			udpFile, "http: 1, method: post, path: /udp", func(w *ward) string { return w.behaving(masque.Manner{Unframed: true}) },
			[]string{`failed +answers come without capsules: no capsules but "far `},
			false,
		},
		"capsules as payload": {
			udpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Plain: true, Nested: true}) },
			[]string{`failed +udp 10.0.0.1:51820 is sent capsules where datagrams belong`},
			false,
		},
		"other answers": {
			tcpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Curt: true}) },
			[]string{`ok +tcp 10.0.0.1:5432 answers "far 127.0.0.1:.*it is no echo`},
			true,
		},
		"other datagrams": {
			udpFile, "http: 2", func(w *ward) string { return w.behaving(masque.Manner{Curt: true}) },
			[]string{`ok +udp 10.0.0.1:51820 answers "far 127.0.0.1:.*it is no echo`},
			true,
		},
		"nothing on UDP": {
			tcpFile, "http: 3, " + secure, func(w *ward) string { return w.closed() },
			[]string{`failed +connection refused: nothing listens at UDP 127.0.0.1:`},
			false,
		},
		"silence on UDP": {
			tcpFile, "http: 3, " + secure, func(w *ward) string { return w.quiet() },
			[]string{`failed +no answer over QUIC within 300ms`, `firewall drops UDP`},
			false,
		},
		"another name over HTTP/3": {
			tcpFile, "http: 3, tls: {ca: ca.crt, sni: elsewhere.example.com}", func(w *ward) string { return w.quic(hub, nil) },
			[]string{`failed +the certificate has another name: it is of hub.example.com, and wanted is elsewhere.example.com`},
			false,
		},
		"client certificate demanded over HTTP/3": {
			tcpFile, "http: 3, tls: {ca: ca.crt, sni: hub.example.com}", func(w *ward) string { return w.quic(hub, w.ca) },
			[]string{`failed +(CONNECT for tcp 10.0.0.1:5432: )?demands a client certificate, and the tunnel has none`},
			false,
		},
		"client certificate not taken over HTTP/3": {
			tcpFile, "http: 3, " + secure, func(w *ward) string { return w.quic(hub, w.authority("clients")) },
			[]string{`failed +(CONNECT for tcp 10.0.0.1:5432: )?does not take the client certificate .*near.crt`},
			false,
		},
		"forbidden over HTTP/3": {
			udpFile, "http: 3, " + secure, func(w *ward) string {
				end := w.keep(masque.ListenHTTP3("far", "127.0.0.1:0", w.server(hub)))
				end.Behave(masque.Manner{Status: 403})
				return end.Addr
			},
			[]string{`failed +CONNECT-UDP for udp 10.0.0.1:51820: refused with 403 Forbidden`},
			false,
		},
		"operators": {
			"listeners: {wg: {udp: \"127.0.0.1:1\", to: \"%%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%%:53\", via: hub}}\ntunnels: {hub: {proxy: %q, %s}}\n",
			`http: 2, headers: {x-client: "%DOWNSTREAM_REMOTE_ADDRESS%"}`, func(w *ward) string { return w.behaving(masque.Manner{}) },
			[]string{`skipped +the operators in x-client stand for what a connection tells`, `skipped +what is asked for depends on the connection`},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			text, findings := w.check(fmt.Sprintf(test.file, test.end(w), test.keys), Options{Timeout: quick})
			wantLines(t, text, test.want...)
			if Sound(findings) != test.ok {
				t.Errorf("nothing failed: %v, want %v", Sound(findings), test.ok)
			}
		})
	}
}

// closed is an address at which nothing listens.
func (w *ward) closed() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.must(l.Close())
	return l.Addr().String()
}

// mute takes connections and says nothing.
func (w *ward) mute() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// plainHTTP2 is a far end that speaks HTTP/2, and does not offer the CONNECT of other protocols.
func (w *ward) plainHTTP2() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings() // what cannot be written is found missing by the test
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return // the client is gone
			}
			if ping, is := frame.(*http2.PingFrame); is {
				_ = framer.WritePing(true, ping.Data)
			}
		}
	}()
	return l.Addr().String()
}

// behaving is a far end over both versions in clear text.
func (w *ward) behaving(m masque.Manner) string {
	w.t.Helper()
	end := w.keep(masque.Listen("far", "127.0.0.1:0"))
	end.Behave(m)
	return end.Addr
}

// quiet takes datagrams and says nothing.
func (w *ward) quiet() string {
	w.t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	w.must(err)
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// quic is a far end over HTTP/3, which wants certificates of an authority, or none.
func (w *ward) quic(leaf certs.Leaf, clients *certs.Authority) string {
	w.t.Helper()
	server := w.server(leaf)
	if clients != nil {
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool()
	}
	return w.keep(masque.ListenHTTP3("far", "127.0.0.1:0", server)).Addr
}

func (w *ward) refusing(status int) string {
	w.t.Helper()
	return w.behaving(masque.Manner{Status: status})
}

// secure is a far end with this certificate.
func (w *ward) secure(leaf certs.Leaf) *masque.Server {
	w.t.Helper()
	return w.keep(masque.ListenTLS("far", "127.0.0.1:0", w.server(leaf)))
}

// strict is a far end that wants certificates of an authority, by one version of TLS.
func (w *ward) strict(ca *certs.Authority, version uint16) string {
	w.t.Helper()
	server := w.server(certs.Leaf{Names: []string{"hub.example.com"}})
	server.ClientAuth, server.ClientCAs, server.MaxVersion = tls.RequireAndVerifyClientCert, ca.Pool(), version
	return w.keep(masque.ListenTLS("far", "127.0.0.1:0", server)).Addr
}
