package conversation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// world is a configuration, written in words:
//
//	l>a       listener l, which names cluster a
//	l>a,b     listener l, which names two clusters
//	l>a+s     listener l, which names cluster a and secret s
//	l>r>a     listener l, which names routes r, which lead to cluster a
//	l!>a      listener l, which only an Envoy with CAP_NET_RAW can have
//	east:l>a  listener l, for the node east alone
//	a=2       revision 2 of cluster, listener or secret a; all begin with revision 1
//	@a=2      revision 2 of the endpoints of cluster a
//
// What a listener names exists, and each cluster has its endpoints. The empty world has nothing.
type world string

// thing is one resource of a world.
type thing struct {
	typ  snapshot.Type
	name string
}

// build makes the generation that follows prev, which may be nil.
func (w world) build(t testing.TB, prev *snapshot.Generation) *snapshot.Generation {
	t.Helper()
	g, err := snapshot.Build(&translate.Resources{Config: &config.Config{}, List: w.resources(t)}, prev)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// resources are w as translate would give it.
func (w world) resources(t testing.TB) []*translate.Resource {
	t.Helper()
	revisions := make(map[string]uint32)
	things := make(map[thing]*translate.Resource)
	for word := range strings.FieldsSeq(string(w)) {
		if name, revision, ok := strings.Cut(word, "="); ok {
			n, err := strconv.ParseUint(revision, 10, 32)
			if err != nil {
				t.Fatalf("world %q: %v", w, err)
			}
			revisions[name] = uint32(n)
			continue
		}
		addListener(things, word)
	}
	list := slices.Collect(maps.Values(things))
	for _, r := range list {
		typ, _ := snapshot.TypeOf(r.Type)
		key := r.Name
		if typ == snapshot.EDS {
			key = "@" + r.Name
		}
		r.Msg = message(typ, r, max(revisions[key], 1))
		delete(revisions, key)
	}
	if len(revisions) > 0 {
		t.Fatalf("world %q: revisions of nothing: %v", w, revisions)
	}
	slices.SortFunc(list, func(a, b *translate.Resource) int { return strings.Compare(a.Type+a.Name, b.Type+b.Name) })
	return list
}

// addListener adds the listener that word describes, and what it names.
func addListener(things map[thing]*translate.Resource, word string) {
	word, secret, _ := strings.Cut(word, "+")
	name, clusters, _ := strings.Cut(word, ">")
	name, raw := strings.CutSuffix(name, "!")
	node, listener, forOne := strings.Cut(name, ":")
	l := &translate.Resource{Type: snapshot.LDS.URL(), Name: listener}
	if raw {
		l.Needs = translate.NeedsNetRaw
	}
	if forOne {
		l.Audience = config.Selector{Terms: []config.Term{{ID: node}}}
	} else {
		l.Name = name
	}
	things[thing{snapshot.LDS, name}] = l // under its whole name: two nodes may each have their own
	add := func(typ snapshot.Type, name string, refs ...translate.Ref) {
		l.Refs = append(l.Refs, translate.Ref{Type: typ.URL(), Name: name})
		things[thing{typ, name}] = &translate.Resource{Type: typ.URL(), Name: name, Refs: refs}
	}
	if routes, behind, ok := strings.Cut(clusters, ">"); ok {
		add(snapshot.RDS, routes, translate.Ref{Type: snapshot.CDS.URL(), Name: behind})
		things[thing{snapshot.CDS, behind}] = &translate.Resource{
			Type: snapshot.CDS.URL(), Name: behind, Refs: []translate.Ref{{Type: snapshot.EDS.URL(), Name: behind}},
		}
		things[thing{snapshot.EDS, behind}] = &translate.Resource{Type: snapshot.EDS.URL(), Name: behind}
		return
	}
	for cluster := range strings.SplitSeq(clusters, ",") {
		if translate.Frozen(cluster) {
			l.Needs |= translate.NeedsDelta
		}
		add(snapshot.CDS, cluster, translate.Ref{Type: snapshot.EDS.URL(), Name: cluster})
		things[thing{snapshot.EDS, cluster}] = &translate.Resource{Type: snapshot.EDS.URL(), Name: cluster}
	}
	if secret != "" {
		add(snapshot.SDS, secret)
	}
}

// message is the content of r, which shows its revision; that of a listener also shows what it names.
func message(typ snapshot.Type, r *translate.Resource, revision uint32) proto.Message {
	name := r.Name
	switch typ {
	case snapshot.CDS:
		return &clusterv3.Cluster{Name: name, ConnectTimeout: &durationpb.Duration{Seconds: int64(revision)}}
	case snapshot.EDS:
		return &endpointv3.ClusterLoadAssignment{
			ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{Priority: revision}},
		}
	case snapshot.RDS:
		return &routev3.RouteConfiguration{
			Name: name, MaxDirectResponseBodySizeBytes: wrapperspb.UInt32(revision), InternalOnlyHeaders: []string{r.Refs[0].Name},
		}
	case snapshot.LDS:
		return &listenerv3.Listener{
			Name: name, PerConnectionBufferLimitBytes: wrapperspb.UInt32(revision), StatPrefix: fmt.Sprint(r.Refs),
		}
	default:
		return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{
			Secret: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: strconv.Itoa(int(revision))}},
		}}}
	}
}

// revisionOf is what message made visible.
func revisionOf(t testing.TB, m proto.Message) int {
	t.Helper()
	switch m := m.(type) {
	case *clusterv3.Cluster:
		return int(m.GetConnectTimeout().GetSeconds())
	case *endpointv3.ClusterLoadAssignment:
		return int(m.GetEndpoints()[0].GetPriority())
	case *routev3.RouteConfiguration:
		return int(m.GetMaxDirectResponseBodySizeBytes().GetValue())
	case *listenerv3.Listener:
		return int(m.GetPerConnectionBufferLimitBytes().GetValue())
	case *tlsv3.Secret:
		n, err := strconv.Atoi(m.GetGenericSecret().GetSecret().GetInlineString())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("a %T came", m)
	return 0
}
