package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// message is one discovery request as it came in.
type message struct {
	typeURL string
	node    *corev3.Node
	request request
}

func sotwMessage(r *discoveryv3.DiscoveryRequest) *message {
	return &message{typeURL: r.GetTypeUrl(), node: r.GetNode(), request: request{
		nonce:   r.GetResponseNonce(),
		refusal: refusal(r.GetErrorDetail()),
		version: r.GetVersionInfo(),
		names:   r.GetResourceNames(),
	}}
}

func deltaMessage(r *discoveryv3.DeltaDiscoveryRequest) *message {
	return &message{typeURL: r.GetTypeUrl(), node: r.GetNode(), request: request{
		nonce:       r.GetResponseNonce(),
		refusal:     refusal(r.GetErrorDetail()),
		subscribe:   r.GetResourceNamesSubscribe(),
		unsubscribe: r.GetResourceNamesUnsubscribe(),
		initial:     r.GetInitialResourceVersions(),
	}}
}

// refusal is the reason of a NACK, nil for an ACK. Only error_detail makes a NACK, also with an empty message.
func refusal(detail *rpcstatus.Status) *string {
	if detail == nil {
		return nil
	}
	return &detail.Message
}

// stream is one ADS stream. Its owner is the goroutine of the gRPC handler; a receiver and a sender work for it, so that
// a client which does not read holds up nobody, not even what it says itself.
type stream struct {
	server    *Server
	transport grpc.ServerStream
	state     StreamState
	node      *corev3.Node
	session   *session // nil until the first request

	incoming chan *message
	failed   chan error // of the receiver or the sender; the first one ends the stream
	outbox   chan *frame
	// unsent counts the responses that are not written yet, in the outbox or on their way. sendingSince is when the one on
	// its way was begun, in Unix nanoseconds; 0 means none is.
	unsent       atomic.Int32
	sendingSince atomic.Int64
	wake         *time.Timer
}

// serve runs one stream until it ends.
func (s *Server) serve(transport grpc.ServerStream, v Variant, receive func() (*message, error)) error {
	st := &stream{
		server:    s,
		transport: transport,
		incoming:  make(chan *message),
		failed:    make(chan error, 2),
		outbox:    make(chan *frame, sendQueue),
		wake:      stoppedTimer(),
		state: StreamState{
			ID:          s.streams.Add(1),
			Address:     address(transport.Context()),
			Variant:     v,
			ConnectedAt: time.Now(),
			State:       Pending,
		},
	}
	s.metrics.streams.WithLabelValues(string(v)).Inc()
	go st.receive(receive)
	go st.send()
	reason, err := st.run()
	// The receiver and the sender may be blocked in gRPC: it lets go of them when this handler returns.
	close(st.outbox)
	st.wake.Stop()
	s.metrics.streams.WithLabelValues(string(v)).Dec()
	s.metrics.closes.WithLabelValues(reason).Inc()
	s.tracker.Closed(st.state.ID, reason)
	return err
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(0)
	t.Stop()
	return t
}

func address(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// receive hands each message to the owner, and tells it when there will be no more.
func (st *stream) receive(receive func() (*message, error)) {
	for {
		m, err := receive()
		if err != nil {
			st.failed <- err
			return
		}
		select {
		case st.incoming <- m:
		case <-st.transport.Context().Done():
			st.failed <- st.transport.Context().Err() // the owner waits for this if it has not ended itself
			return
		}
	}
}

// send writes what the owner puts into the outbox.
func (st *stream) send() {
	for f := range st.outbox {
		st.sendingSince.Store(time.Now().UnixNano())
		if err := st.transport.SendMsg(f); err != nil {
			st.failed <- err
			return
		}
		st.sendingSince.Store(0)
		st.unsent.Add(-1)
	}
}

// run is the owner's loop. It says why the stream ended, for people and for the client.
func (st *stream) run() (reason string, err error) {
	defer func() {
		if p := recover(); p != nil {
			st.server.log.Error("panic on a stream", "node", st.state.Node.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			reason, err = "panic", status.Error(codes.Internal, "internal error")
		}
	}()
	generation, replaced := st.server.store.Wait()
	for {
		var ev event
		select {
		case <-st.server.quit:
			return "shutdown", status.Error(codes.Unavailable, "the control plane is shutting down")
		case err := <-st.failed:
			return "client", clientError(err)
		case <-replaced:
			generation, replaced = st.server.store.Wait()
			ev.published = generation
		case <-st.wake.C:
			if st.sendIsStuck() {
				return "slow", status.Error(codes.ResourceExhausted, "responses are not being read")
			}
		case m := <-st.incoming:
			var served bool
			if ev.request, served, err = st.take(m, generation); err != nil {
				return "invalid_request", err
			}
			if !served {
				continue
			}
		}
		if reason, err := st.step(ev); err != nil {
			return reason, err
		}
	}
}

// clientError is what the handler returns when the client ended the stream.
func clientError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return nil
	}
	return err
}

