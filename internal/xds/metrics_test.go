package xds

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

// TestMetricsFollowTheRules of Prometheus for names, help and units.
func TestMetricsFollowTheRules(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	m.closes.WithLabelValues("client").Inc()
	m.dropped.WithLabelValues("stale_nonce").Inc()
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetricsExistFromTheStart: a rate over a series that begins with its first event does not see that event.
func TestMetricsExistFromTheStart(t *testing.T) {
	registry := prometheus.NewRegistry()
	newMetrics(registry)
	for name, want := range map[string]int{
		"l4xds_xds_streams": 2, "l4xds_xds_responses_total": 5, "l4xds_xds_response_bytes_total": 5,
		"l4xds_xds_acks_total": 5, "l4xds_xds_nacks_total": 5, "l4xds_xds_push_to_ack_seconds": 1,
	} {
		got, err := testutil.GatherAndCount(registry, name)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s has %d series from the start, want %d", name, got, want)
		}
	}
}

func TestMetricsCount(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	m.sent(send{typ: snapshot.EDS, body: make([]byte, 7)})
	m.sent(send{typ: snapshot.EDS, body: make([]byte, 3)})
	m.acked(ack{typ: snapshot.EDS, took: time.Second})
	for _, c := range []struct {
		metric prometheus.Collector
		want   float64
	}{
		{m.responses.WithLabelValues("eds"), 2},
		{m.bytes.WithLabelValues("eds"), 10},
		{m.acks.WithLabelValues("eds"), 1},
		{m.acks.WithLabelValues("cds"), 0},
	} {
		if got := testutil.ToFloat64(c.metric); got != c.want {
			t.Errorf("a counter is at %v, want %v", got, c.want)
		}
	}
}
