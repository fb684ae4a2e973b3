package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLoad holds that no text makes Load panic or speak of Go, that what it says can be shown, and that what it accepts
// is complete.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "../../examples/*.yaml", "../../examples/*/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	for _, slip := range slips {
		f.Add(slip.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ds := loadText(text)
		if (c == nil) != ds.HasErrors() {
			t.Fatalf("config %v, but %v", c, ds)
		}
		for _, d := range ds {
			if foreign(d.Message, text) != "" || !utf8.ValidString(d.String()) || d.Width < 1 {
				t.Errorf("said %q", d)
			}
		}
		if c != nil {
			complete(t, c)
		}
		if again, ds2 := loadText(text); fmt.Sprint(ds) != fmt.Sprint(ds2) || c != nil && c.Hash != again.Hash {
			t.Errorf("first %v, then %v", ds, ds2)
		}
	})
}

// foreign is a word of the program in a message, unless the text has it, too; empty for none.
func foreign(message, text string) string {
	for _, word := range goTypes.FindAllString(message, -1) {
		if !strings.Contains(text, word) {
			return word
		}
	}
	return ""
}

// complete holds what the doc comments of the model promise.
func complete(t *testing.T, c *Config) {
	t.Helper()
	clusters := map[string]*Backend{}
	for _, l := range c.Listeners {
		if len(l.Binds) == 0 || len(l.Routes) == 0 && l.Exit == nil || l.Exit != nil && len(l.Routes) > 1 && !l.InOrder || l.Protocol == UDP && (len(l.Routes) != 1 && !l.InOrder || l.Timeouts.Idle == 0 || l.Keepalive != nil) {
			t.Errorf("listener %+v is not complete", l)
		}
		if l.Exit != nil && (len(l.Exit.Targets) == 0 && !l.InOrder || l.Exit.Tunnel == nil) {
			t.Errorf("exit %+v of %s is not complete", l.Exit, l.Name)
		}
		for _, b := range l.Binds {
			if (b.Path == "") != b.Address.IsValid() || b.Path == "" && (b.Port < 1 || b.Last < b.Port) {
				t.Errorf("bind %+v of %s is not complete", b, l.Name)
			}
		}
		for i, r := range l.Routes {
			if !l.InOrder && (l.Inspects == (r.SNI == "") && len(l.Routes) == 1 || r.Name != r.SNI || r.Match != nil) {
				t.Errorf("route %+v of %s does not fit", r, l.Name)
			}
			if l.Exit != nil && l.InOrder && ((r.RequestMatch != nil) != (r.Name != "") || r.Requested && len(r.RequestMatch.Targets) == 0) {
				t.Errorf("route %+v of exit %s does not fit", r, l.Name)
			}
			if l.Exit == nil && l.InOrder && (r.SNI != "" || r.Match == nil && i < len(l.Routes)-1 || r.Match != nil && (r.Name == "" || r.Match.empty())) {
				t.Errorf("route %+v of %s does not fit", r, l.Name)
			}
			if l.Exit == nil && r.Via != nil && (r.Ask.Host == "" || (r.Ask.Port == 0) == (r.Ask.PortOperator == "") || r.To.Cluster != r.Via.Name) {
				t.Errorf("route %+v of %s asks for nothing", r, l.Name)
			}
			if r.Original != (len(r.Targets) > 0) || r.Original && (l.Transparent == nil || len(r.To.Parts) != 1 || r.To.Parts[0].Backend.ConnectTimeout == 0) {
				t.Errorf("route %+v of %s does not know what it may reach", r, l.Name)
			}
			if !r.Requested && !r.Original {
				completeTarget(t, l, r.To, clusters)
			}
		}
	}
	for _, b := range c.Backends {
		if b.Name == "" || c.Position(b.At) == (Position{}) {
			t.Errorf("backend %+v has no name or no place", b)
		}
		completeBackend(t, b)
	}
	for _, g := range c.Groups {
		if len(g.Selector.Terms) != 1 || g.Selector.Equal(Selector{[]Term{{}}}) {
			t.Errorf("group %+v is not complete", g)
		}
	}
}

func completeTarget(t *testing.T, l *Listener, to Target, clusters map[string]*Backend) {
	t.Helper()
	if len(to.Parts) == 0 || !to.Split && len(to.Parts) != 1 || to.Cluster == "" {
		t.Errorf("target %+v of %s is not complete", to, l.Name)
		return
	}
	if to.Form() == Clusters && l.Protocol == UDP {
		t.Errorf("UDP target %+v of %s cannot be", to, l.Name)
	}
	for _, p := range to.Parts {
		completeBackend(t, p.Backend)
	}
	first := to.Parts[0].Backend
	if to.Split {
		first = nil
	}
	if other, taken := clusters[to.Cluster]; taken && other != first {
		t.Errorf("two targets have the cluster %q", to.Cluster)
	}
	clusters[to.Cluster] = first
}

func completeBackend(t *testing.T, b *Backend) {
	t.Helper()
	if len(b.Endpoints) == 0 || b.Balance == "" || b.ConnectTimeout == 0 {
		t.Errorf("backend %+v is not complete", b)
	}
	for _, e := range b.Endpoints {
		if e.Weight == 0 || e.Path == "" && e.Port == 0 || !e.Address.IsValid() && e.Host == "" && e.Path == "" {
			t.Errorf("endpoint %+v is not complete", e)
		}
	}
}