// take checks one message and returns its request. Requests for types that are not served are left unanswered.
func (st *stream) take(m *message, g *snapshot.Generation) (r *request, served bool, err error) {
	if err := st.identify(m.node, g); err != nil {
		return nil, false, err
	}
	if m.typeURL == "" {
		return nil, false, status.Error(codes.InvalidArgument, "type_url is missing")
	}
	if m.request.typ, served = snapshot.TypeOf(m.typeURL); !served {
		st.server.metrics.dropped.WithLabelValues("unknown_type").Inc()
	}
	return &m.request, served, nil
}

// identify takes the node of the first message, and holds the client to it.
func (st *stream) identify(n *corev3.Node, g *snapshot.Generation) error {
	switch {
	case st.session == nil && n.GetId() == "":
		return status.Error(codes.InvalidArgument, "node.id is missing in the first request of the stream")
	case st.session == nil:
		id := identity(n)
		node, err := nodeOf(id)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		st.node, st.state.Node, st.state.EnvoyVersion = id, node, envoyVersion(n)
		st.session = newSession(st.state.Variant, st.state.Node)
		if g != nil {
			st.session.aim(g)
		}
		return nil
	case n != nil && !proto.Equal(identity(n), st.node):
		return status.Error(codes.InvalidArgument, "node changed within the stream")
	}
	return nil
}

// identity is the part of a node that decides what it is given. The rest, some 60 KB of extensions, is not kept.
func identity(n *corev3.Node) *corev3.Node {
	return &corev3.Node{Id: n.GetId(), Cluster: n.GetCluster(), Locality: n.GetLocality(), Metadata: n.GetMetadata()}
}

// step moves the session on and carries out what it asks for.
func (st *stream) step(ev event) (reason string, err error) {
	if st.session == nil {
		return "", nil
	}
	now := time.Now()
	fx := st.session.step(now, ev)
	st.note(fx)
	for _, s := range fx.sends {
		if len(st.outbox) == cap(st.outbox) { // nobody else puts anything in
			return "slow", status.Error(codes.ResourceExhausted, "responses are not being read")
		}
		st.server.metrics.sent(s) // before it is on its way: a client that has it finds it counted
		st.unsent.Add(1)
		st.outbox <- newFrame(st.state.Variant, s, st.identifier())
	}
	st.report()
	if st.session.stopped != "" {
		return st.session.stopped, status.Error(codes.DeadlineExceeded, "responses are not being acknowledged")
	}
	st.wakeBy(now, fx.wake)
	return "", nil
}

// identifier names this control plane and the configuration it serves, for Envoy's statistics.
func (st *stream) identifier() string {
	hash := st.session.gen.Hash
	return "l4xds/" + hash[:min(len(hash), identifierHashSize)]
}

// wakeBy sets the timer for the session, and for a message that is being sent.
func (st *stream) wakeBy(now, due time.Time) {
	if st.unsent.Load() > 0 {
		began := now
		if since := st.sendingSince.Load(); since != 0 {
			began = time.Unix(0, since)
		}
		if stuck := began.Add(sendTimeout); due.IsZero() || stuck.Before(due) {
			due = stuck
		}
	}
	if due.IsZero() {
		st.wake.Stop()
		return
	}
	st.wake.Reset(due.Sub(now))
}

// sendIsStuck reports whether one message has been on its way for too long.
func (st *stream) sendIsStuck() bool {
	since := st.sendingSince.Load()
	return since != 0 && time.Since(time.Unix(0, since)) >= sendTimeout
}

// note counts and logs what a step understood.
func (st *stream) note(fx effects) {
	m := st.server.metrics
	for _, a := range fx.acks {
		m.acked(a)
	}
	for _, n := range fx.nacks {
		m.nacks.WithLabelValues(n.typ.String()).Inc()
		st.server.log.Warn("envoy refused a response",
			"node", st.state.Node.ID, "type", n.typ.String(), "version", n.nack.Version, "resources", n.nack.Resources,
			"places", n.nack.Places, "error", n.nack.Message, "advice", n.nack.Advice)
	}
	if fx.dropped != "" {
		m.dropped.WithLabelValues(fx.dropped).Inc()
	}
}

// withhold notes what the client is not given, and logs what is new of it.
func (st *stream) withhold(list []snapshot.Withheld) {
	for _, w := range list {
		known := func(o snapshot.Withheld) bool { return o.Listener == w.Listener && o.Reason == w.Reason }
		if !slices.ContainsFunc(st.state.Withheld, known) {
			st.server.log.Warn("a listener is withheld from an envoy",
				"node", st.state.Node.ID, "listener", w.Listener, "reason", w.Reason, "places", w.Places)
		}
	}
	st.state.Withheld = list
}

// report tells the tracker how the stream does.
func (st *stream) report() {
	s := st.session
	st.state.State = s.state()
	st.withhold(s.withheld)
	if st.state.State == Synced {
		st.state.Generation = s.gen.ID
	}
	for i := range s.tracks {
		t := &s.tracks[i]
		st.state.Types[i] = TypeState{Subscribed: t.asked, Sent: t.sent, Acked: t.acked, Nack: t.nack}
	}
	st.server.tracker.Update(st.state)
}
