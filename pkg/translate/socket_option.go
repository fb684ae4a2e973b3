package translate

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// Socket options have the numbers of Linux.
const (
	levelIP          = 0  // IPPROTO_IP
	levelIPv6        = 41 // IPPROTO_IPV6
	mtuDiscover      = 10 // IP_MTU_DISCOVER
	mtuDiscoverIPv6  = 23 // IPV6_MTU_DISCOVER
	splitWhatIsLarge = 1  // IP_PMTUDISC_WANT, IPV6_PMTUDISC_WANT
)

// splitting lets answers be larger than a packet, as Linux does unless it is told otherwise. Envoy tells it otherwise for the
// sockets of all UDP listeners, which is right for QUIC: answers that did not fit were lost
// (udp.NAME.downstream_sess_tx_errors). What is sent to servers is split anyhow.
func splitting(b *config.Bind) []*corev3.SocketOption {
	var list []*corev3.SocketOption
	if b.Address.Is4() || b.Address == netip.IPv6Unspecified() { // which takes IPv4 clients, too
		list = append(list, socketOption(levelIP, mtuDiscover))
	}
	if b.Address.Is6() {
		list = append(list, socketOption(levelIPv6, mtuDiscoverIPv6))
	}
	return list
}

// socketOption is set when the socket is bound: what Envoy sets by itself comes before.
func socketOption(level, name int64) *corev3.SocketOption {
	return &corev3.SocketOption{
		Level: level, Name: name,
		Value: &corev3.SocketOption_IntValue{IntValue: splitWhatIsLarge},
		State: corev3.SocketOption_STATE_BOUND,
	}
}
