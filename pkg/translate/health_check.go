package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// healthChecks is the active check of a backend, none for nil. A check that only connects closes the connection at once.
func healthChecks(c *config.Check) []*corev3.HealthCheck {
	if c == nil {
		return nil
	}
	return []*corev3.HealthCheck{{
		Timeout:            duration(c.Timeout),
		Interval:           duration(c.TCP),
		NoTrafficInterval:  duration(c.TCP), // Envoy's own 60 s would find an idle backend's failure a minute late
		UnhealthyThreshold: number(c.Fall),
		HealthyThreshold:   number(c.Rise),
		HealthChecker:      &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{}},
	}}
}
