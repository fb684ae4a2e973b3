// Package status is the one read model of the daemon: how the last reload went, what is in force, and how every Envoy
// stands to it.
//
//	internal/daemon (reloads), internal/xds (streams) -> status -> internal/admin (pages), Prometheus
//
// Everything is behind one mutex and is read as a whole, so that a page and a scrape never show half of an event.
package status

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// stuck is how long the reload loop may be silent before the daemon is no longer called alive. A look at the files
// takes milliseconds, but a hanging network file system takes forever.
const stuck = 30 * time.Second

// Result is how a reload went.
type Result string

// The results, as the label of l4xds_config_reloads_total.
const (
	// Applied: the files are good, and in force.
	Applied Result = "applied"
	// Unchanged: somebody asked to look again, and nothing is new.
	Unchanged Result = "unchanged"
	// Invalid: the files hold errors, or our own code failed on them.
	Invalid Result = "invalid"
	// Unreadable: a file or directory is missing or cannot be read.
	Unreadable Result = "io_error"
)

// results are all results.
func results() []Result { return []Result{Applied, Unchanged, Invalid, Unreadable} }

// Reload is one look at the files that had something new to say.
type Reload struct {
	Result Result
	// Began is when the look began.
	Began time.Time
	// Generation is what was made of the files: nil unless the result is Applied.
	Generation *snapshot.Generation
	// Messages are all errors and warnings about the files.
	Messages config.Diagnostics
}

// Model is the read model. It is safe for concurrent use, and an [xds.Tracker].
type Model struct {
	version string
	started time.Time
	metrics *metrics

	mu         sync.Mutex
	ticked     time.Time
	draining   bool
	last       Reload
	generation *snapshot.Generation // in force; nil: none yet
	applied    Reload               // the reload that put it in force
	sources    map[string]bool      // by path as given: whether the last look could read it
	nodes      map[string]*node     // by node id; each has at least one stream
	streams    map[uint64]string    // the node id of each stream
	departed   map[string]Departed  // by node id
}

// Build says which program this is.
type Build struct {
	// Version is that of the release, or of the commit.
	Version string `json:"version"`
	// Revision is the commit, empty if it is not known.
	Revision string `json:"revision"`
	// GoVersion is that of the compiler.
	GoVersion string `json:"go_version"`
}

// New returns a model in which nothing has happened yet, and registers its metrics.
func New(build Build, registry prometheus.Registerer) *Model {
	now := time.Now()
	m := &Model{
		version:  build.Version,
		started:  now,
		metrics:  newMetrics(build, registry),
		ticked:   now,
		sources:  map[string]bool{},
		nodes:    map[string]*node{},
		streams:  map[uint64]string{},
		departed: map[string]Departed{},
	}
	registry.MustRegister(collector{m})
	return m
}

// Tick says that the reload loop is alive.
func (m *Model) Tick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ticked = time.Now()
}

// Drain says that the daemon is about to end: it is no longer ready.
func (m *Model) Drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = true
}

// Alive is nil as long as the reload loop ticks.
func (m *Model) Alive() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if silent := time.Since(m.ticked); silent > stuck {
		return fmt.Errorf("the reload loop has been stuck for %s", silent.Round(time.Second))
	}
	return nil
}

// Ready is nil once a good configuration is in force, and says what is in the way before that. A later bad edit does
// not change it, for the good configuration goes on being served.
func (m *Model) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.draining:
		return errors.New("the daemon is ending")
	case m.generation != nil:
		return nil
	}
	for _, d := range m.last.Messages {
		if d.Severity == config.Error {
			return fmt.Errorf("no good configuration yet: %s", d)
		}
	}
	return errors.New("no good configuration yet")
}

// Sources says which of the paths given on the command line the last look could read.
func (m *Model) Sources(healthy map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources = healthy
}

// Reloaded takes in how a look went. A result that is not Applied leaves in force what was.
func (m *Model) Reloaded(r Reload) {
	m.metrics.reloads.WithLabelValues(string(r.Result)).Inc()
	if r.Result == Unchanged {
		return
	}
	m.metrics.duration.Observe(time.Since(r.Began).Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = r
	if r.Result == Applied {
		m.generation, m.applied = r.Generation, r
	}
}

// InForce is the configuration that is served, nil if there is none yet.
func (m *Model) InForce() *config.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generation == nil {
		return nil
	}
	return m.generation.Config
}
