package admin

import "github.com/l4xds/l4xds/pkg/config"

// clientProxy is `proxy_protocol` of a listener.
func clientProxy(p *config.ClientProxy) string {
	pairs := []string{"mode", string(p.Mode)}
	if len(p.From) > 0 {
		pairs = append(pairs, "from", list(quoted(p.From)))
	}
	if len(p.Versions) > 0 {
		pairs = append(pairs, "versions", list(quoted(p.Versions)))
	}
	return flow(pairs...)
}
