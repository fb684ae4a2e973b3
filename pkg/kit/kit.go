// Package kit makes the rules that the kernel of a host needs beside Envoy: to capture traffic for transparent listeners, and
// to bring back the answers to those whose servers see the client's address.
//
//	config.Load -> *config.Config -> kit.For(config, node) -> *Kit -> nft, iptables, a script, a systemd unit
//
// The package knows the model of the file and the kernel. It does not know Envoy's protos, and it changes no kernel: it
// prints.
package kit

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/l4xds/l4xds/pkg/config"
)

// Names and numbers that the kernel's parts have. They are promises: other rules of a host may refer to them.
const (
	// Table is the nft table, of the family inet.
	Table = "l4xds"
	// Mark is the mark of packets that came in and are to be delivered on this host, whatever their destination; in conntrack
	// it is that of connections whose answers are.
	Mark = 0x4c
	// TurnedMark is the mark of packets that were sent on this host and are turned back to it; in conntrack it is that of
	// captured connections of this host's own programs.
	TurnedMark = 0x4d
	// RouteTable is the routing table in which marked packets are looked up, and the priority of the last rule that says so;
	// the others have those just before it.
	RouteTable = 4404
	// RouteProtocol says of a route in the table local that the kit made it.
	RouteProtocol = 76
)

// Side is the host that a kit is for.
type Side string

// The sides.
const (
	EnvoySide  Side = "envoy"
	ServerSide Side = "server"
)

// Options are what the file does not say.
type Options struct {
	// Side is the host that the kit is for; empty for Envoy's.
	Side Side
	// EnvoyUser is the user that Envoy runs as, a number or a name, whose traffic is never captured. Needed if a listener
	// captures from the host itself.
	EnvoyUser string
	// Envoy is the address of Envoy's host as the servers see it, one of each family at most. Needed for the server's side.
	Envoy []netip.Addr
}

// Kit is what the kernel of one host needs for the listeners of one node. The zero Kit is nothing.
type Kit struct {
	// Side is the host that it is for.
	Side Side
	// Listeners are the names of the listeners and backends that need it, sorted.
	Listeners []string
	// NetRaw are those of them whose Envoy needs CAP_NET_RAW or CAP_NET_ADMIN, sorted.
	NetRaw []string
	// EnvoyUser is the user that Envoy runs as; empty where it does not matter.
	EnvoyUser string

	// Captures are what is captured: sorted, each port of a protocol and family once.
	Captures []Capture
	// Back is whether answers to what Envoy began from addresses that the host does not have come back to it.
	Back bool
	// V4 and V6 are the families in which packets are marked.
	V4, V6 bool
	// Guard is whether datagrams to Envoy's sessions that nobody asked for are dropped.
	Guard bool
	// Localnet is whether servers on 127.0.0.0/8 answer to foreign addresses.
	Localnet bool
	// Addresses are those that Envoy sends from and the host does not have, sorted.
	Addresses []netip.Addr

	// Answers are the ports whose answers go back by Envoy's host: the kit of the server's side, which has nothing else.
	Answers []Answer
	// Envoy is the address of Envoy's host, for Answers.
	Envoy []netip.Addr
}

// For is the kit of a host for what c has for the node n. All capabilities are taken for granted.
func For(c *config.Config, n config.Node, o Options) (*Kit, error) {
	var listeners []*config.Listener
	for _, l := range c.Listeners {
		if l.Audience.Match(n) {
			listeners = append(listeners, l)
		}
	}
	if o.Side == ServerSide {
		return forServer(listeners, o)
	}
	return forEnvoy(listeners, o)
}

func forEnvoy(listeners []*config.Listener, o Options) (*Kit, error) {
	k := &Kit{Side: EnvoySide, Captures: captures(listeners)}
	var err error
	if k.EnvoyUser, err = k.user(o.EnvoyUser); err != nil {
		return nil, err
	}
	for _, capture := range k.Captures {
		if capture.Mode == config.TProxy {
			k.marks(capture.V6)
		}
		// Linux may forget a session before Envoy does. If Envoy then speaks first, what the client sends is an answer.
		k.Back = k.Back || capture.udpAsItIs()
	}
	for _, l := range listeners {
		k.add(l)
	}
	k.sort()
	return k, nil
}

