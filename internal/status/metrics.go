package status

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// metrics are what is counted as it happens. What can be read off the model is read by the collector instead.
type metrics struct {
	reloads  *prometheus.CounterVec
	duration prometheus.Histogram
	synced   prometheus.Histogram
}

func newMetrics(build Build, registry prometheus.Registerer) *metrics {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "l4xds_config_reloads_total",
			Help: "Looks at the files that found something new or were asked for, by result.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "l4xds_config_reload_duration_seconds",
			Help:    "Time from reading changed files to the configuration being in force or refused.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		synced: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "l4xds_xds_change_to_synced_seconds",
			Help:    "Time from reading changed files to a connected Envoy having acknowledged all of it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 17),
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "l4xds_build_info",
		Help: "1 for the version of l4xds that runs.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion,
		},
	})
	info.Set(1)
	for _, r := range results() {
		m.reloads.WithLabelValues(string(r)) // rates see the first one
	}
	registry.MustRegister(m.reloads, m.duration, m.synced, info)
	return m
}

// The metrics that the collector reads off the model. Envoys are counted by state, never named: a fleet has no bound.
var (
	successDesc = desc("config_last_reload_successful", "1 if the files are in force as they are now, 0 if they were refused.")
	timeDesc    = desc("config_last_reload_success_timestamp_seconds", "When the configuration in force was read; 0 is never.")
	infoDesc    = desc("config_info", "1 for the hash of the files in force: replicas that agree show the same.", "hash")
	objectsDesc = desc("config_objects", "Things that the configuration in force is made of.", "kind")
	sourceDesc  = desc("config_source_healthy", "1 if the path given on the command line could be read.", "source")
	entriesDesc = desc("snapshot_resources", "Envoy resources in force, over all groups of Envoys.", "type")
	expiryDesc  = desc("config_certificate_expiry_timestamp_seconds", "When the first of the certificates in force expires; absent if there is none.")
	heldDesc    = desc("withheld", "Listeners that connected Envoys are not given although they are for them, by reason: Envoys times listeners.", "reason")
	nodesDesc   = desc("xds_nodes", "Connected Envoys, by how they stand to the configuration in force.", "state")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("l4xds_"+name, help, labels, nil)
}

// collector reads metrics off a model, all under one lock.
type collector struct{ model *Model }

// Describe implements [prometheus.Collector].
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		successDesc, timeDesc, infoDesc, objectsDesc, sourceDesc, entriesDesc, expiryDesc, nodesDesc, heldDesc,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	m := c.model
	m.mu.Lock()
	defer m.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(successDesc, truth(m.last.Result == Applied))
	gauge(timeDesc, seconds(m.applied.Began))
	for source, healthy := range m.sources {
		gauge(sourceDesc, truth(healthy), source)
	}
	for state, n := range m.nodesByState() {
		gauge(nodesDesc, float64(n), string(state))
	}
	for reason, n := range m.withheld() {
		gauge(heldDesc, float64(n), reason)
	}
	for t := range snapshot.NumTypes {
		gauge(entriesDesc, float64(m.resources(t)), t.String())
	}
	if m.generation != nil {
		gauge(infoDesc, 1, m.generation.Config.Hash)
		if at := m.generation.Config.Expiry(); !at.IsZero() {
			gauge(expiryDesc, seconds(at))
		}
	}
	for kind, n := range m.objects() {
		gauge(objectsDesc, float64(n), kind)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is t as Prometheus writes it, 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func (m *Model) nodesByState() map[xds.State]int {
	counts := map[xds.State]int{}
	for _, s := range states() {
		counts[s] = 0
	}
	for _, n := range m.nodes {
		counts[m.speaker(n).State]++
	}
	return counts
}

// withheld counts what Envoys are not given, by reason.
func (m *Model) withheld() map[string]int {
	counts := map[string]int{}
	for _, reason := range translate.NeedsAll.Words() {
		counts[reason] = 0
	}
	for _, n := range m.nodes {
		for _, w := range m.speaker(n).Withheld {
			counts[w.Reason]++
		}
	}
	return counts
}

func (m *Model) resources(t snapshot.Type) int {
	if m.generation == nil {
		return 0
	}
	return m.generation.Count(t)
}

// objects counts what the file in force is made of.
func (m *Model) objects() map[string]int {
	c := &config.Config{}
	if m.generation != nil {
		c = m.generation.Config
	}
	names := map[string]bool{}
	for _, l := range c.Listeners {
		names[l.Name] = true
	}
	return map[string]int{"listener": len(names), "backend": len(c.Backends), "group": len(c.Groups)}
}
