package translate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/certs"
)

// withCertificates is a directory with ca.crt, a.crt, a.key and a configuration.
func withCertificates(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "l4xds.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rotate(t, dir)
	return dir
}

// rotate makes all certificates of a directory anew.
func rotate(t *testing.T, dir string) {
	t.Helper()
	ca, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(certs.Leaf{})
	if err == nil {
		err = pair.Write(dir, "a")
	}
	if err == nil {
		err = certs.Replace(filepath.Join(dir, "ca.crt"), ca.PEM())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loadDir(t *testing.T, src *config.Source, prev *config.Config, dir string) *config.Config {
	t.Helper()
	c, ds := config.Load(src, prev, filepath.Join(dir, "l4xds.yaml"))
	if c == nil {
		t.Fatal(ds)
	}
	return c
}

const tlsEverywhere = `
listeners:
  a: {tcp: [1, 2], tls: {cert: a.crt, client_ca: ca.crt}, to: web}
  b: {tcp: 3, to: {endpoints: 10.0.0.1:1, tls: {ca: ca.crt, sni: b.example, cert: a.crt}}}
  c: {tcp: 4, to: {web: 1, too: 1}}
backends:
  web: {endpoints: x.example:1, tls: ca.crt}
  too: {endpoints: y.example:1, tls: ca.crt}
`

// TestSecretNames holds the names of secrets and who names them: they are in statistics and in Envoy's messages.
func TestSecretNames(t *testing.T) {
	dir := withCertificates(t, tlsEverywhere)
	r := mustTranslate(t, loadDir(t, config.NewSource(), nil, dir), nil)
	got := map[string][]string{}
	for _, res := range r.List {
		for _, ref := range res.Refs {
			if shortType(ref.Type) == "Secret" {
				got[ref.Name] = append(got[ref.Name], shortType(res.Type)+" "+res.Name)
			}
		}
	}
	want := map[string][]string{
		"listeners.a/cert":      {"Listener tcp/0.0.0.0:1", "Listener tcp/0.0.0.0:2"},
		"listeners.a/client_ca": {"Listener tcp/0.0.0.0:1", "Listener tcp/0.0.0.0:2"},
		"backends.b/ca":         {"Cluster b"},
		"backends.b/cert":       {"Cluster b"},
		"backends.c/ca":         {"Cluster c"},
		"backends.web/ca":       {"Cluster web"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who names which secret (-want +got):\n%s", diff)
	}
}

// TestRotationChangesSecretsAlone: listeners and clusters are taken over, and so are their versions.
func TestRotationChangesSecretsAlone(t *testing.T) {
	dir := withCertificates(t, tlsEverywhere)
	src := config.NewSource()
	c := loadDir(t, src, nil, dir)
	before := mustTranslate(t, c, nil)
	rotate(t, dir)
	after := mustTranslate(t, loadDir(t, src.Again(), c, dir), before)
	first := build(t, before, nil)
	second := build(t, after, first)
	for _, node := range []config.Node{{ID: "x"}} {
		old, now := first.View(node, 0), second.View(node, 0)
		for _, typ := range []snapshot.Type{snapshot.CDS, snapshot.LDS, snapshot.EDS} {
			if old.Sets[typ] != now.Sets[typ] {
				t.Errorf("a rotation changes %s", typ)
			}
		}
		change := snapshot.Diff(old.Sets[snapshot.SDS], now.Sets[snapshot.SDS])
		if len(change.Changed) != 6 || len(change.Removed) > 0 {
			t.Errorf("a rotation changes %d secrets, want all 6", len(change.Changed))
		}
	}
}

func build(t *testing.T, r *translate.Resources, prev *snapshot.Generation) *snapshot.Generation {
	t.Helper()
	g, err := snapshot.Build(r, prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestSecretsAreSeenByPath: what is shown holds paths, what is sent holds content.
func TestSecretsAreSeenByPath(t *testing.T) {
	dir := withCertificates(t, "listeners: {a: {tcp: 1, tls: a.crt, to: 10.0.0.1:1}}\n")
	r := mustTranslate(t, loadDir(t, config.NewSource(), nil, dir), nil)
	i := slices.IndexFunc(r.List, func(res *translate.Resource) bool { return res.Name == "listeners.a/cert" })
	sent, shown := fmt.Sprint(r.List[i].Msg), fmt.Sprint(r.List[i].Shown)
	if !strings.Contains(sent, "PRIVATE KEY") || strings.Contains(shown, "PRIVATE KEY") {
		t.Errorf("sent: %d bytes; shown: %s", len(sent), shown)
	}
	if !strings.Contains(shown, filepath.Join(dir, "a.key")) {
		t.Errorf("shown: %s", shown)
	}
}

// TestNamesOfCertificates holds how the form of a name says what kind of name it is.
func TestNamesOfCertificates(t *testing.T) {
	r := resources(t, `
listeners:
  a:
    tcp: 1
    tls: {cert: {on_envoy: /a.crt}, client_ca: {on_envoy: /ca.crt}, names: [x.example, "*.y.example", "spiffe://z/*", 10.0.0.1, "2001:db8::1", me@x.example]}
    to: 10.0.0.1:1
`)
	var got []string
	for _, m := range find[*tlsv3.Secret](t, r, "listeners.a/client_ca").GetValidationContext().GetMatchTypedSubjectAltNames() {
		got = append(got, fmt.Sprint(m.SanType, " ", m.Matcher.GetExact(), m.Matcher.GetPrefix(), m.Matcher.GetSuffix()))
	}
	want := []string{
		"DNS x.example", "DNS .y.example", "URI spiffe://z/", "IP_ADDRESS 10.0.0.1", "IP_ADDRESS 2001:db8::1", "EMAIL me@x.example",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
