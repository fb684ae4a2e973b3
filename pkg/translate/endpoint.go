package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// loadAssignment is the endpoints of a cluster: in one locality, or one weighted locality for each backend of a split.
func loadAssignment(p *clusterPlan) *endpointv3.ClusterLoadAssignment {
	a := &endpointv3.ClusterLoadAssignment{ClusterName: p.owner()}
	for _, part := range p.parts {
		switch {
		case !p.split:
			a.Endpoints = append(a.Endpoints, byPriority(part.Backend)...)
		case part.Weight > 0: // Envoy refuses a weight of 0; a locality that is left out gets nothing
			a.Endpoints = append(a.Endpoints, weightedLocality(part))
		}
	}
	return a
}

// byPriority is the endpoints of a backend, one list for each priority. There is one at least, also if it is empty.
func byPriority(b *config.Backend) []*endpointv3.LocalityLbEndpoints {
	lists := []*endpointv3.LocalityLbEndpoints{{}}
	for i := range b.Endpoints {
		e := &b.Endpoints[i]
		for int(e.Priority) >= len(lists) {
			lists = append(lists, &endpointv3.LocalityLbEndpoints{Priority: uint32(len(lists))})
		}
		lists[e.Priority].LbEndpoints = append(lists[e.Priority].LbEndpoints, lbEndpoint(b, e))
	}
	return lists
}

// weightedLocality is one backend of a split. Localities must differ, and the name shows in Envoy's /clusters.
func weightedLocality(part config.Part) *endpointv3.LocalityLbEndpoints {
	return &endpointv3.LocalityLbEndpoints{
		Locality:            &corev3.Locality{SubZone: part.Backend.Name},
		LoadBalancingWeight: wrapperspb.UInt32(part.Weight),
		LbEndpoints:         lbEndpoints(part.Backend),
	}
}

func lbEndpoints(b *config.Backend) []*endpointv3.LbEndpoint {
	list := make([]*endpointv3.LbEndpoint, len(b.Endpoints))
	for i := range b.Endpoints {
		list[i] = lbEndpoint(b, &b.Endpoints[i])
	}
	return list
}

func lbEndpoint(b *config.Backend, e *config.Endpoint) *endpointv3.LbEndpoint {
	return &endpointv3.LbEndpoint{
		HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: endpointAddress(e)}},
		LoadBalancingWeight: wrapperspb.UInt32(e.Weight),
		Metadata:            headerMetadata(b, e),
	}
}
