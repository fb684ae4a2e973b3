package conversation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/test/ads"
)

// TestRefusalNamesTheLine of the file that was in force when the refused response was sent, with Envoy's words, and
// without the private key that these may quote.
func TestRefusalNamesTheLine(t *testing.T) {
	const refusal = "Error adding/updating listener(s) tcp/0.0.0.0:5432: cannot bind '0.0.0.0:5432': Address already in use\n" +
		"tcp/0.0.0.0:6432: private_key { inline_string: \"KEY\" }\n"
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.yaml")
			write := func(lines ...string) {
				if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := newServer(t)
			write("listeners:", "  db:", "    tcp: 5432", "    to: web", "  other: {tcp: 6432, to: web}", "  good: {tcp: 7432, to: web}",
				"backends:", "  web: {endpoints: [10.0.0.1:1]}")
			s.store.Publish(load(t, nil, path))
			stream := open(t, s, v)
			try(t, stream.Ack(greet(t, stream, "n")))
			try(t, stream.Hello(nil, lds.URL(), nil))
			response := receive(t, stream)

			// Before the refusal arrives everything has moved three lines down.
			write("# one", "# two", "# three", "listeners:", "  db:", "    tcp: 5432", "    to: web", "  other: {tcp: 6432, to: web}",
				"  good: {tcp: 7432, to: web}", "backends:", "  web: {endpoints: [10.0.0.1:1]}")
			s.store.Publish(load(t, s.store.Current(), path))
			try(t, stream.Nack(response, refusal))

			state := s.tracker.stream(t, "n", func(s xds.StreamState) bool { return s.Types[lds].Nack != nil })
			got := *state.Types[lds].Nack
			want := xds.Nack{
				Version: response.Version,
				Message: strings.Replace(refusal, `"KEY"`, `"[redacted]"`, 1),
				At:      got.At,
				// Of each resource the port, then the stanza.
				Resources: []string{"tcp/0.0.0.0:5432", "tcp/0.0.0.0:6432"},
				Places: []config.Position{
					{File: path, Line: 3, Column: 10},
					{File: path, Line: 2, Column: 3},
					{File: path, Line: 5, Column: 16},
					{File: path, Line: 5, Column: 3},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the refusal (-want +got):\n%s", diff)
			}
		})
	}
}

// TestVersionsAgree: replicas that came to the same content by different ways serve the same versions (C7).
func TestVersionsAgree(t *testing.T) {
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			versions := func(history ...world) map[string]string {
				s := newServer(t)
				for _, w := range history {
					s.publish(t, w)
				}
				stream := open(t, s, v)
				found := map[string]string{}
				note := func(r *ads.Response) {
					found[r.Type] = r.Version
					for _, res := range r.Resources {
						found[r.Type+" "+res.Name] = res.Version
					}
					try(t, stream.Ack(r))
				}
				note(greet(t, stream, "n"))
				try(t, stream.Hello(&corev3.Node{Id: "n"}, eds.URL(), nil, "a", "b"))
				note(receive(t, stream))
				try(t, stream.Hello(nil, lds.URL(), nil))
				note(receive(t, stream))
				return found
			}
			direct := versions("l>a m>b a=2")
			if diff := cmp.Diff(direct, versions("l>a a=2 l=3", "m>b l>c", "m>b l>a a=2")); diff != "" {
				t.Errorf("replicas differ:\n%s", diff)
			}
			if other := versions("l>a m>b a=3"); other[cds.URL()] == direct[cds.URL()] || other[lds.URL()] != direct[lds.URL()] {
				t.Error("a version is not that of its own type alone")
			}
		})
	}
}
