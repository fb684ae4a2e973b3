package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// What Load never lets through must not reach an Envoy either, and the error must say whose fault it is.
func TestBrokenModels(t *testing.T) {
	const file = "listeners: {db: {tcp: 1, udp: 1, to: 10.0.0.1:1}}\nbackends: {a: {endpoints: [10.0.0.1:1]}, b: {endpoints: [10.0.0.2:1]}}"
	for _, tt := range []struct {
		name    string
		corrupt func(tcp, udp *config.Listener)
		want    string
	}{
		{
			"a rule of a packed message", func(tcp, _ *config.Listener) { tcp.Name = "" },
			`translate type.googleapis.com/envoy.config.listener.v3.Listener "tcp/0.0.0.0:1": a bug in l4xds: ` +
				`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy: invalid TcpProxy.StatPrefix`,
		},
		{
			"a rule of a resource", func(tcp, _ *config.Listener) { tcp.Routes[0].To.Cluster = "" },
			"a bug in l4xds: envoy.config.cluster.v3.Cluster: invalid Cluster.Name",
		},
		{
			"a rule of an assignment", func(tcp, udp *config.Listener) {
				for _, l := range []*config.Listener{tcp, udp} {
					l.Routes[0].To.Parts[0].Backend.Endpoints[0].Weight = 0
				}
			},
			"a bug in l4xds: envoy.config.endpoint.v3.ClusterLoadAssignment",
		},
		{
			"a text that is not UTF-8", func(tcp, _ *config.Listener) { tcp.Name = "\xff" },
			"a bug in l4xds: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
		},
		{
			"two clusters of one name", func(_, udp *config.Listener) {
				other := *udp.Routes[0].To.Parts[0].Backend
				other.Balance = config.Random
				udp.Routes[0].To.Parts = []config.Part{{Backend: &other, Weight: 1}}
			},
			`listener "db": two clusters are named "db"`,
		},
		{
			"UDP to several clusters", func(_, udp *config.Listener) {
				a, b := &config.Backend{Name: "a", Balance: config.Random}, &config.Backend{Name: "b", Balance: config.Maglev}
				udp.Routes[0].To = config.Target{Split: true, Parts: []config.Part{{Backend: a, Weight: 1}, {Backend: b, Weight: 1}}}
			},
			`listener "db": udp_proxy sends sessions to one cluster only`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, file)
			tt.corrupt(c.Listeners[0], c.Listeners[1])
			_, err := translate.Translate(c, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestUnknownBalancePanics(t *testing.T) {
	c := load(t, "listeners: {db: {tcp: 1, to: 10.0.0.1:1}}")
	c.Listeners[0].Routes[0].To.Parts[0].Backend.Balance = "fastest"
	defer func() {
		if recover() == nil {
			t.Error("a balance without a policy makes a cluster")
		}
	}()
	_, _ = translate.Translate(c, nil)
}

// The place that a NACK names first is the bound address: an address in use is what it is most often about.
func TestOrigins(t *testing.T) {
	c := load(t, `listeners:
  db:
    to: {a: 1, b: 1}
    tcp: 1
backends:
  a:
    endpoints: [10.0.0.1:1]
  b: {endpoints: [10.0.0.2:1]}
`)
	for name, want := range map[string]string{
		"Listener tcp/0.0.0.0:1":   "4:10 2:3",
		"Cluster db":               "3:10 3:16 6:3 8:3",
		"ClusterLoadAssignment db": "7:16 8:18 3:10 3:16",
	} {
		if got := origins(t, c, name); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
}

func origins(t *testing.T, c *config.Config, name string) string {
	t.Helper()
	r := mustTranslate(t, c, nil)
	var places []string
	for i, n := range names(r) {
		if n != name {
			continue
		}
		for _, place := range r.List[i].Origins {
			at := c.Position(place)
			places = append(places, fmt.Sprintf("%d:%d", at.Line, at.Column))
		}
	}
	return strings.Join(places, " ")
}
