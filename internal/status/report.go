package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// Report is all that is known at one moment. Its JSON form is a promise to other programs: /status?format=json.
type Report struct {
	// Version is that of l4xds.
	Version string `json:"version"`
	// StartedAt is when the daemon started.
	StartedAt time.Time `json:"started_at"`
	Config    Config    `json:"config"`
	// Nodes are the Envoys that are connected, sorted by id.
	Nodes []Node `json:"nodes"`
	// Disconnected are Envoys that left within the last hour, the latest first.
	Disconnected []Departed `json:"disconnected"`
}

// ConfigState says how the files stand to what is in force.
type ConfigState string

// The states. (A third, held, is for edits that wait for approval.)
const (
	// InForce: what the files say is what is served.
	InForce ConfigState = "applied"
	// NotInForce: the files were refused; what was good before, if anything, goes on being served.
	NotInForce ConfigState = "invalid"
)

// Config is the configuration in force, and what there is to say about the files as they are now.
type Config struct {
	// Hash identifies the content of the files in force; empty if there is none yet.
	Hash string `json:"hash"`
	// Generation counts what was put in force since the daemon started; 0 is none yet.
	Generation uint64 `json:"generation"`
	// LoadedAt is when it was put in force, nil if there is none yet.
	LoadedAt *time.Time `json:"loaded_at"`
	// Files are those that it was read from.
	Files []string    `json:"files"`
	State ConfigState `json:"state"`
	// Messages are the errors and warnings of the last look at the files.
	Messages config.Diagnostics `json:"messages"`
}

// Node is an Envoy that is connected.
type Node struct {
	ID           string      `json:"id"`
	Cluster      string      `json:"cluster"`
	Zone         string      `json:"zone,omitempty"`
	ConnectedAt  time.Time   `json:"connected_at"`
	Address      string      `json:"address"`
	Variant      xds.Variant `json:"variant"`
	EnvoyVersion string      `json:"envoy_version"`
	// Capabilities are what its process may do, by its own account.
	Capabilities []config.Capability `json:"capabilities"`
	// Streams is 1, or more where several Envoys share the id: then this is about the one in the worst state.
	Streams int `json:"streams"`
	// Generation is the newest one that it has completely; 0 is none yet.
	Generation uint64    `json:"generation"`
	Types      Types     `json:"types"`
	State      xds.State `json:"state"`
	// Withheld are the listeners that are for it, and that it is not given because it lacks something.
	Withheld []Withheld `json:"withheld"`
}

// Withheld is a listener that an Envoy is not given.
type Withheld struct {
	// Listener is the name of the Envoy listener.
	Listener string `json:"listener"`
	// Reason is what the Envoy cannot do, in a word: "needs_delta", "needs_net_raw". A listener with several
	// is listed for each.
	Reason string `json:"reason"`
	// Places are where it stands in the files.
	Places []config.Position `json:"places"`
}

// Types are the resource types of a node.
type Types struct {
	LDS Type `json:"lds"`
	CDS Type `json:"cds"`
	EDS Type `json:"eds"`
	SDS Type `json:"sds"`
	RDS Type `json:"rds"`
}

// Type is how far one resource type has come. Empty versions mean none.
type Type struct {
	Sent  string `json:"sent"`
	Acked string `json:"acked"`
	// Nacked is the refusal that still stands, nil if none.
	Nacked *Nack `json:"nacked"`
}

// Nack is what an Envoy refused.
type Nack struct {
	Version string `json:"version"`
	// Message is in Envoy's own words.
	Message string `json:"message"`
	// Advice says what to do, for each cause that is known by these words; often there is none.
	Advice []string  `json:"advice"`
	At     time.Time `json:"at"`
	// Resources are the names of what it refused, as far as known.
	Resources []string `json:"resources"`
	// Places are where those stand in the files.
	Places []config.Position `json:"places"`
}

// Report is the state of everything now.
func (m *Model) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Report{
		Version:      m.version,
		StartedAt:    m.started,
		Config:       m.config(),
		Nodes:        m.connected(),
		Disconnected: m.disconnected(time.Now()),
	}
}

func (m *Model) config() Config {
	c := Config{State: NotInForce, Files: []string{}, Messages: m.last.Messages}
	if c.Messages == nil {
		c.Messages = config.Diagnostics{}
	}
	if m.generation == nil {
		return c
	}
	if m.last.Result == Applied {
		c.State = InForce
	}
	loaded := m.applied.Began
	c.Hash, c.Files = m.generation.Config.Hash, m.generation.Config.Files
	c.Generation, c.LoadedAt = m.generation.ID, &loaded
	return c
}

func (m *Model) connected() []Node {
	list := make([]Node, 0, len(m.nodes))
	for _, n := range m.nodes {
		s := m.speaker(n)
		list = append(list, Node{
			ID: s.Node.ID, Cluster: s.Node.Cluster, Zone: s.Node.Zone,
			ConnectedAt: s.ConnectedAt, Address: s.Address, Variant: s.Variant, EnvoyVersion: s.EnvoyVersion,
			Streams: len(n.streams), Generation: s.Generation, State: s.State, Capabilities: orEmpty(s.Node.Capabilities),
			Types: Types{
				LDS: typeOf(s.Types[snapshot.LDS]), CDS: typeOf(s.Types[snapshot.CDS]),
				EDS: typeOf(s.Types[snapshot.EDS]), SDS: typeOf(s.Types[snapshot.SDS]),
				RDS: typeOf(s.Types[snapshot.RDS]),
			},
			Withheld: withheld(s.Withheld),
		})
	}
	slices.SortFunc(list, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func typeOf(t xds.TypeState) Type {
	out := Type{Sent: t.Sent, Acked: t.Acked}
	if t.Nack != nil {
		out.Nacked = &Nack{
			Version: t.Nack.Version, Message: t.Nack.Message, At: t.Nack.At,
			Advice: orEmpty(t.Nack.Advice), Resources: orEmpty(t.Nack.Resources), Places: orEmpty(t.Nack.Places),
		}
	}
	return out
}

func withheld(list []snapshot.Withheld) []Withheld {
	out := make([]Withheld, len(list))
	for i, w := range list {
		out[i] = Withheld{Listener: w.Listener, Reason: w.Reason, Places: orEmpty(w.Places)}
	}
	return out
}

// orEmpty makes a list that is [] in JSON, never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (m *Model) disconnected(now time.Time) []Departed {
	list := make([]Departed, 0, len(m.departed))
	for id, d := range m.departed {
		if now.Sub(d.DisconnectedAt) > departedFor {
			delete(m.departed, id)
			continue
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Departed) int { return byDeparture(b, a) })
	return list
}
