package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
)

// folder is a directory with a configuration and the files that it names.
type folder struct {
	t   *testing.T
	dir string
	ca  *certs.Authority
}

// newFolder has api.crt and api.key, and ca.crt that signed them.
func newFolder(t *testing.T) *folder {
	t.Helper()
	ca, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, dir: t.TempDir(), ca: ca}
	f.issue("api", certs.Leaf{Names: []string{"api.example.com"}})
	f.write("ca.crt", ca.PEM())
	return f
}

func (f *folder) issue(name string, l certs.Leaf) certs.Pair {
	f.t.Helper()
	pair, err := f.ca.Issue(l)
	if err == nil {
		err = pair.Write(f.dir, name)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return pair
}

func (f *folder) write(name string, text []byte) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := certs.Replace(path, text); err != nil {
		f.t.Fatal(err)
	}
}

// revoke writes a list of the authority that revokes nothing.
func (f *folder) revoke(name string, ca *certs.Authority, l certs.Leaf) {
	f.t.Helper()
	list, err := ca.Revoke(l)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(name, list)
}

func (f *folder) read(name string) []byte {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// load writes the configuration, and loads it with src, or with a first look if that is nil.
func (f *folder) load(src *Source, prev *Config, text string) (*Config, Diagnostics) {
	f.t.Helper()
	f.write("l4xds.yaml", []byte(text))
	if src == nil {
		src = NewSource()
	}
	return Load(src, prev, filepath.Join(f.dir, "l4xds.yaml"))
}

func (f *folder) mustLoad(text string) *Config {
	f.t.Helper()
	c, ds := f.load(nil, nil, text)
	if c == nil || len(ds) > 0 {
		f.t.Fatalf("%v in:\n%s", ds, text)
	}
	return c
}

// pkcs8 is a key as PEM.
func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// selfSigned is a certificate of a key of any kind.
func selfSigned(t testing.TB, public, private any) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestCertificateFiles says of each way in which a file can be wrong what is said.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	const listener = "listeners: {a: {tcp: 1, to: 10.0.0.1:1, tls: %s}}"
	for name, test := range map[string]struct {
		tls  string
		make func(f *folder)
		want string // empty: all is well
	}{
		"good":               {"api.crt", nil, ""},
		"key elsewhere":      {"{cert: api.crt, key: keys/x.pem}", func(f *folder) { f.write("keys/x.pem", f.read("api.key")) }, ""},
		"directory":          {"dir", func(f *folder) { f.write("dir/tls.crt", f.read("api.crt")); f.write("dir/tls.key", f.read("api.key")) }, ""},
		"both in one file":   {"{cert: both.pem, key: both.pem}", func(f *folder) { f.write("both.pem", append(f.read("api.key"), f.read("api.crt")...)) }, ""},
		"with a chain":       {"{cert: chain.pem, key: api.key}", func(f *folder) { f.write("chain.pem", append(f.read("api.crt"), f.ca.PEM()...)) }, ""},
		"no key":             {"lone.crt", func(f *folder) { f.write("lone.crt", f.read("api.crt")) }, `lone.key" does not exist; write key: where it is elsewhere [L4X0601]`},
		"key a directory":    {"{cert: api.crt, key: .}", nil, `is a directory [L4X0601]`},
		"empty":              {"api.crt", func(f *folder) { f.write("api.crt", nil) }, `api.crt" is empty [L4X0602]`},
		"not PEM":            {"api.crt", func(f *folder) { f.write("api.crt", []byte{0x30, 0x82}) }, `is not PEM`},
		"half a certificate": {"api.crt", func(f *folder) { f.write("api.crt", f.read("api.crt")[:200]) }, `holds a PEM block that does not end`},
		"half a key":         {"api.crt", func(f *folder) { f.write("api.key", f.read("api.key")[:100]) }, `api.key" holds a PEM block that does not end`},
		"half a chain": {"{cert: chain.pem, key: api.key}", func(f *folder) {
			f.write("chain.pem", append(f.read("api.crt"), f.ca.PEM()[:100]...))
		}, `holds a PEM block that does not end`},
		"damaged": {"api.crt", func(f *folder) {
			f.write("api.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
		}, `holds a certificate that is damaged [L4X0602]`},
		"a key for a certificate": {"{cert: api.key, key: api.key}", nil, `api.key" holds no certificate [L4X0602]`},
		"a certificate for a key": {"{cert: api.crt, key: api.crt}", nil, `api.crt" holds no private key [L4X0602]`},
		"another key":             {"{cert: api.crt, key: other.key}", func(f *folder) { f.issue("other", certs.Leaf{}) }, `does not fit the certificate`},
		"chain in the wrong order": {"{cert: chain.pem, key: api.key}", func(f *folder) {
			f.write("chain.pem", append(f.ca.PEM(), f.read("api.crt")...))
		}, `fits certificate 2 of`},
		"encrypted": {"api.crt", func(f *folder) {
			f.write("api.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
		}, `holds a key that is encrypted`},
		"encrypted the old way": {"api.crt", func(f *folder) {
			f.write("api.key", pem.EncodeToMemory(&pem.Block{
				Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("x"),
			}))
		}, `holds a key that is encrypted`},
		"P-224": {"api.crt", func(f *folder) {
			key, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			f.write("api.crt", selfSigned(t, &key.PublicKey, key))
			f.write("api.key", pkcs8(t, key))
		}, `Envoy takes keys of RSA, P-256, P-384, P-521 and Ed25519 only`},
		"expired":       {"api.crt", func(f *folder) { f.issue("api", certs.Leaf{Until: time.Now().Add(-time.Minute)}) }, `api.crt" expired on 20`},
		"not valid yet": {"api.crt", func(f *folder) { f.issue("api", certs.Leaf{From: time.Now().Add(time.Minute)}) }, `api.crt" is not valid before 20`},
		"expires soon": {"api.crt", func(f *folder) {
			f.issue("api", certs.Leaf{From: time.Now().AddDate(0, -1, 0), Until: time.Now().AddDate(0, 0, 6)})
		}, `warning: listeners.a.tls: "`},
		"lives a short time": {"api.crt", func(f *folder) { f.issue("api", certs.Leaf{Until: time.Now().Add(20 * time.Hour)}) }, ""},
		"authority":          {"{cert: api.crt, client_ca: ca.crt}", nil, ""},
		"no authority":       {"{cert: api.crt, client_ca: api.crt}", nil, `listeners.a.tls.client_ca: "`},
		"authority expired": {"{cert: api.crt, client_ca: old.crt}", func(f *folder) {
			old, err := certs.Leaf{Until: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), From: time.Unix(0, 0)}.Authority()
			if err != nil {
				t.Fatal(err)
			}
			f.write("old.crt", old.PEM())
		}, `old.crt" expired on 2020-01-02 00:00 UTC [L4X0605]`},
		"revoked":        {"{cert: api.crt, client_ca: ca.crt, crl: ca.crl}", func(f *folder) { f.revoke("ca.crl", f.ca, certs.Leaf{}) }, ""},
		"no list":        {"{cert: api.crt, client_ca: ca.crt, crl: ca.crt}", nil, `holds no list of revoked certificates, which begins with`},
		"list not there": {"{cert: api.crt, client_ca: ca.crt, crl: ca.crl}", nil, `ca.crl" does not exist [L4X0601]`},
		"list damaged": {"{cert: api.crt, client_ca: ca.crt, crl: ca.crl}", func(f *folder) {
			f.write("ca.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}))
		}, `holds a list of revoked certificates that is damaged [L4X0602]`},
		"list that ended": {"{cert: api.crt, client_ca: ca.crt, crl: ca.crl}", func(f *folder) { f.revoke("ca.crl", f.ca, certs.Leaf{Until: time.Now().Add(-time.Minute)}) }, `holds a list that ended on 20`},
		"list of another": {"{cert: api.crt, client_ca: ca.crt, crl: ca.crl}", func(f *folder) {
			other, err := certs.NewAuthority()
			if err != nil {
				t.Fatal(err)
			}
			f.revoke("ca.crl", other, certs.Leaf{})
		}, `holds a list that no authority beside it has signed [L4X0606]`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			if test.make != nil {
				test.make(f)
			}
			c, ds := f.load(nil, nil, fmt.Sprintf(listener, test.tls))
			switch {
			case test.want == "" && (c == nil || len(ds) > 0):
				t.Errorf("says %v, want nothing", ds)
			case test.want != "" && (len(ds) != 1 || !strings.Contains(ds[0].String(), test.want)):
				t.Errorf("says %v, want %q", ds, test.want)
			}
		})
	}
}

func TestShortKeys(t *testing.T) {
	t.Parallel()
	for bits, usable := range map[uint]bool{1024: false, 2047: false, 2048: true} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		if got := unusable(&rsa.PublicKey{N: n, E: 65537}) == ""; got != usable {
			t.Errorf("an RSA key of %d bits is usable: %t", bits, got)
		}
	}
}

