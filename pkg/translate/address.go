package translate

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// bindAddress is one port of b. [::] takes IPv4 clients too, on the same socket.
func bindAddress(p corev3.SocketAddress_Protocol, b *config.Bind, port uint16) *corev3.Address {
	if b.Path != "" {
		return pipeAddress(b.Path, uint32(b.Mode.Perm()))
	}
	return socketAddress(&corev3.SocketAddress{
		Protocol:      p,
		Address:       b.Address.String(),
		PortSpecifier: portValue(port),
		Ipv4Compat:    b.Address == netip.IPv6Unspecified(),
	})
}

// additionalAddresses are the further ports of a range. Each says for itself that [::] takes IPv4 clients: without it
// only the first port did.
func additionalAddresses(p corev3.SocketAddress_Protocol, b *config.Bind) []*listenerv3.AdditionalAddress {
	var list []*listenerv3.AdditionalAddress
	for i := range b.Last - b.Port {
		list = append(list, &listenerv3.AdditionalAddress{Address: bindAddress(p, b, b.Port+i+1)})
	}
	return list
}

// endpointAddress is where e is reached. Its protocol stays TCP also for UDP listeners, which do not look at it.
func endpointAddress(e *config.Endpoint) *corev3.Address {
	if e.Path != "" {
		return pipeAddress(e.Path, 0)
	}
	host := e.Host
	if host == "" {
		host = e.Address.String()
	}
	return socketAddress(&corev3.SocketAddress{Address: host, PortSpecifier: portValue(e.Port)})
}

func socketAddress(s *corev3.SocketAddress) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: s}}
}

// pipeAddress is a unix socket; mode 0 leaves the file mode to Envoy's umask.
func pipeAddress(path string, mode uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path, Mode: mode}}}
}

func portValue(port uint16) *corev3.SocketAddress_PortValue {
	return &corev3.SocketAddress_PortValue{PortValue: uint32(port)}
}
