package admin

import (
	"strconv"

	"github.com/l4xds/l4xds/pkg/config"
)

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

// proxyProtocol is `proxy_protocol` of a backend, an endpoint or the target of a tunnel.
func proxyProtocol(p *config.ProxyProtocol) string {
	if p == nil {
		return "none"
	}
	pairs := []string{"version", string(p.Version)}
	if len(p.TLVs) > 0 {
		var texts []string
		for _, t := range p.TLVs {
			texts = append(texts, t.Type.String(), strconv.Quote(t.Text))
		}
		pairs = append(pairs, "tlvs", flow(texts...))
	}
	switch {
	case p.Pass.All:
		pairs = append(pairs, "pass", "all")
	case !p.Pass.None():
		pairs = append(pairs, "pass", list(quoted(p.Pass.Types)))
	}
	return flow(pairs...)
}
