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

// TestRefusalNamesTheLine of the file that was in force when the refused response was sent, with Envoy's words, what to
// do about them, and without the private key that these may quote.
func TestRefusalNamesTheLine(t *testing.T) {
	const refusal = "Error adding/updating listener(s) tcp/0.0.0.0:53: cannot bind '0.0.0.0:53': Permission denied\n" +
		"udp/0.0.0.0:53: private_key { inline_string: \"KEY\" }\n"
	const file = `listeners:
  dns:
    tcp: 53
    udp: 53
    to: web
  good: {tcp: 7432, to: web}
backends:
  web: {endpoints: [10.0.0.1:1]}
`
	for _, v := range variants {
		t.Run(string(v), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.yaml")
			write := func(text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := newServer(t)
			write(file)
			s.store.Publish(load(t, nil, path))
			stream := open(t, s, v)
			try(t, stream.Ack(greet(t, stream, "n")))
			try(t, stream.Hello(nil, lds.URL(), nil))
			response := receive(t, stream)

			// Before the refusal arrives everything has moved three lines down.
			write("# one\n# two\n# three\n" + file)
			s.store.Publish(load(t, s.store.Current(), path))
			try(t, stream.Nack(response, refusal))

			state := s.tracker.stream(t, "n", func(s xds.StreamState) bool { return s.Types[lds].Nack != nil })
			got := *state.Types[lds].Nack
			want := xds.Nack{
				Version: response.Version,
				Message: strings.Replace(refusal, `"KEY"`, `"[redacted]"`, 1),
				Advice: []string{"the Envoy on n may not listen on port 53. Start it with CAP_NET_BIND_SERVICE, set " +
					"net.ipv4.ip_unprivileged_port_start on its host to 53 or less (both need a restart of the Envoy), " +
					"or choose a higher port"},
				At: got.At,
				// Of each resource the port, then the stanza, which is one.
				Resources: []string{"tcp/0.0.0.0:53", "udp/0.0.0.0:53"},
				Places: []config.Position{
					{File: path, Line: 3, Column: 10},
					{File: path, Line: 2, Column: 3},
					{File: path, Line: 4, Column: 10},
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
