package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newModel is a model with a registry of its own.
func newModel() (*Model, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return New(Build{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26"}, registry), registry
}

// generation is number id of a chain, made from a configuration of two listeners on one stanza, and a backend.
func generation(t *testing.T, id uint64) *snapshot.Generation {
	t.Helper()
	c := &config.Config{
		Hash:      "3f9c",
		Files:     []string{"edge.yaml"},
		Listeners: []*config.Listener{{Name: "dns", Protocol: config.TCP}, {Name: "dns", Protocol: config.UDP}},
		Backends:  []*config.Backend{{Name: "web"}},
	}
	var g *snapshot.Generation
	for g == nil || g.ID < id {
		var err error
		if g, err = snapshot.Build(&translate.Resources{Config: c}, g); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func apply(t *testing.T, m *Model, id uint64) {
	t.Helper()
	m.Reloaded(Reload{Result: Applied, Began: time.Now(), Generation: generation(t, id)})
}

func refuse(m *Model, messages ...config.Diagnostic) {
	m.Reloaded(Reload{Result: Invalid, Began: time.Now(), Messages: messages})
}

// stream is the state of one stream of a node.
func stream(id uint64, node string, state xds.State) xds.StreamState {
	return xds.StreamState{
		ID: id, Node: config.Node{ID: node, Cluster: "edge"}, State: state, Variant: xds.Delta,
		Address: "10.0.0.9:4000", EnvoyVersion: "1.40.0", ConnectedAt: time.Unix(int64(id), 0).UTC(),
	}
}

var mistake = config.Diagnostic{
	Severity: config.Error, ID: "L4X0101", Position: config.Position{File: "edge.yaml", Line: 3, Column: 10},
	Path: "listeners.db.tcp", Message: "port 70000 is outside 1..65535",
}

func TestReady(t *testing.T) {
	m, _ := newModel()
	wantError(t, m.Ready(), "no good configuration yet")

	refuse(m, config.Diagnostic{Severity: config.Warning, Message: "unused"}, mistake)
	wantError(t, m.Ready(), "no good configuration yet: "+mistake.String())

	apply(t, m, 1)
	wantError(t, m.Ready(), "")

	refuse(m, mistake)
	wantError(t, m.Ready(), "") // the good one goes on being served

	m.Drain()
	wantError(t, m.Ready(), "the daemon is ending")
}

func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newModel()
		time.Sleep(29 * time.Second)
		wantError(t, m.Alive(), "")
		m.Tick()
		time.Sleep(29 * time.Second)
		wantError(t, m.Alive(), "")
		time.Sleep(2 * time.Second)
		wantError(t, m.Alive(), "the reload loop has been stuck for 31s")
	})
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestConfigOfAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newModel()
		start := time.Now()
		wantConfig(t, m, Config{State: NotInForce, Files: []string{}, Messages: config.Diagnostics{}})

		refuse(m, mistake)
		wantConfig(t, m, Config{State: NotInForce, Files: []string{}, Messages: config.Diagnostics{mistake}})

		apply(t, m, 1)
		good := Config{
			State: InForce, Hash: "3f9c", Generation: 1, LoadedAt: &start,
			Files: []string{"edge.yaml"}, Messages: config.Diagnostics{},
		}
		wantConfig(t, m, good)

		time.Sleep(time.Minute)
		refuse(m, mistake)
		kept := good
		kept.State, kept.Messages = NotInForce, config.Diagnostics{mistake}
		wantConfig(t, m, kept)

		m.Reloaded(Reload{Result: Unchanged, Began: time.Now()}) // asked for: the mistake still stands
		wantConfig(t, m, kept)
	})
}

func wantConfig(t *testing.T, m *Model, want Config) {
	t.Helper()
	if diff := cmp.Diff(want, m.Report().Config); diff != "" {
		t.Errorf("config of the report (-want +got):\n%s", diff)
	}
}

func TestInForce(t *testing.T) {
	m, _ := newModel()
	if c := m.InForce(); c != nil {
		t.Errorf("in force before the first reload: %v", c)
	}
	apply(t, m, 1)
	if c := m.InForce(); c == nil || c.Hash != "3f9c" {
		t.Errorf("in force: %v, want that of hash 3f9c", c)
	}
}

