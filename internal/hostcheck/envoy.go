package hostcheck

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// envoy looks at the process: who it says that it is, whether it listens, and whether it may do what the listeners need.
func (i *inspection) envoy() {
	if len(i.listeners()) == 0 {
		return
	}
	v := &vitals{inspection: i, declares: true}
	v.node()
	owners, err := i.host.owners()
	if err != nil {
		i.say(Finding{Part: Envoy, Name: "processes", Result: finding.Failed, Message: "cannot be read: " + err.Error()})
	}
	v.owners = owners
	for _, protocol := range []config.Protocol{config.TCP, config.UDP} {
		sockets, err := i.host.listening(protocol)
		if err != nil {
			i.say(Finding{Part: Envoy, Name: "sockets of " + string(protocol), Result: finding.Failed, Message: "cannot be read: " + err.Error()})
			continue
		}
		for _, l := range i.listeners() {
			if l.Protocol == protocol {
				v.listener(l, sockets)
			}
		}
	}
	v.processes()
}

// vitals is what has been seen of one Envoy.
type vitals struct {
	*inspection
	owners map[uint64]*process
	// declares is whether the node declares the capability, or whether that is not known.
	declares bool
	// held are the listeners, by the processes that have them.
	held []holding
}

// holding is a process with what it listens for.
type holding struct {
	*process
	listeners []*config.Listener
}

// node asks the Envoy who it is.
func (v *vitals) node() {
	f := Finding{Part: Envoy, Name: "node at " + v.Admin, Result: finding.OK}
	ctx, cancel := v.limited()
	defer cancel()
	n, err := askNode(ctx, v.Admin)
	if err != nil {
		f.Result, f.Message = finding.Unsure, "what the Envoy says of itself cannot be seen: "+cause(err)
		f.Advice = "name the address of its admin interface with --admin"
		v.say(f)
		return
	}
	if n.ID != v.Node.ID {
		f.Result, f.Message, f.Found, f.Expected = finding.Failed, "is another node", n.ID, v.Node.ID
		f.Advice = "name it with --node id=" + n.ID + ", or the admin interface of the other with --admin"
		v.say(f)
		return
	}
	f.Message = "is " + n.ID
	v.say(f)
	if len(v.Kit.NetRaw) > 0 {
		v.declared(n)
	}
}

// declared says whether the node declares what l4xds asks for before it gives it such listeners.
func (v *vitals) declared(n *envoyNode) {
	var names []string
	for _, c := range n.capabilities() {
		names = append(names, string(c))
	}
	declared := strings.Join(names, ", ")
	f := Finding{Part: Envoy, Name: "declared capabilities", Result: finding.OK, Message: declared}
	if v.declares = declared != ""; !v.declares { // either of them suffices
		f.Result, f.Message = finding.Failed, "l4xds does not give it what needs a capability: "+strings.Join(v.Kit.NetRaw, ", ")
		f.Found, f.Expected = config.CapabilitiesKey+": []", config.CapabilitiesKey+": ["+string(config.NetRaw)+"]"
		f.Advice = "make its bootstrap again as follows, with the address of l4xds and its other flags, and start it with that:"
		f.Mend = fmt.Sprintf("l4xds bootstrap --node-id %s --cluster %s --xds HOST:PORT --capability %s", n.ID, n.Cluster, config.NetRaw)
	}
	v.say(f)
}

// listener says for each address of l who listens there.
func (v *vitals) listener(l *config.Listener, sockets []socket) {
	for _, b := range l.Binds {
		if b.Path == "" {
			v.bind(l, b, sockets)
		}
	}
}

func (v *vitals) bind(l *config.Listener, b config.Bind, sockets []socket) {
	f := Finding{Part: Envoy, Name: fmt.Sprintf("listener %s, %s %s", l.Name, l.Protocol, at(b)), Result: finding.OK}
	listens := map[uint16]bool{}
	var holders []*process
	for _, s := range sockets {
		if s.at.Addr() != b.Address || s.at.Port() < b.Port || s.at.Port() > b.Last {
			continue
		}
		listens[s.at.Port()] = true
		if p := v.owners[s.inode]; p != nil && !slices.Contains(holders, p) {
			holders = append(holders, p)
		}
	}
	for port := int(b.Port); port <= int(b.Last); port++ {
		if !listens[uint16(port)] {
			f.Result, f.Message, f.Advice = finding.Failed, fmt.Sprintf("nothing listens on port %d", port), v.whySilent(l)
			v.say(f)
			return
		}
	}
	if len(holders) == 0 {
		f.Result, f.Message, f.Advice = finding.Failed, "somebody listens, and who cannot be seen", "run this as root"
		v.say(f)
		return
	}
	names := make([]string, len(holders))
	for n, p := range holders {
		names[n] = p.String()
		v.holds(p, l)
	}
	f.Message = strings.Join(names, ", ") + " listens"
	if !slices.ContainsFunc(holders, func(p *process) bool { return strings.Contains(p.name, "envoy") }) {
		f.Result, f.Advice = finding.Unsure, "see whether that is an Envoy"
	}
	v.say(f)
}

