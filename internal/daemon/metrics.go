package daemon

import "github.com/prometheus/client_golang/prometheus"

// newPanics counts the panics that did not end the daemon.
func newPanics(registry prometheus.Registerer) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "l4xds_panics_recovered_total",
		Help: "Reloads that were lost to a mistake in l4xds itself; please report it with the log.",
	})
	registry.MustRegister(c)
	return c
}