// TestPrivateKeysAreNotShown prints a Config in every way that may come to someone's mind.
func TestPrivateKeysAreNotShown(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	l := f.mustLoad("listeners: {a: {tcp: 1, to: 10.0.0.1:1, tls: api.crt}}").Listeners[0]
	asJSON, err := json.Marshal(l.TLS)
	if err != nil {
		t.Fatal(err)
	}
	key := l.TLS.Certs[0].Key
	if !strings.Contains(string(key.Text), "PRIVATE KEY") {
		t.Fatal("the key is not there")
	}
	for _, shown := range []string{
		string(asJSON), fmt.Sprint(*l.TLS), fmt.Sprintf("%+v", l.TLS), fmt.Sprintf("%#v", key), fmt.Sprintf("%s %x %q %d", key.Text, key.Text, key.Text, key.Text),
	} {
		if strings.Contains(shown, "PRIVATE") || strings.Contains(shown, "2d2d2d") || strings.Contains(shown, "45 45 45") {
			t.Errorf("shown: %s", shown)
		}
	}
}

const twoStanzas = `listeners:
  a: {tcp: 1, to: web, tls: api.crt}
  b: {tcp: 2, to: 10.0.0.1:1}
backends:
  web: {endpoints: [10.0.0.1:1], tls: {ca: ca.crt, sni: web.internal}}
`