func TestNodesAreSortedAndComplete(t *testing.T) {
	m, _ := newModel()
	at := time.Unix(100, 0).UTC()
	b := stream(1, "b", xds.Rejected)
	b.Generation = 3
	b.Types[snapshot.LDS] = xds.TypeState{Subscribed: true, Sent: "v2", Acked: "v1", Nack: &xds.Nack{
		Version: "v2", Message: "cannot bind", Advice: []string{"choose another"}, At: at, Resources: []string{"tcp/0.0.0.0:1"},
		Places: []config.Position{{File: "edge.yaml", Line: 3, Column: 5}},
	}}
	b.Withheld = []snapshot.Withheld{{Listener: "udp/0.0.0.0:1", Reason: "needs_delta", Places: []config.Position{{File: "edge.yaml", Line: 4}}}}
	b.Types[snapshot.CDS] = xds.TypeState{Sent: "c1", Acked: "c1", Nack: &xds.Nack{Version: "c1", At: at}}
	m.Update(b)
	a := stream(2, "a", xds.Synced)
	a.Node.Capabilities = []config.Capability{config.NetRaw}
	m.Update(a)
	got := m.Report().Nodes
	want := []Node{
		{
			ID: "a", Cluster: "edge", ConnectedAt: time.Unix(2, 0).UTC(), Address: "10.0.0.9:4000", Variant: xds.Delta,
			EnvoyVersion: "1.40.0", Capabilities: []config.Capability{config.NetRaw}, Streams: 1, State: xds.Synced, Withheld: []Withheld{},
		},
		{
			ID: "b", Cluster: "edge", ConnectedAt: time.Unix(1, 0).UTC(), Address: "10.0.0.9:4000", Variant: xds.Delta,
			EnvoyVersion: "1.40.0", Capabilities: []config.Capability{}, Streams: 1, State: xds.Rejected, Generation: 3,
			Withheld: []Withheld{{Listener: "udp/0.0.0.0:1", Reason: "needs_delta", Places: []config.Position{{File: "edge.yaml", Line: 4}}}},
			Types: Types{
				LDS: Type{Sent: "v2", Acked: "v1", Nacked: &Nack{
					Version: "v2", Message: "cannot bind", Advice: []string{"choose another"}, At: at, Resources: []string{"tcp/0.0.0.0:1"},
					Places: []config.Position{{File: "edge.yaml", Line: 3, Column: 5}},
				}},
				CDS: Type{Sent: "c1", Acked: "c1", Nacked: &Nack{
					Version: "c1", At: at, Advice: []string{}, Resources: []string{}, Places: []config.Position{},
				}},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

func TestTheWorstStreamSpeaksForItsNode(t *testing.T) {
	tests := []struct {
		name    string
		streams []xds.StreamState
		want    uint64 // the second at which the speaker connected, which is its id
	}{
		{"alone", []xds.StreamState{stream(1, "n", xds.Synced)}, 1},
		{"the newer of equals", []xds.StreamState{stream(1, "n", xds.Synced), stream(2, "n", xds.Synced)}, 2},
		{"the worse one", []xds.StreamState{stream(1, "n", xds.Rejected), stream(2, "n", xds.Pending)}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, _ := newModel()
			for _, s := range test.streams {
				m.Update(s)
			}
			nodes := m.Report().Nodes
			if len(nodes) != 1 || nodes[0].Streams != len(test.streams) {
				t.Fatalf("nodes %+v, want one with %d streams", nodes, len(test.streams))
			}
			if got := uint64(nodes[0].ConnectedAt.Unix()); got != test.want {
				t.Errorf("stream %d speaks, want %d", got, test.want)
			}
		})
	}
}

// Between a reload and the moment at which a stream hears of it, nobody may take the node for up to date.
func TestSyncedWithTheFormerGenerationIsPending(t *testing.T) {
	m, _ := newModel()
	apply(t, m, 1)
	s := stream(1, "n", xds.Synced)
	s.Generation = 1
	m.Update(s)
	wantState(t, m, xds.Synced)
	apply(t, m, 2)
	wantState(t, m, xds.Pending)
	s.Generation = 2
	m.Update(s)
	wantState(t, m, xds.Synced)
}

func wantState(t *testing.T, m *Model, want xds.State) {
	t.Helper()
	if got := m.Report().Nodes[0].State; got != want {
		t.Errorf("state %s, want %s", got, want)
	}
}

func TestDeparture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newModel()
		m.Update(stream(1, "n", xds.Synced))
		m.Update(stream(2, "n", xds.Pending))
		m.Closed(1, "client")
		if r := m.Report(); len(r.Nodes) != 1 || len(r.Disconnected) != 0 {
			t.Fatalf("one of two streams closed: nodes %v, disconnected %v", r.Nodes, r.Disconnected)
		}
		m.Closed(2, "client")
		want := []Departed{{
			ID: "n", Cluster: "edge", Address: "10.0.0.9:4000", DisconnectedAt: time.Now(), Reason: "client",
			State: xds.Pending,
		}}
		r := m.Report()
		if diff := cmp.Diff(want, r.Disconnected); diff != "" || len(r.Nodes) != 0 {
			t.Fatalf("both closed: nodes %v, disconnected (-want +got):\n%s", r.Nodes, diff)
		}
		m.Update(stream(3, "n", xds.Pending))
		if r := m.Report(); len(r.Nodes) != 1 || len(r.Disconnected) != 0 {
			t.Fatalf("back: nodes %v, disconnected %v", r.Nodes, r.Disconnected)
		}
		m.Closed(3, "client")
		time.Sleep(departedFor + time.Second)
		if r := m.Report(); len(r.Disconnected) != 0 {
			t.Errorf("still listed after %s: %v", departedFor, r.Disconnected)
		}
	})
}

