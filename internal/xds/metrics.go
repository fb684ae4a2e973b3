package xds

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// metrics are what streams count. No label names a node or a stream: a fleet has no bound.
type metrics struct {
	streams   *prometheus.GaugeVec
	closes    *prometheus.CounterVec
	responses *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	acks      *prometheus.CounterVec
	nacks     *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	pushToAck prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "l4xds_xds_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "l4xds_xds_streams", Help: "Open ADS streams.",
		}, []string{"variant"}),
		closes:    counter("stream_closes_total", "ADS streams that ended, by reason.", "reason"),
		responses: counter("responses_total", "Discovery responses sent.", "type"),
		bytes:     counter("response_bytes_total", "Bytes of discovery responses sent, before transport encoding.", "type"),
		acks:      counter("acks_total", "Discovery responses that Envoys acknowledged.", "type"),
		nacks:     counter("nacks_total", "Discovery responses that Envoys refused.", "type"),
		dropped:   counter("requests_dropped_total", "Discovery requests that were ignored, by reason.", "reason"),
		pushToAck: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "l4xds_xds_push_to_ack_seconds",
			Help:    "Time from sending a discovery response to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
	}
	r.MustRegister(m.streams, m.closes, m.responses, m.bytes, m.acks, m.nacks, m.dropped, m.pushToAck)
	m.start()
	return m
}

// start makes the series of every type and variant exist from the beginning, so that rates see the first event.
func (m *metrics) start() {
	for _, v := range []Variant{SotW, Delta} {
		m.streams.WithLabelValues(string(v))
	}
	for t := range snapshot.NumTypes {
		for _, c := range []*prometheus.CounterVec{m.responses, m.bytes, m.acks, m.nacks} {
			c.WithLabelValues(t.String())
		}
	}
}

func (m *metrics) sent(s send) {
	m.responses.WithLabelValues(s.typ.String()).Inc()
	m.bytes.WithLabelValues(s.typ.String()).Add(float64(len(s.body)))
}

func (m *metrics) acked(a ack) {
	m.acks.WithLabelValues(a.typ.String()).Inc()
	m.pushToAck.Observe(a.took.Seconds())
}
