package xds

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// Server serves the generations of a store to Envoys, by the aggregated discovery service in both variants. It is safe
// for concurrent use. Streams share nothing but immutable data: none waits for another.
type Server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	store   *snapshot.Store
	tracker Tracker
	metrics *metrics
	log     *slog.Logger

	streams  atomic.Uint64
	quit     chan struct{}
	quitOnce sync.Once
}

// New makes a server; it is inert until it is registered. Nothing is answered before the store has its first
// generation. The tracker is told of every stream.
func New(store *snapshot.Store, tracker Tracker, registry prometheus.Registerer, log *slog.Logger) *Server {
	return &Server{
		store:   store,
		tracker: tracker,
		metrics: newMetrics(registry),
		log:     log,
		quit:    make(chan struct{}),
	}
}

// Register adds the aggregated discovery service to r. The per-type services and their unary methods are left out:
// what is not there needs no protection.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(r, s)
}

// Shutdown ends all streams, so that the gRPC server can stop gracefully: discovery streams do not end by themselves.
// It does not wait, and may be called more than once.
func (s *Server) Shutdown() {
	s.quitOnce.Do(func() { close(s.quit) })
}

// The limits of the gRPC server. Envoy opens one connection with one stream and, by our bootstrap, pings it every 30 s.
const (
	maxRequestBytes    = 16 << 20 // a delta client with 100,000 resources says so in one request
	maxHeaderBytes     = 16 << 10
	maxStreams         = 100 // on one connection, for relays
	bufferBytes        = 4 << 10
	pingEvery          = 30 * time.Second
	pingTimeout        = 10 * time.Second
	pingAllowed        = 10 * time.Second
	handshakeTimeout   = 10 * time.Second
	sendTimeout        = 30 * time.Second
	sendQueue          = 16 // more than a session can have without an answer
	identifierHashSize = 8
)

// ServerOptions are what a gRPC server needs to carry Register's service: the codec that shares encoded responses, and
// limits that keep one client from hurting others.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequestBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.ReadBufferSize(bufferBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingAllowed, PermitWithoutStream: true}),
	}
}

// StreamAggregatedResources serves state of the world.
func (s *Server) StreamAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.serve(stream, SotW, func() (*message, error) {
		r, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		return sotwMessage(r), nil
	})
}

// DeltaAggregatedResources serves delta.
func (s *Server) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.serve(stream, Delta, func() (*message, error) {
		r, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		return deltaMessage(r), nil
	})
}
