package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/test/rig"
)

// world is what a generated configuration says.
type world struct {
	stanzas []stanza
	// groups is whether the file has the two groups.
	groups bool
}

// stanza is one listener of a world.
type stanza struct {
	name string
	// address is where it listens, endpoint where it goes, both host:port.
	address, endpoint string
	tcp, udp          bool
	// group is whom it is for; empty is everybody.
	group string
	// backend is the name under `backends:` that it goes to; empty means that the endpoint stands in the stanza.
	backend string
}

// The two groups of a world; measured Envoys are of the first.
const (
	edge = "edge"
	core = "core"
)

// space is a port on all the addresses of 127.SUBNET.0.0, so that many listeners need one free port only.
type space struct {
	subnet byte
	port   int
}

func newSpace(subnet byte) (space, error) {
	port, err := rig.Port()
	return space{subnet, port}, err
}

// address is the i-th address, host:port; i is at most 63,749.
func (s space) address(i int) string {
	host := net.IPv4(127, s.subnet, byte(i/250), byte(i%250+1))
	return net.JoinHostPort(host.String(), strconv.Itoa(s.port))
}

// mixedWorld has TCP and UDP listeners, half of them both and with a backend of their own, the others with a few
// backends between them; a fourth of the latter are for the other group.
func mixedWorld(n int, s space, endpoint string) *world {
	w := &world{groups: true}
	for i := range n {
		st := stanza{
			name: fmt.Sprintf("l%03d", i), address: s.address(i), endpoint: endpoint,
			tcp: i%4 != 1, udp: i%4 != 0, backend: fmt.Sprintf("shared%d", i%10), group: []string{"", edge}[i/4%2],
		}
		switch {
		case st.tcp && st.udp:
			st.backend = fmt.Sprintf("b%03d-0", i)
		case i/4%4 == 3:
			st.group = core
		}
		w.stanzas = append(w.stanzas, st)
	}
	return w
}

// plainWorld has n TCP listeners, each with an endpoint of its own in place.
func plainWorld(n int, s space, endpoint string) *world {
	w := &world{}
	for i := range n {
		w.stanzas = append(w.stanzas, stanza{
			name: fmt.Sprintf("l%05d", i), address: s.address(i), endpoint: endpoint, tcp: true,
		})
	}
	return w
}

// both are the stanzas with TCP and UDP.
func (w *world) both() []*stanza {
	var list []*stanza
	for i := range w.stanzas {
		if s := &w.stanzas[i]; s.tcp && s.udp {
			list = append(list, s)
		}
	}
	return list
}

// names are those of the clusters that an Envoy of the group edge is given.
func (w *world) names() []string {
	var list []string
	for _, s := range w.stanzas {
		if s.group != core {
			list = append(list, cmp.Or(s.backend, s.name))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// yaml is the file of l4xds.
func (w *world) yaml() string {
	var b strings.Builder
	b.WriteString("listeners:\n")
	endpoints := map[string]string{}
	var backends []string
	for _, s := range w.stanzas {
		fmt.Fprintf(&b, "  %s\n", s.yaml())
		if s.backend != "" && endpoints[s.backend] == "" {
			endpoints[s.backend] = s.endpoint
			backends = append(backends, s.backend)
		}
	}
	slices.Sort(backends)
	if len(backends) > 0 {
		b.WriteString("backends:\n")
	}
	for _, name := range backends {
		fmt.Fprintf(&b, "  %s: {endpoints: [%s]}\n", name, endpoints[name])
	}
	if w.groups {
		fmt.Fprintf(&b, "groups:\n  %s: {cluster: %[1]s}\n  %s: {cluster: %[2]s}\n", edge, core)
	}
	return b.String()
}

// yaml is the line of s.
func (s stanza) yaml() string {
	var keys []string
	if s.tcp {
		keys = append(keys, "tcp: "+s.address)
	}
	if s.udp {
		keys = append(keys, "udp: "+s.address)
	}
	if s.backend != "" {
		keys = append(keys, "to: "+s.backend)
	} else {
		keys = append(keys, "to: "+s.endpoint)
	}
	if s.group != "" {
		keys = append(keys, "nodes: "+s.group)
	}
	return s.name + ": {" + strings.Join(keys, ", ") + "}"
}

// json is the file of the stock control plane, which knows plain worlds only.
func (w *world) json() string {
	type address struct {
		Host string `json:"host"`
		Port int    `json:"port"`
	}
	type listener struct {
		Name     string  `json:"name"`
		Bind     address `json:"bind"`
		Endpoint address `json:"endpoint"`
	}
	split := func(text string) address {
		host, port, _ := net.SplitHostPort(text)
		number, _ := strconv.Atoi(port)
		return address{host, number}
	}
	var file struct {
		Listeners []listener `json:"listeners"`
	}
	for _, s := range w.stanzas {
		file.Listeners = append(file.Listeners, listener{s.name, split(s.address), split(s.endpoint)})
	}
	text, err := json.Marshal(file)
	if err != nil {
		panic(err) // plain texts and numbers
	}
	return string(text)
}