// TestTakeOverCertificates holds that a stanza is taken over only with the files that it names.
func TestTakeOverCertificates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(f *folder, next *Source)
		want   []string // what is taken over
	}{
		"nothing":   {func(*folder, *Source) {}, []string{"a", "b", "web"}},
		"cert":      {func(f *folder, _ *Source) { f.issue("api", certs.Leaf{}) }, []string{"b", "web"}},
		"authority": {func(f *folder, _ *Source) { f.write("ca.crt", append(f.ca.PEM(), f.ca.PEM()...)) }, []string{"a", "b"}},
		"the same":  {func(f *folder, _ *Source) { f.write("api.crt", f.read("api.crt")) }, []string{"a", "b", "web"}},
		"time":      {func(_ *folder, next *Source) { next.at = next.at.Add(50 * time.Minute) }, []string{"b", "web"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			src := NewSource()
			before, ds := f.load(src, nil, twoStanzas)
			if before == nil {
				t.Fatal(ds)
			}
			next := src.Again()
			test.change(f, next)
			if name != "time" {
				next = src.Again()
			}
			now, said := f.load(next, before, twoStanzas)
			fresh := NewSource()
			fresh.at = next.at
			want, saidAtFirst := f.load(fresh, nil, twoStanzas)
			if !slices.Equal(said, saidAtFirst) {
				t.Errorf("says %v, and at first %v", said, saidAtFirst)
			}
			if got := next.Documents(); len(got) != 1 {
				t.Errorf("the configuration is written in %v", got)
			}
			var taken []string
			for _, l := range now.Listeners {
				if l == before.Listeners[len(before.Listeners)-1] || l.TLS != nil && l.TLS == before.Listeners[0].TLS {
					taken = append(taken, l.Name)
				}
			}
			if now.Backends[0] == before.Backends[0] {
				taken = append(taken, "web")
			}
			if !slices.Equal(taken, test.want) {
				t.Errorf("takes over %v, not %v", taken, test.want)
			}
			plain := *now
			plain.memory, want.memory = nil, nil
			if !reflect.DeepEqual(&plain, want) {
				t.Error("makes another Config than at first")
			}
		})
	}
}

// TestTakeOverExpires holds that what was good once is not taken over for good.
func TestTakeOverExpires(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	src := NewSource()
	before, ds := f.load(src, nil, twoStanzas)
	if before == nil {
		t.Fatal(ds)
	}
	next := src.Again()
	next.at = next.at.Add(2 * time.Hour)
	if c, ds := f.load(next, before, twoStanzas); c != nil || !ds.HasErrors() || ds[0].ID != string(idExpired) {
		t.Errorf("says %v", ds)
	}
}

