package config

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// visitor is what is known of one connection.
type visitor struct {
	from, to netip.AddrPort
	// peer is who connects; where no header tells who the client is, that is the client.
	peer netip.Addr
	tls  bool
	sni  string
	alpn []string
}

// has reports whether v is what m asks for.
func (v visitor) has(m *Match) bool {
	local := v.from.Addr().IsLoopback() || v.from.Addr() == v.to.Addr()
	port := func(p Ports, port uint16) bool { return p.First <= port && port <= p.Last }
	return someOf(m.Port, func(p Ports) bool { return port(p, v.to.Port()) }) &&
		someOf(m.FromPort, func(p Ports) bool { return port(p, v.from.Port()) }) &&
		someOf(m.Address, func(n Network) bool { return n.Contains(v.to.Addr()) }) &&
		someOf(m.From, func(c Client) bool {
			return c.Origin == Local && local || c.Origin == External && !local || c.Origin == "" && c.Network.Contains(v.from.Addr())
		}) &&
		someOf(m.Peer, func(n Network) bool { return n.Contains(v.peer) }) &&
		someOf(m.Transport, func(t Transport) bool { return (t == TransportTLS) == v.tls }) &&
		someOf(m.SNI, func(n ServerName) bool {
			return v.tls && (n == "*" || string(n) == v.sni || n[0] == '*' && strings.HasSuffix(v.sni, string(n[1:])))
		}) &&
		someOf(m.ALPN, func(name string) bool { return v.tls && slices.Contains(v.alpn, name) })
}

// some is a few of the choices, none of them more often than not.
func some[T any](r *rand.Rand, choices ...T) []T {
	if r.IntN(3) > 0 {
		return nil
	}
	var list []T
	for range 1 + r.IntN(3) {
		list = append(list, choices[r.IntN(len(choices))])
	}
	return list
}

func randomMatch(r *rand.Rand) *Match {
	network := func(text string) Network { return Network{netip.MustParsePrefix(text)} }
	in := func(text string) Client { return Client{Network: netip.MustParsePrefix(text)} }
	return &Match{
		SNI:       some[ServerName](r, "*", "a.x", "*.x", "*.b.x", "c.b.x"),
		ALPN:      some(r, "h2", "h3"),
		From:      some(r, Client{Origin: Local}, Client{Origin: External}, in("0.0.0.0/0"), in("::/0"), in("127.0.0.0/8"), in("10.0.0.0/31"), in("10.0.0.0/32"), in("10.0.0.1/32"), in("0.0.0.0/1"), in("128.0.0.0/1")),
		Peer:      some(r, network("10.0.0.0/31"), network("10.0.0.1/32"), network("0.0.0.0/0"), network("::/0"), network("10.0.0.0/8")),
		FromPort:  some(r, Ports{1, 65535}, Ports{1, 2}, Ports{3, 65535}, Ports{2, 2}),
		Port:      some(r, Ports{1, 2}, Ports{2, 3}, Ports{3, 3}, Ports{1, 9}),
		Address:   some(r, network("10.0.0.0/31"), network("10.0.0.1/32"), network("0.0.0.0/0"), network("::/0"), network("127.0.0.1/32")),
		Transport: some(r, TransportTLS, TransportPlain),
	}
}

// TestCovers: where one route is said to take all that another would, no connection is found that only the other takes;
// and where a route is said to be taken by none at all, none.
func TestCovers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	binds := [][]Bind{
		{{Address: netip.MustParseAddr("0.0.0.0"), Port: 1, Last: 3}},
		{{Address: netip.MustParseAddr("::"), Port: 1, Last: 2}},
		{{Address: netip.MustParseAddr("10.0.0.1"), Port: 1, Last: 1}, {Address: netip.MustParseAddr("127.0.0.1"), Port: 3, Last: 3}},
	}
	captures := []*Transparent{nil, {Mode: TProxy, Ports: []Ports{{3, 4}, {9, 9}}}, {Mode: Redirect}}
	proxies := []*ClientProxy{
		nil, nil, {Mode: ProxyRequire}, {Mode: ProxyOptional}, {Mode: ProxyRequire, From: []Network{{netip.MustParsePrefix("10.0.0.0/31")}}},
	}
	pick := func(texts ...string) netip.Addr { return netip.MustParseAddr(texts[r.IntN(len(texts))]) }
	covered, distinct, rounds := 0, 0, 20000
	if raced {
		rounds = 4000
	}
	for range rounds {
		l := &Listener{Protocol: TCP, Binds: binds[r.IntN(len(binds))], Transparent: captures[r.IntN(len(captures))]}
		a, b := randomMatch(r), randomMatch(r)
		if l.ProxyProtocol = proxies[r.IntN(len(proxies))]; l.ProxyProtocol == nil {
			a.Peer, b.Peer = nil, nil // an error is said of them
		}
		spots := l.spots()
		says, empty := a.covers(b, spots), !slices.ContainsFunc(spots, func(s spot) bool { return s.takes(b) })
		onlyB := false
		for range 60 {
			bind := l.Binds[r.IntN(len(l.Binds))]
			v := visitor{tls: r.IntN(3) > 0}
			lies := l.ProxyProtocol != nil && r.IntN(2) == 0
			to := bind.Address
			if to.IsUnspecified() || l.Transparent != nil && bind.Address.Is4() {
				to = pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1", "200.0.0.1")
			}
			from := pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1", "127.0.0.9", "200.0.0.1")
			v.peer = pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "11.0.0.1")
			if bind.Address.Is6() && r.IntN(2) == 0 {
				v.peer = pick("2001:db8::1", "::1")
			}
			if l.ProxyProtocol != nil && l.ProxyProtocol.From != nil && !l.ProxyProtocol.From[0].Contains(v.peer) {
				continue // refused
			}
			if lies {
				to = pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1", "200.0.0.1")
			}
			if (bind.Address.Is6() || lies) && r.IntN(2) == 0 {
				to, from = pick("2001:db8::1", "::1"), pick("2001:db8::1", "2001:db8::2", "::1")
			}
			dialled := Ports{bind.Port, bind.Last}
			if all := append(l.Captured(), dialled); l.Transparent != nil {
				dialled = all[r.IntN(len(all))]
			}
			if lies {
				dialled = Ports{1, 10}
			}
			v.to = netip.AddrPortFrom(to, dialled.First+uint16(r.IntN(int(dialled.Last-dialled.First)+1)))
			v.from = netip.AddrPortFrom(from, []uint16{1, 2, 3, 40000}[r.IntN(4)])
			if v.tls {
				v.sni = []string{"", "a.x", "x", "b.x", "c.b.x", "d.b.x", "y"}[r.IntN(7)]
				v.alpn = [][]string{nil, {"h2"}, {"h3", "h4"}, {"h2", "h3"}}[r.IntN(4)]
			}
			if v.has(b) && empty {
				t.Fatalf("%+v is at none of %v, it is said, but takes %+v", *b, l.Binds, v)
			}
			if v.has(b) && !v.has(a) {
				onlyB = true
				if says {
					t.Fatalf("at %v %+v takes all of %+v, it is said, but not %+v", l.Binds, *a, *b, v)
				}
			}
		}
		if says && !empty {
			covered++
		}
		if onlyB {
			distinct++
		}
	}
	t.Logf("%d pairs are covered, %d are not for sure", covered, distinct)
	if covered < rounds/40 || distinct < rounds/4 {
		t.Errorf("%d pairs are covered, %d are not for sure: the choices say little", covered, distinct)
	}
}
