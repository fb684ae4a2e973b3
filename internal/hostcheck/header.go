package hostcheck

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// header is what a load balancer in front of a listener would say of a connection, in a version that p takes.
func header(p *config.ClientProxy, from, to netip.AddrPort) []byte {
	if len(p.Versions) == 0 || slices.Contains(p.Versions, config.ProxyV1) {
		family := "TCP4"
		if from.Addr().Is6() {
			family = "TCP6"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, from.Addr(), to.Addr(), from.Port(), to.Port())
	}
	const signature, version2, tcp4, tcp6 = "\r\n\r\n\x00\r\nQUIT\n", 0x21, 0x11, 0x21
	family := byte(tcp4)
	if from.Addr().Is6() {
		family = tcp6
	}
	addresses := slices.Concat(from.Addr().AsSlice(), to.Addr().AsSlice())
	addresses = binary.BigEndian.AppendUint16(addresses, from.Port())
	addresses = binary.BigEndian.AppendUint16(addresses, to.Port())
	head := append([]byte(signature), version2, family)
	return append(binary.BigEndian.AppendUint16(head, uint16(len(addresses))), addresses...)
}

// believes reports whether p takes the header of a client at an address.
func believes(p *config.ClientProxy, client netip.Addr) bool {
	return len(p.From) == 0 || slices.ContainsFunc(p.From, func(n config.Network) bool { return n.Contains(client) })
}
