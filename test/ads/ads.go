// Package ads is a client that speaks the aggregated discovery service by hand, in both variants: it sends any request,
// also wrong ones, and tells what comes back. By itself it says nothing, so that a test decides every message. It knows
// the protocol and none of the servers: it talks to any of them.
package ads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

// Variant is the form of ADS that a stream speaks.
type Variant string

// The variants.
const (
	SotW  Variant = "sotw"
	Delta Variant = "delta"
)

// ErrSilence is what Receive returns when nothing came in time. The stream goes on.
var ErrSilence = errors.New("nothing was received")

// Stream is one ADS stream. It is for one goroutine. What is not received stays in the connection: a client that never
// calls Receive is one that does not read.
type Stream struct {
	variant   Variant
	transport grpc.ClientStream
	cancel    context.CancelFunc
	// coming brings the message that a goroutine is waiting for; nil while none is.
	coming chan result
	types  map[string]*subscription
}

// subscription is what a stream keeps of one type, because a client repeats it.
type subscription struct {
	names   []string // sorted; wanted by name
	version string   // of the last accepted response
	nonce   string   // of the last response
	held    map[string]string
}

type result struct {
	response *Response
	err      error
}

// Open begins a stream, which ends with ctx or by Close. Nothing is sent yet.
func Open(ctx context.Context, conn grpc.ClientConnInterface, v Variant) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{variant: v, cancel: cancel, types: make(map[string]*subscription)}
	client := discoveryv3.NewAggregatedDiscoveryServiceClient(conn)
	var err error
	if v == Delta {
		s.transport, err = client.DeltaAggregatedResources(ctx)
	} else {
		s.transport, err = client.StreamAggregatedResources(ctx)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a %s stream: %w", v, err)
	}
	return s, nil
}

// Close resets the stream and waits until nothing of it is under way.
func (s *Stream) Close() {
	s.cancel()
	if s.coming != nil {
		<-s.coming
	}
}

// HalfClose says that no more requests will come.
func (s *Stream) HalfClose() error {
	return s.transport.CloseSend()
}

// Send sends r as it is. After the end of the stream it may return io.EOF; Receive tells the reason.
func (s *Stream) Send(r Request) error {
	if s.variant == Delta {
		return s.transport.SendMsg(r.delta())
	}
	return s.transport.SendMsg(r.sotw())
}

// Receive returns the next response. Its error is ErrSilence if none comes within that time; otherwise the stream has
// ended, and the error is gRPC's, io.EOF for status OK.
func (s *Stream) Receive(within time.Duration) (*Response, error) {
	if s.coming == nil {
		s.coming = make(chan result, 1)
		go func() { s.coming <- s.receive() }()
	}
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case r := <-s.coming:
		s.coming = nil
		if r.err == nil {
			s.of(r.response.Type).nonce = r.response.Nonce
		}
		return r.response, r.err
	case <-timeout.C:
		return nil, ErrSilence
	}
}

// Silence waits that long, and is an error if anything came.
func (s *Stream) Silence(wait time.Duration) error {
	switch r, err := s.Receive(wait); {
	case errors.Is(err, ErrSilence):
		return nil
	case err != nil:
		return fmt.Errorf("the stream ended: %w", err)
	default:
		return fmt.Errorf("a response came: %s", r)
	}
}

func (s *Stream) receive() result {
	if s.variant == Delta {
		var m discoveryv3.DeltaDiscoveryResponse
		if err := s.transport.RecvMsg(&m); err != nil {
			return result{err: err}
		}
		return result{response: deltaResponse(&m)}
	}
	var m discoveryv3.DiscoveryResponse
	if err := s.transport.RecvMsg(&m); err != nil {
		return result{err: err}
	}
	return result{response: sotwResponse(&m)}
}

// Hello is the first request of a type as an Envoy makes it: names may be empty, for all; held is what it has from an
// earlier stream, nil for nothing. A stream's first request needs a node, further ones do not.
func (s *Stream) Hello(node *corev3.Node, typeURL string, held *Held, names ...string) error {
	sub := s.of(typeURL)
	sub.names = slices.Sorted(slices.Values(names))
	r := Request{Node: node, Type: typeURL, Names: sub.names, Subscribe: sub.names}
	if held != nil {
		r.Version, r.Initial = held.Version, held.Versions
	}
	return s.Send(r)
}

// Subscribe asks for more names.
func (s *Stream) Subscribe(typeURL string, names ...string) error {
	sub := s.of(typeURL)
	sub.names = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(sub.names), names...))))
	return s.spontaneous(Request{Type: typeURL, Subscribe: names})
}

// Unsubscribe no longer asks for names.
func (s *Stream) Unsubscribe(typeURL string, names ...string) error {
	sub := s.of(typeURL)
	sub.names = slices.DeleteFunc(slices.Clone(sub.names), func(n string) bool { return slices.Contains(names, n) })
	return s.spontaneous(Request{Type: typeURL, Unsubscribe: names})
}

// spontaneous sends a request that answers nothing. State of the world then repeats its last answer, with other names.
func (s *Stream) spontaneous(r Request) error {
	if s.variant == SotW {
		sub := s.of(r.Type)
		r.Names, r.Version, r.Nonce = sub.names, sub.version, sub.nonce
	}
	return s.Send(r)
}

// Ack accepts r.
func (s *Stream) Ack(r *Response) error {
	sub := s.of(r.Type)
	sub.version = r.Version
	sub.apply(r, s.variant)
	return s.Send(Request{Type: r.Type, Nonce: r.Nonce, Version: r.Version, Names: sub.names})
}

// Nack refuses r for that reason, with the version that was accepted before.
func (s *Stream) Nack(r *Response, reason string) error {
	sub := s.of(r.Type)
	return s.Send(Request{Type: r.Type, Nonce: r.Nonce, Version: sub.version, Names: sub.names, Refusal: &reason})
}

// Held is what a client has of one type, as it says in the first request of its next stream.
type Held struct {
	// Version is that of the last accepted response: state of the world.
	Version string
	// Versions are those of the resources by name: delta.
	Versions map[string]string
}

// Held is what was accepted of a type on s.
func (s *Stream) Held(typeURL string) *Held {
	sub := s.of(typeURL)
	return &Held{Version: sub.version, Versions: sub.held}
}

func (s *Stream) of(typeURL string) *subscription {
	sub := s.types[typeURL]
	if sub == nil {
		sub = &subscription{held: make(map[string]string)}
		s.types[typeURL] = sub
	}
	return sub
}

// apply takes note of an accepted delta response; state of the world has no versions of single resources.
func (sub *subscription) apply(r *Response, v Variant) {
	if v == SotW {
		return
	}
	for _, res := range r.Resources {
		sub.held[res.Name] = res.Version
	}
	for _, name := range r.Removed {
		delete(sub.held, name)
	}
}
