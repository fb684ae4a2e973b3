package watch

import "github.com/prometheus/client_golang/prometheus"

// metrics count what the watcher hears.
type metrics struct {
	events prometheus.Counter
	errors prometheus.Counter
	mode   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "l4xds_watch_events_total",
			Help: "File system events heard in the watched directories.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "l4xds_watch_errors_total",
			Help: "Failures to watch: a directory that could not be watched, or events that were lost.",
		}),
		mode: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "l4xds_watch_mode",
			Help: "1 for the way in which changes of the files are noticed: auto (events and polling), events, poll or off.",
		}, []string{"mode"}),
	}
	reg.MustRegister(m.events, m.errors, m.mode)
	return m
}

// in sets the mode that is in use.
func (m metrics) in(mode Mode) {
	m.mode.Reset()
	m.mode.WithLabelValues(string(mode)).Set(1)
}
