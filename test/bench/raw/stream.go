// Package raw is a client of aggregated discovery that decodes nothing: it asks for what an Envoy asks for, in the same
// order, and acknowledges everything. It looks at no resource, so that a thousand of them cost little beside the server
// that they load.
package raw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// window is the flow-control window of a stream and its connection: large enough that the server never waits.
const window = 64 << 20

// Client is one simulated Envoy.
type Client struct {
	// Server is the address of the control plane, host:port.
	Server string
	// ID and Cluster are what it says of itself.
	ID, Cluster string
	// Delta is the variant; false is state of the world.
	Delta bool
	// Assignments are the names that it asks for by EDS. Clients may share them.
	Assignments *Names
	// Traffic, unless nil, counts what passes on the wire. Clients may share it.
	Traffic *Traffic
	// Received is called for every response, before it is acknowledged, by the one goroutine of Run.
	Received func(Response)
}

// Response is what the server sent.
type Response struct {
	Type snapshot.Type
	// Body is the whole message. It must not be kept.
	Body []byte
}

// Traffic counts bytes of TCP payload, gRPC's and HTTP/2's own included. It is safe for concurrent use.
type Traffic struct {
	Received, Sent atomic.Int64
}

// next is what is asked for once the first response of a type is there, as Envoy does: listeners come last.
var next = map[snapshot.Type]snapshot.Type{snapshot.CDS: snapshot.EDS, snapshot.EDS: snapshot.LDS}

// Run opens the stream and follows it until ctx ends, which is no error.
func (c Client) Run(ctx context.Context) error {
	err := c.follow(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("client %s: %w", c.ID, err)
}

func (c Client) follow(ctx context.Context) error {
	conn, err := grpc.NewClient("passthrough:///"+c.Server,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(c.dial),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(window)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.method())
	if err != nil {
		return err
	}
	if err := stream.SendMsg(c.first(snapshot.CDS, true)); err != nil {
		return err
	}
	return c.answer(stream)
}

// answer acknowledges what comes, and asks for the other types in their turn.
func (c Client) answer(stream grpc.ClientStream) error {
	var asked [snapshot.NumTypes]bool
	for {
		var body message
		if err := stream.RecvMsg(&body); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the server ended the stream")
			}
			return err
		}
		h, err := scan(body)
		if err != nil {
			return err
		}
		c.Received(Response{Type: h.typ, Body: body})
		if err := stream.SendMsg(c.ack(h)); err != nil {
			return err
		}
		if following, ok := next[h.typ]; ok && !asked[following] {
			asked[following] = true
			if err := stream.SendMsg(c.first(following, false)); err != nil {
				return err
			}
		}
	}
}

func (c Client) method() string {
	const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
	if c.Delta {
		return service + "DeltaAggregatedResources"
	}
	return service + "StreamAggregatedResources"
}

func (c Client) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil || c.Traffic == nil {
		return conn, err
	}
	return countedConn{conn, c.Traffic}, nil
}

// countedConn counts what passes.
type countedConn struct {
	net.Conn
	traffic *Traffic
}

// Read counts what it reads.
func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.Received.Add(int64(n))
	return n, err
}

// Write counts what it writes.
func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.Sent.Add(int64(n))
	return n, err
}
