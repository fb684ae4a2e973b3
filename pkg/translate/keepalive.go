package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// listenerKeepalive is the keepalive of clients' connections. The further ports of a range inherit it; a unix socket has
// none, and Envoy would ignore it there.
func listenerKeepalive(l *config.Listener, b *config.Bind) *corev3.TcpKeepalive {
	if b.Path != "" {
		return nil
	}
	return tcpKeepalive(l.Keepalive)
}

// upstreamConnectionOptions is the keepalive of connections to endpoints. via is the tunnel whose far ends these are, or
// nil: HTTP/3 runs over UDP, which has none.
func upstreamConnectionOptions(k *config.Keepalive, via *config.Tunnel) *clusterv3.UpstreamConnectionOptions {
	if k == nil || via != nil && via.HTTP == config.HTTP3 {
		return nil
	}
	return &clusterv3.UpstreamConnectionOptions{TcpKeepalive: tcpKeepalive(k)}
}

func tcpKeepalive(k *config.Keepalive) *corev3.TcpKeepalive {
	if k == nil {
		return nil
	}
	return &corev3.TcpKeepalive{
		KeepaliveProbes:   number(k.Probes),
		KeepaliveTime:     seconds(k.Idle),
		KeepaliveInterval: seconds(k.Interval),
	}
}
