package snapshot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// cluster waits for the assignment of its own name.
func cluster(name string, timeout int64) *translate.Resource {
	return &translate.Resource{
		Type: snapshot.CDS.URL(), Name: name,
		Msg:  &clusterv3.Cluster{Name: name, ConnectTimeout: &durationpb.Duration{Seconds: timeout}},
		Refs: []translate.Ref{{Type: snapshot.EDS.URL(), Name: name}},
	}
}

// assignment differs by its priority.
func assignment(name string, priority uint32) *translate.Resource {
	return &translate.Resource{
		Type: snapshot.EDS.URL(), Name: name,
		Msg: &endpointv3.ClusterLoadAssignment{
			ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{Priority: priority}},
		},
	}
}

// listener names a cluster, and is for the nodes with these ids; for all if there are none.
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

// world is a listener, a cluster and an assignment for each name.
func world(names ...string) []*translate.Resource {
	var list []*translate.Resource
	for _, name := range names {
		list = append(list, listener("tcp/"+name, name), cluster(name, 1), assignment(name, 0))
	}
	return list
}

func tryBuild(prev *snapshot.Generation, list ...*translate.Resource) (*snapshot.Generation, error) {
	return snapshot.Build(&translate.Resources{Config: &config.Config{}, List: list}, prev)
}

func build(tb testing.TB, prev *snapshot.Generation, list ...*translate.Resource) *snapshot.Generation {
	tb.Helper()
	g, err := tryBuild(prev, list...)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// anyone is a node that only listeners for all nodes are for.
var anyone = config.Node{ID: "anyone"}

// versions is a set as text: its names and versions.
func versions(s *snapshot.Set) string {
	var list []string
	for _, e := range s.Entries {
		list = append(list, e.Name+"="+e.Version)
	}
	return strings.Join(list, " ")
}

// holds is a view as text: the names of its sets.
func holds(v *snapshot.View) string {
	var list []string
	for _, s := range v.Sets {
		var names []string
		for _, e := range s.Entries {
			names = append(names, e.Name)
		}
		list = append(list, fmt.Sprintf("%s%v", s.Type, names))
	}
	return strings.Join(list, " ")
}

// set is a set of entries written as name=version.
func set(entries ...string) *snapshot.Set {
	var list []*snapshot.Entry
	for _, e := range entries {
		name, version, _ := strings.Cut(e, "=")
		list = append(list, &snapshot.Entry{Name: name, Version: version, Wire: []byte(e)})
	}
	return snapshot.NewSet(snapshot.CDS, slices.Clone(list))
}