func TestAStreamThatNeverSaidWhoItIs(t *testing.T) {
	m, _ := newModel()
	m.Closed(7, "client")
	if r := m.Report(); len(r.Nodes)+len(r.Disconnected) != 0 {
		t.Errorf("report %+v, want no node", r)
	}
}

func TestDeparturesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newModel()
		for i := range uint64(maxDeparted + 5) {
			m.Update(stream(i+1, fmt.Sprintf("n%d", i), xds.Synced))
			m.Closed(i+1, "client")
			time.Sleep(time.Millisecond)
		}
		list := m.Report().Disconnected
		if len(list) != maxDeparted || list[0].ID != "n1004" || list[len(list)-1].ID != "n5" {
			t.Errorf("%d departures from %s to %s, want the latest %d", len(list), list[0].ID, list[len(list)-1].ID, maxDeparted)
		}
	})
}

func TestChangeToSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, registry := newModel()
		at := func(id, generation uint64) {
			s := stream(id, fmt.Sprint("n", id), xds.Synced)
			s.Generation = generation
			m.Update(s)
		}
		apply(t, m, 1)
		at(1, 0)
		at(1, 1) // counts, after 0 s
		apply(t, m, 2)
		at(1, 1)
		time.Sleep(3 * time.Second)
		at(1, 2) // counts, after 3 s
		at(1, 2)
		at(2, 2) // came with it: its time says nothing about the change
		apply(t, m, 3)
		apply(t, m, 4)
		at(1, 3) // outdated already
		sum, count := histogram(t, registry, "l4xds_xds_change_to_synced_seconds")
		if sum != 3 || count != 2 {
			t.Errorf("sum %v of %d observations, want 3 of 2", sum, count)
		}
	})
}

// histogram is the sum and the number of what a histogram observed.
func histogram(t *testing.T, registry *prometheus.Registry, name string) (float64, uint64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			h := f.GetMetric()[0].GetHistogram()
			return h.GetSampleSum(), h.GetSampleCount()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0, 0
}