// at is an address as it is written in the file.
func at(b config.Bind) string {
	if b.Address.Is6() {
		return "[" + b.Address.String() + "]:" + b.Ports()
	}
	return b.Address.String() + ":" + b.Ports()
}

// holds notes that p has a listener.
func (v *vitals) holds(p *process, l *config.Listener) {
	n := slices.IndexFunc(v.held, func(h holding) bool { return h.process == p })
	if n < 0 {
		n, v.held = len(v.held), append(v.held, holding{process: p})
	}
	if !slices.Contains(v.held[n].listeners, l) {
		v.held[n].listeners = append(v.held[n].listeners, l)
	}
}

// whySilent is what may keep an Envoy from listening.
func (v *vitals) whySilent(l *config.Listener) string {
	if l.NeedsNetRaw() && !v.declares {
		return "the Envoy is not given it, as said above"
	}
	return "see whether the Envoy runs and follows l4xds, and whether /status of l4xds says that it refused the listener"
}

// processes says whether the processes that hold the listeners may do what these need.
func (v *vitals) processes() {
	for _, h := range v.held {
		if names := h.names((*config.Listener).NeedsNetRaw); names != "" {
			v.privileges(h.process, names)
		}
		if names := h.names(fromHost); names != "" {
			v.user(h.process, names)
		}
	}
}

func fromHost(l *config.Listener) bool {
	return l.Transparent != nil && l.Transparent.From == config.FromHost
}

// names are those of the listeners of which something holds.
func (h holding) names(are func(*config.Listener) bool) string {
	var names []string
	for _, l := range h.listeners {
		if are(l) && !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, ", ")
}

// privileges says whether p has one of the capabilities that listeners need.
func (v *vitals) privileges(p *process, listeners string) {
	f := Finding{Part: Envoy, Name: "capabilities of " + p.String(), Result: finding.OK, Message: privileges(p)}
	if !p.mayBeTransparent() {
		f.Result, f.Message = finding.Failed, "lacks what it needs to use addresses that are not the host's"
		f.Found, f.Expected = privileges(p), "CAP_NET_RAW or CAP_NET_ADMIN"
		f.Why = "each connection of these listeners is closed, and their sessions are dropped: " + listeners
		f.Advice = "start it again with the capability: AmbientCapabilities=CAP_NET_RAW of systemd, or that of the file:"
		f.Mend = "setcap cap_net_raw+ep " + p.path
	}
	v.say(f)
}

// privileges are those capabilities of p that matter here.
func privileges(p *process) string {
	switch raw, admin := p.capabilities>>capNetRaw&1 == 1, p.capabilities>>capNetAdmin&1 == 1; {
	case raw && admin:
		return "CAP_NET_RAW and CAP_NET_ADMIN"
	case raw:
		return "CAP_NET_RAW"
	case admin:
		return "CAP_NET_ADMIN"
	}
	return "neither CAP_NET_RAW nor CAP_NET_ADMIN"
}

// user says whether p runs as the user whose connections are not captured.
func (v *vitals) user(p *process, listeners string) {
	f := Finding{Part: Envoy, Name: "user of " + p.String(), Result: finding.OK, Message: "its own connections are not captured"}
	if want := userID(v.Kit.EnvoyUser); want != strconv.Itoa(p.user) {
		f.Result, f.Message = finding.Failed, "its own connections are captured, and it calls itself"
		f.Found, f.Expected = strconv.Itoa(p.user), want
		f.Why = "these listeners capture what the host's programs send, but for that user: " + listeners
		f.Advice = "run it as that user, or make the kit for its own, if no other program runs as that"
	}
	v.say(f)
}

// userID is the number of a user who is named, or given by number.
func userID(name string) string {
	if u, err := user.Lookup(name); err == nil {
		return u.Uid
	}
	return name
}
