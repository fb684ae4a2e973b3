package admin

import (
	"strconv"

	"github.com/l4xds/l4xds/pkg/config"
)

// transparent writes what l says of captured traffic, of the client's address, and of addresses that are not there.
func (w *yamlWriter) transparent(depth int, l *config.Listener) {
	if l.Source != "" {
		w.key(depth, "source", string(l.Source))
	}
	if t := l.Transparent; t != nil {
		pairs := []string{"mode", string(t.Mode), "from", string(t.From)}
		if len(t.Ports) > 0 {
			pairs = append(pairs, "ports", texts(t.Ports))
		}
		w.key(depth, "transparent", flow(pairs...))
	}
	if l.Freebind {
		w.key(depth, "freebind", "true")
	}
}

// original writes how the original destination is reached.
func (w *yamlWriter) original(depth int, b *config.Backend) {
	w.key(depth, "endpoints", "original")
	w.key(depth, "timeouts", flow("connect", b.ConnectTimeout.String()))
	w.key(depth, "keepalive", keepalive(b.Keepalive))
	if b.Source != nil {
		w.key(depth, "source", source(b.Source))
	}
	if b.ProxyProtocol != nil {
		w.key(depth, "proxy_protocol", proxyProtocol(b.ProxyProtocol))
	}
}

func source(s *config.BackendSource) string {
	pairs := []string{"address", texts(s.Address)}
	if s.Freebind {
		pairs = append(pairs, "freebind", "true")
	}
	return flow(pairs...)
}

// texts is a list of values as they are written.
func texts[T interface{ String() string }](all []T) string {
	quoted := make([]string, len(all))
	for i, x := range all {
		quoted[i] = strconv.Quote(x.String())
	}
	return list(quoted)
}