func TestMetrics(t *testing.T) {
	m, registry := newModel()
	m.Sources(map[string]bool{"/etc/l4xds": true, "gone.yaml": false})
	apply(t, m, 1)
	a := stream(1, "a", xds.Synced)
	a.Generation = 1
	m.Update(a)
	b := stream(2, "b", xds.Rejected)
	b.Withheld = []snapshot.Withheld{
		{Listener: "udp/0.0.0.0:1", Reason: "needs_delta"},
		{Listener: "udp/0.0.0.0:1", Reason: "needs_net_raw"},
		{Listener: "tcp/0.0.0.0:1", Reason: "needs_net_raw"},
	}
	m.Update(b)
	refuse(m, mistake)
	want := `
# HELP l4xds_build_info 1 for the version of l4xds that runs.
# TYPE l4xds_build_info gauge
l4xds_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1
# HELP l4xds_config_info 1 for the hash of the files in force: replicas that agree show the same.
# TYPE l4xds_config_info gauge
l4xds_config_info{hash="3f9c"} 1
# HELP l4xds_config_last_reload_successful 1 if the files are in force as they are now, 0 if they were refused.
# TYPE l4xds_config_last_reload_successful gauge
l4xds_config_last_reload_successful 0
# HELP l4xds_config_objects Things that the configuration in force is made of.
# TYPE l4xds_config_objects gauge
l4xds_config_objects{kind="backend"} 1
l4xds_config_objects{kind="group"} 0
l4xds_config_objects{kind="listener"} 1
# HELP l4xds_config_reloads_total Looks at the files that found something new or were asked for, by result.
# TYPE l4xds_config_reloads_total counter
l4xds_config_reloads_total{result="applied"} 1
l4xds_config_reloads_total{result="invalid"} 1
l4xds_config_reloads_total{result="io_error"} 0
l4xds_config_reloads_total{result="unchanged"} 0
# HELP l4xds_config_source_healthy 1 if the path given on the command line could be read.
# TYPE l4xds_config_source_healthy gauge
l4xds_config_source_healthy{source="/etc/l4xds"} 1
l4xds_config_source_healthy{source="gone.yaml"} 0
# HELP l4xds_snapshot_resources Envoy resources in force, over all groups of Envoys.
# TYPE l4xds_snapshot_resources gauge
l4xds_snapshot_resources{type="cds"} 0
l4xds_snapshot_resources{type="eds"} 0
l4xds_snapshot_resources{type="lds"} 0
l4xds_snapshot_resources{type="rds"} 0
l4xds_snapshot_resources{type="sds"} 0
# HELP l4xds_withheld Listeners that connected Envoys are not given although they are for them, by reason: Envoys times listeners.
# TYPE l4xds_withheld gauge
l4xds_withheld{reason="needs_delta"} 1
l4xds_withheld{reason="needs_net_raw"} 2
# HELP l4xds_xds_nodes Connected Envoys, by how they stand to the configuration in force.
# TYPE l4xds_xds_nodes gauge
l4xds_xds_nodes{state="pending"} 0
l4xds_xds_nodes{state="rejected"} 1
l4xds_xds_nodes{state="stale"} 0
l4xds_xds_nodes{state="synced"} 1
`
	names := []string{
		"l4xds_withheld", "l4xds_build_info", "l4xds_config_info", "l4xds_config_last_reload_successful", "l4xds_config_objects",
		"l4xds_config_reloads_total", "l4xds_config_source_healthy", "l4xds_snapshot_resources", "l4xds_xds_nodes",
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestMetricsBeforeTheFirstReload(t *testing.T) {
	_, registry := newModel()
	want := `
# HELP l4xds_config_last_reload_success_timestamp_seconds When the configuration in force was read; 0 is never.
# TYPE l4xds_config_last_reload_success_timestamp_seconds gauge
l4xds_config_last_reload_success_timestamp_seconds 0
# HELP l4xds_config_last_reload_successful 1 if the files are in force as they are now, 0 if they were refused.
# TYPE l4xds_config_last_reload_successful gauge
l4xds_config_last_reload_successful 0
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"l4xds_config_last_reload_success_timestamp_seconds", "l4xds_config_last_reload_successful")
	if err != nil {
		t.Error(err)
	}
}

// The JSON form is a promise: each key that the contract names is there, whatever else is.
func TestReportJSON(t *testing.T) {
	m, _ := newModel()
	apply(t, m, 1)
	refuse(m, mistake)
	b := stream(1, "b", xds.Rejected)
	b.Types[snapshot.LDS].Nack = &xds.Nack{Version: "v2", Message: "cannot bind", Places: []config.Position{{File: "edge.yaml", Line: 3}}}
	m.Update(b)
	text, err := json.Marshal(m.Report())
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"version",
		"config.hash", "config.generation", "config.loaded_at", "config.files", "config.state",
		"config.messages.0.severity", "config.messages.0.message", "config.messages.0.file", "config.messages.0.line",
		"config.messages.0.column", "config.messages.0.id",
		"nodes.0.id", "nodes.0.cluster", "nodes.0.connected_at", "nodes.0.address", "nodes.0.variant",
		"nodes.0.envoy_version", "nodes.0.state",
		"nodes.0.types.lds.sent", "nodes.0.types.cds.acked", "nodes.0.types.eds.nacked", "nodes.0.types.sds.sent",
		"nodes.0.types.lds.nacked.version", "nodes.0.types.lds.nacked.message", "nodes.0.types.lds.nacked.at",
		"nodes.0.types.lds.nacked.places.0.file", "nodes.0.types.lds.nacked.places.0.line",
		"nodes.0.types.lds.nacked.places.0.column",
	} {
		if !has(got, strings.Split(path, ".")) {
			t.Errorf("no %s in %s", path, text)
		}
	}
}

func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[path[0]]
		return ok && has(next, path[1:])
	case []any:
		return path[0] == "0" && len(v) > 0 && has(v[0], path[1:])
	}
	return false
}