// add adds what l needs beside its captures.
func (k *Kit) add(l *config.Listener) {
	if l.Transparent != nil {
		k.Listeners = append(k.Listeners, l.Name)
	}
	if l.NeedsNetRaw() {
		k.NetRaw = append(k.NetRaw, l.Name)
	}
	if l.Source == config.SourceClient {
		k.Listeners = append(k.Listeners, l.Name)
		k.Back = true
		k.Guard = k.Guard || l.Protocol == config.UDP
		for _, b := range l.Binds {
			for _, v6 := range families(b) {
				k.marks(v6)
			}
		}
		if l.ProxyProtocol != nil { // a header may tell of a client of either family
			k.marks(false)
			k.marks(true)
		}
		k.Localnet = k.Localnet || slices.ContainsFunc(l.Backends(), onLocalnet)
	}
	for _, b := range l.Backends() {
		if b.Source != nil && b.Source.Freebind {
			k.Listeners = append(k.Listeners, l.Name)
			for _, a := range b.Source.Address {
				k.Addresses = append(k.Addresses, a.Addr)
			}
		}
	}
}

// marks says that packets of a family are marked.
func (k *Kit) marks(v6 bool) {
	k.V4, k.V6 = k.V4 || !v6, k.V6 || v6
}

func (k *Kit) sort() {
	slices.Sort(k.Listeners)
	slices.Sort(k.NetRaw)
	slices.SortFunc(k.Addresses, netip.Addr.Compare)
	k.Listeners, k.NetRaw, k.Addresses = slices.Compact(k.Listeners), slices.Compact(k.NetRaw), slices.Compact(k.Addresses)
}

// ErrNoEnvoyUser says that the user that Envoy runs as must be known.
var ErrNoEnvoyUser = errors.New("what programs of the host itself send is captured, and what Envoy sends must not be: its user is not known")

var userName = regexp.MustCompile(`^([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*)$`)

// user is Envoy's user where it matters.
func (k *Kit) user(name string) (string, error) {
	fromHost := slices.ContainsFunc(k.Captures, func(c Capture) bool { return c.From == config.FromHost })
	switch {
	case !fromHost:
		return "", nil
	case name == "":
		return "", ErrNoEnvoyUser
	case !userName.MatchString(name):
		return "", fmt.Errorf("%q is neither the number nor the name of a user", name)
	}
	return name, nil
}

// onLocalnet reports whether some endpoint of b is on 127.0.0.0/8.
func onLocalnet(b *config.Backend) bool {
	return slices.ContainsFunc(b.Endpoints, func(e config.Endpoint) bool {
		return e.Host == "localhost" || e.Address.Is4() && e.Address.IsLoopback()
	})
}

// Capture is traffic of one protocol and family that is taken to one listener.
type Capture struct {
	Protocol config.Protocol
	Mode     config.CaptureMode
	From     config.CaptureFrom
	// V6 is whether it is IPv6.
	V6 bool
	// Ports are the ports that are captured, sorted.
	Ports []config.Ports
	// Address is that of the listener, unspecified for all of the host.
	Address netip.Addr
	// Port is that of the listener; 0 if it is the captured port.
	Port uint16
	// Listeners are the names of the listeners, sorted.
	Listeners []string
}

// Answer is the port of servers whose answers go back by Envoy's host.
type Answer struct {
	Protocol config.Protocol
	V6       bool
	Ports    config.Ports
}

// Empty reports whether nothing is needed.
func (k *Kit) Empty() bool {
	return len(k.Captures) == 0 && !k.Back && len(k.Addresses) == 0 && len(k.Answers) == 0
}
