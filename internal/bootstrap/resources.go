package bootstrap

import (
	"fmt"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/l4xds/l4xds/internal/xds"
)

const (
	// serverCluster is the cluster of l4xds itself.
	serverCluster = "l4xds"

	connectTimeout = 5 * time.Second
	pingInterval   = 30 * time.Second
	pingTimeout    = 5 * time.Second
	// fetchTimeout is how long Envoy waits for its first clusters and listeners. Zero would be for ever.
	fetchTimeout = 15 * time.Second
	// maxConnections is the limit of all listeners together.
	maxConnections = 50000
)

// Names of Envoy's extensions.
const (
	httpOptions        = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	internalListener   = "envoy.bootstrap.internal_listener"
	connectionsMonitor = "envoy.resource_monitors.global_downstream_max_connections"
)

func node(o Options) *corev3.Node {
	n := &corev3.Node{Id: o.NodeID, Cluster: o.Cluster}
	if o.Zone != "" {
		n.Locality = &corev3.Locality{Zone: o.Zone}
	}
	n.Metadata = metadata(o)
	return n
}

// metadata is nil where there is nothing to say.
func metadata(o Options) *structpb.Struct {
	fields := make(map[string]*structpb.Value)
	for key, value := range o.Metadata {
		fields[key] = structpb.NewStringValue(value)
	}
	if len(o.Capabilities) > 0 {
		fields[metadataKey] = capabilities(o.Capabilities)
	}
	if len(fields) == 0 {
		return nil
	}
	return &structpb.Struct{Fields: fields}
}

func admin(e endpoint) *bootstrapv3.Admin {
	return &bootstrapv3.Admin{Address: address(e)}
}

func dynamicResources(v xds.Variant) *bootstrapv3.Bootstrap_DynamicResources {
	api := corev3.ApiConfigSource_DELTA_GRPC
	if v == xds.SotW {
		api = corev3.ApiConfigSource_GRPC
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:             api,
			TransportApiVersion: corev3.ApiVersion_V3,
			// Without it every request carries all that Envoy says of itself: 61 kB.
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: serverCluster},
			}}},
		},
		CdsConfig: overADS(),
		LdsConfig: overADS(),
	}
}

func overADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(fetchTimeout),
	}
}

func staticResources(server endpoint) *bootstrapv3.Bootstrap_StaticResources {
	discovery := clusterv3.Cluster_STRICT_DNS
	if server.isIP() {
		discovery = clusterv3.Cluster_STATIC
	}
	return &bootstrapv3.Bootstrap_StaticResources{Clusters: []*clusterv3.Cluster{{
		Name:                 serverCluster,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: discovery},
		// By its own default Envoy takes an IPv6 address where there is one, whether or not l4xds listens there.
		DnsLookupFamily: clusterv3.Cluster_V4_PREFERRED,
		ConnectTimeout:  durationpb.New(connectTimeout),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptions: pack(&httpv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{ConnectionKeepalive: &corev3.KeepaliveSettings{
							Interval: durationpb.New(pingInterval),
							Timeout:  durationpb.New(pingTimeout),
						}},
					},
				},
			},
		})},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: serverCluster,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(server)}},
			}}}},
		},
	}}}
}

func extensions() []*corev3.TypedExtensionConfig {
	return []*corev3.TypedExtensionConfig{{
		Name: internalListener, TypedConfig: pack(&internalv3.InternalListener{}),
	}}
}

func overloadManager() *overloadv3.OverloadManager {
	return &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{{
		Name: connectionsMonitor,
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: pack(&connectionsv3.DownstreamConnectionsConfig{
			MaxActiveDownstreamConnections: maxConnections,
		})},
	}}}
}

func address(e endpoint) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       e.host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: e.port},
	}}}
}

// pack wraps m. Messages that we make ourselves can always be encoded.
func pack(m proto.Message) *anypb.Any {
	a := &anypb.Any{}
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(fmt.Sprintf("bootstrap: encode %s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return a
}
