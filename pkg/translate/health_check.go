package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// healthChecks is the active check of a backend, none for nil. via is the tunnel whose far ends are checked, or nil. A
// check that only connects closes the connection at once.
func healthChecks(c *config.Check, via *config.Tunnel) []*corev3.HealthCheck {
	if c == nil {
		return nil
	}
	check := &corev3.HealthCheck{
		Timeout:            duration(c.Timeout),
		Interval:           duration(c.Interval()),
		NoTrafficInterval:  duration(c.Interval()), // Envoy's own 60 s would find an idle backend's failure a minute late
		UnhealthyThreshold: number(c.Fall),
		HealthyThreshold:   number(c.Rise),
		HealthChecker:      &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{}},
	}
	if c.HTTP != 0 {
		check.HealthChecker = &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: httpHealthCheck(via)}
	}
	return []*corev3.HealthCheck{check}
}

// httpHealthCheck takes whatever is no error of the server for a sign of life: an exit answers it with 404.
func httpHealthCheck(via *config.Tunnel) *corev3.HealthCheck_HttpHealthCheck {
	codec := typev3.CodecClientType_HTTP1
	if via != nil && via.HTTP == config.HTTP2 {
		codec = typev3.CodecClientType_HTTP2
	}
	return &corev3.HealthCheck_HttpHealthCheck{
		Path:             "/",
		CodecClientType:  codec,
		ExpectedStatuses: []*typev3.Int64Range{{Start: 200, End: 500}},
	}
}