// TestSourceForgets holds that a look sees what the files name now, and nothing that they named before.
func TestSourceForgets(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	src := NewSource()
	if c, ds := f.load(src, nil, twoStanzas); c == nil {
		t.Fatal(ds)
	}
	if got := len(src.Files()); got != 4 { // the configuration, certificate, key, authority
		t.Errorf("%d files: %v", got, src.Files())
	}
	if again := src.Again(); again.Sum() != src.Sum() {
		t.Error("the sum differs, though nothing has changed")
	}
	if again := src.Again(); len(again.Documents()) != 1 {
		t.Errorf("a look that finds nothing new takes %v for the configuration", again.Documents())
	}
	sum := src.Sum()
	f.issue("api", certs.Leaf{})
	if src = src.Again(); src.Sum() == sum {
		t.Error("a new certificate does not change the sum")
	}
	without := "listeners: {b: {tcp: 2, to: 10.0.0.1:1}}\n"
	f.write("l4xds.yaml", []byte(without))
	c, ds := f.load(src.Again(), nil, without)
	if c == nil {
		t.Fatal(ds)
	}
	if fresh := f.mustLoad(without); c.Hash != fresh.Hash || !slices.Equal(c.Files, fresh.Files) {
		t.Errorf("%s of %v, and at first %s of %v", c.Hash, c.Files, fresh.Hash, fresh.Files)
	}
}

// TestTLSDefaults holds what is left of a default where a stanza says something else.
func TestTLSDefaults(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	pair := f.issue("own", certs.Leaf{})
	f.write("default.pem", f.read("api.key"))
	src := NewSource()
	text := `
defaults:
  listeners: {tls: {cert: api.crt, key: default.pem, min: 1.3}}
  backends: {tls: {ca: ca.crt, sni: all.internal}}
listeners:
  all: {tcp: 1, to: web}
  through: {tcp: 2, tls: none, to: {endpoints: 10.0.0.1:1, tls: none}}
  own: {tcp: 3, tls: own.crt, to: {endpoints: 10.0.0.1:1, tls: {sni: own.internal}}}
  udp: {udp: 4, to: datagrams}
backends:
  web: {endpoints: 10.0.0.2:1, tls: {verify: none}}
  datagrams: {endpoints: 10.0.0.3:1}
`
	c, ds := f.load(src, nil, text)
	if c == nil || len(ds) > 0 {
		t.Fatal(ds)
	}
	all, through, own := c.listener(t, "all", TCP), c.listener(t, "through", TCP), c.listener(t, "own", TCP)
	if all.TLS == nil || all.TLS.Min != TLS13 || all.Routes[0].To.Parts[0].Backend.TLS.Verify != VerifyNone {
		t.Errorf("the default is not there: %+v", all.TLS)
	}
	if through.TLS != nil || through.Routes[0].To.Parts[0].Backend.TLS != nil {
		t.Error("none does not take the default away")
	}
	if string(own.TLS.Certs[0].Key.Text) != string(pair.Key) || own.TLS.Min != TLS13 {
		t.Errorf("a certificate of its own has not its own key, or less than the other defaults: %+v", own.TLS)
	}
	if b := own.Routes[0].To.Parts[0].Backend.TLS; b.SNI != "own.internal" || len(b.CA.Text) == 0 {
		t.Errorf("a backend has not both: %+v", b)
	}
	if c.listener(t, "udp", UDP).Routes[0].To.Parts[0].Backend.TLS != nil {
		t.Error("TLS to UDP")
	}
	f.write("api.crt", f.read("own.crt"))
	if c, ds := f.load(src.Again(), c, text); c != nil || !strings.Contains(fmt.Sprint(ds), "does not fit") {
		t.Errorf("a wrong file of the defaults: %v", ds)
	}
}

// BenchmarkLoadCertificates is a first Load of many listeners with one certificate.
func BenchmarkLoadCertificates(b *testing.B) {
	dir := b.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	text := "listeners:\n"
	for i := range 1000 {
		text += fmt.Sprintf("  l%d: {tcp: %d, tls: api.crt, to: 10.0.0.1:1}\n", i, i+1)
	}
	for name, content := range map[string][]byte{
		"api.crt": selfSigned(b, &key.PublicKey, key), "api.key": pkcs8(b, key), "l4xds.yaml": []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if c, ds := Load(NewSource(), nil, filepath.Join(dir, "l4xds.yaml")); c == nil {
			b.Fatal(ds)
		}
	}
}
