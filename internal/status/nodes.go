package status

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/l4xds/l4xds/internal/xds"
)

// A node that left stays visible for a while, so that one can see which Envoy is missing: the latest departures, and
// none that is older.
const (
	maxDeparted = 1000
	departedFor = time.Hour
)

// node is an Envoy that is connected. Usually it has one stream; there are two for a moment when it reconnects before
// the old connection is known to be dead, and for good when two Envoys were given one id.
type node struct {
	streams map[uint64]xds.StreamState
}

// Departed is a node that has no stream any more.
type Departed struct {
	ID             string    `json:"id"`
	Cluster        string    `json:"cluster"`
	Address        string    `json:"address"`
	DisconnectedAt time.Time `json:"disconnected_at"`
	// Reason is why its last stream ended: "client", "shutdown", ...
	Reason string `json:"reason"`
	// State is how it stood to the configuration when it left.
	State xds.State `json:"state"`
}

// Update replaces what is known of a stream.
func (m *Model) Update(s xds.StreamState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, ok := m.streams[s.ID]; ok && id != s.Node.ID {
		m.forget(s.ID)
	}
	id := s.Node.ID
	n := m.nodes[id]
	if n == nil {
		n = &node{streams: map[uint64]xds.StreamState{}}
		m.nodes[id] = n
		delete(m.departed, id)
	}
	before, known := n.streams[s.ID]
	n.streams[s.ID], m.streams[s.ID] = s, id
	if known && m.generation != nil && before.Generation < s.Generation && s.Generation == m.generation.ID {
		m.metrics.synced.Observe(time.Since(m.applied.Began).Seconds())
	}
}

// Closed forgets a stream. When it was the node's last one, the node has departed.
func (m *Model) Closed(stream uint64, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, ok := m.forget(stream)
	if !ok {
		return
	}
	if len(m.departed) >= maxDeparted {
		oldest := slices.MinFunc(slices.Collect(maps.Values(m.departed)), byDeparture)
		delete(m.departed, oldest.ID)
	}
	m.departed[last.Node.ID] = Departed{
		ID:             last.Node.ID,
		Cluster:        last.Node.Cluster,
		Address:        last.Address,
		DisconnectedAt: time.Now(),
		Reason:         reason,
		State:          last.State,
	}
}

func byDeparture(a, b Departed) int {
	return cmp.Or(a.DisconnectedAt.Compare(b.DisconnectedAt), cmp.Compare(a.ID, b.ID))
}

// forget drops a stream. It returns the stream's last state, and whether it was the last stream of its node.
// m.mu is held.
func (m *Model) forget(stream uint64) (xds.StreamState, bool) {
	id, ok := m.streams[stream]
	if !ok {
		return xds.StreamState{}, false // closed before it said who it is
	}
	n := m.nodes[id]
	last := n.streams[stream]
	delete(m.streams, stream)
	delete(n.streams, stream)
	if len(n.streams) > 0 {
		return last, false
	}
	delete(m.nodes, id)
	return last, true
}

// speaker is the stream that stands for the node: the one in the worst state, so that a refusal is not hidden behind
// another Envoy of the same id; among equals the newest. m.mu is held.
func (m *Model) speaker(n *node) xds.StreamState {
	var worst xds.StreamState
	for _, s := range n.streams {
		s.State = m.stateNow(s)
		if worst.ID == 0 || compareStreams(s, worst) > 0 {
			worst = s
		}
	}
	return worst
}

func compareStreams(a, b xds.StreamState) int {
	return cmp.Or(
		cmp.Compare(badness(a.State), badness(b.State)),
		a.ConnectedAt.Compare(b.ConnectedAt),
		cmp.Compare(a.ID, b.ID),
	)
}

// stateNow is the state of s with regard to what is in force: a stream that was synced with the generation before has
// not heard of the new one yet. m.mu is held.
func (m *Model) stateNow(s xds.StreamState) xds.State {
	if s.State == xds.Synced && m.generation != nil && s.Generation < m.generation.ID {
		return xds.Pending
	}
	return s.State
}

// states are all states of a node, from best to worst.
func states() []xds.State { return []xds.State{xds.Synced, xds.Pending, xds.Rejected, xds.Stale} }

func badness(s xds.State) int { return slices.Index(states(), s) }
