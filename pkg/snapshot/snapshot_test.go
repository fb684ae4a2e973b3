package snapshot_test

import (
	"fmt"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func cluster(name string, timeout int64) *translate.Resource {
	return &translate.Resource{
		Type: snapshot.CDS.URL(), Name: name,
		Msg:  &clusterv3.Cluster{Name: name, ConnectTimeout: &durationpb.Duration{Seconds: timeout}},
		Refs: []translate.Ref{{Type: snapshot.EDS.URL(), Name: name}},
	}
}

func assignment(name string, priority uint32) *translate.Resource {
	return &translate.Resource{
		Type: snapshot.EDS.URL(), Name: name,
		Msg: &endpointv3.ClusterLoadAssignment{
			ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{Priority: priority}},
		},
	}
}

func listener(name, cluster string, ids ...string) *translate.Resource {
	var audience config.Selector
	for _, id := range ids {
		audience.Terms = append(audience.Terms, config.Term{ID: id})
	}
	return &translate.Resource{
		Type: snapshot.LDS.URL(), Name: name,
		Msg:      &listenerv3.Listener{Name: name, StatPrefix: cluster},
		Audience: audience,
		Refs:     []translate.Ref{{Type: snapshot.CDS.URL(), Name: cluster}},
	}
}

func resources(list ...*translate.Resource) *translate.Resources {
	return &translate.Resources{Config: &config.Config{}, List: list}
}

func build(t *testing.T, prev *snapshot.Generation, list ...*translate.Resource) *snapshot.Generation {
	t.Helper()
	g, err := snapshot.Build(resources(list...), prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestViewFollowsReferences(t *testing.T) {
	g := build(t, nil,
		listener("tcp/0.0.0.0:1", "a"), listener("tcp/0.0.0.0:2", "b", "east-*"), listener("tcp/0.0.0.0:2", "c", "west-*"),
		cluster("a", 1), cluster("b", 1), cluster("c", 1), assignment("a", 0), assignment("b", 0), assignment("c", 0))
	east := g.View(config.Node{ID: "east-1"})
	if got := fmt.Sprint(names(east.Sets[snapshot.LDS]), names(east.Sets[snapshot.CDS]), names(east.Sets[snapshot.EDS])); got !=
		"[tcp/0.0.0.0:1 tcp/0.0.0.0:2] [a b] [a b]" {
		t.Errorf("east is given %s", got)
	}
	if g.View(config.Node{ID: "east-2"}) != east {
		t.Error("two nodes of one kind have two views")
	}
}

func TestBodiesDecode(t *testing.T) {
	g := build(t, nil, listener("l", "a"), cluster("a", 1), assignment("a", 0))
	set := g.View(config.Node{}).Sets[snapshot.CDS]
	var sotw discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(set.Body(), &sotw); err != nil {
		t.Fatal(err)
	}
	if sotw.VersionInfo != set.Version || sotw.TypeUrl != snapshot.CDS.URL() || len(sotw.Resources) != 1 {
		t.Errorf("response %v", &sotw)
	}
	var delta discoveryv3.DeltaDiscoveryResponse
	if err := proto.Unmarshal(snapshot.Diff(nil, set).Body(), &delta); err != nil {
		t.Fatal(err)
	}
	if len(delta.Resources) != 1 || delta.Resources[0].Name != "a" || delta.Resources[0].Version != set.Entries[0].Version {
		t.Errorf("delta response %v", &delta)
	}
}

func names(s *snapshot.Set) []string {
	var list []string
	for _, e := range s.Entries {
		list = append(list, e.Name)
	}
	return list
}
