package hostcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// traffic sends something through each listener.
func (i *inspection) traffic() {
	if !i.Send {
		return
	}
	var shots []shot
	for _, l := range i.listeners() {
		if l.Transparent != nil || l.Source == config.SourceClient {
			shots = append(shots, i.shots(l)...)
		}
	}
	if len(shots) == 0 {
		return
	}
	s, err := newStage(i.ctx, i.host)
	if err != nil {
		i.say(Finding{
			Part: Traffic, Name: "client and stand-in", Result: finding.Failed, Message: "cannot be made: " + err.Error(),
			Advice: "this needs root and iproute2; two checks at the same time are in each other's way",
		})
		return
	}
	defer s.close()
	for n := range shots {
		if shots[n].family == 1 && !s.v6 {
			shots[n].skip = "this host has no IPv6"
		}
	}
	i.fireAll(s, shots)
}

// fireAll sends all of them, and says what happened. What a stand-in or the kernel shows is seen at once, and goes one after
// the other, so that it cannot be mistaken. Other servers take their time, and are waited for together.
func (i *inspection) fireAll(on *stage, shots []shot) {
	findings := make([]chan Finding, len(shots))
	for n, s := range shots {
		findings[n] = make(chan Finding, 1)
		if s.blind() {
			go func() { findings[n] <- i.fire(on, s) }()
		}
	}
	for n, s := range shots {
		if i.ctx.Err() == nil && !s.blind() {
			findings[n] <- i.fire(on, s)
		}
	}
	for n, s := range shots {
		if s.blind() || len(findings[n]) > 0 { // those that were fired, which all end with ctx
			if f := <-findings[n]; i.ctx.Err() == nil {
				i.say(f)
			}
		}
	}
}

// shot is one connection or datagram that goes through a listener.
type shot struct {
	listener *config.Listener
	// family is 0 for IPv4, 1 for IPv6.
	family int
	// to is what is dialled.
	to netip.AddrPort
	// servers are those in whose place the stand-in is; real is whether others may get it.
	servers []netip.AddrPort
	real    bool
	// sni is the name that a client of TLS asks for; speaks is whether the client speaks TLS at all.
	sni    string
	speaks bool
	// patience is how long the client waits for an answer, and until it believes that a silent connection holds.
	patience time.Duration
	// skip is why it cannot be tried.
	skip string
}

// blind reports whether nothing but the client can tell what became of s.
func (s shot) blind() bool {
	return s.skip == "" && s.real && !s.traced()
}

// traced reports whether the kernel shows the connection that the Envoy opens for s: it has the address of its client.
func (s shot) traced() bool {
	return s.listener.Protocol == config.TCP && s.listener.Source == config.SourceClient
}

// shots are those for a listener: one of each family.
func (i *inspection) shots(l *config.Listener) []shot {
	var list []shot
	for f := range families {
		n := slices.IndexFunc(l.Binds, func(b config.Bind) bool {
			return b.Path == "" && (b.Address.Is6() == (f == 1) || b.Address == netip.IPv6Unspecified())
		})
		if n >= 0 {
			list = append(list, i.aim(l, l.Binds[n], f))
		}
	}
	return list
}

// aim says what is dialled for l at b, and who gets it.
func (i *inspection) aim(l *config.Listener, b config.Bind, family int) shot {
	s := shot{listener: l, family: family, patience: i.Timeout}
	port := b.Port
	if l.Transparent != nil {
		port = l.Captured()[0].First
	}
	r := l.Routes[0]
	if r.Match != nil && len(r.Match.Port) > 0 {
		port = r.Match.Port[0].First
	}
	address := foreign[family]
	switch {
	case l.Transparent == nil && b.Address.IsLoopback():
		s.skip = "a client at another address cannot come to " + b.Address.String()
	case l.Transparent == nil && b.Address.IsUnspecified():
		address = clientLink.here[family].Addr()
	case l.Transparent == nil:
		address = b.Address
	case r.Original:
		address, s.skip = original(r, family)
	case r.Match != nil:
		for _, n := range slices.Backward(r.Match.Address) {
			if n.Addr().Is6() == (family == 1) {
				address = n.Addr()
			}
		}
	}
	if p := l.ProxyProtocol; p != nil && !believes(p, s.client()) && s.skip == "" {
		s.skip = fmt.Sprintf("a client at %s is not among those whose PROXY headers are believed", s.client())
	}
	s.to = netip.AddrPortFrom(address, port)
	s.sni, s.speaks = hello(l)
	i.serve(&s)
	return s
}

// original is an address that `to: original` of r may go to; with a reason why there is none that can be tried.
func original(r *config.Route, family int) (address netip.Addr, skip string) {
	for _, t := range r.Targets {
		switch {
		case t == config.Reach{}:
			return foreign[family], ""
		case t.Network.Addr().Is6() == (family == 1) && t.Network.IsSingleIP():
			return t.Network.Addr(), ""
		}
	}
	return netip.Addr{}, "of the networks in targets none is a single address, and who lives there is not known"
}

// hello is what a client of l has to say before a route is chosen.
func hello(l *config.Listener) (sni string, speaks bool) {
	for _, r := range l.Routes {
		if r.SNI != "" {
			sni = r.SNI
		} else if r.Match != nil && len(r.Match.SNI) > 0 {
			sni = string(r.Match.SNI[0])
		}
		if sni != "" {
			break
		}
	}
	return strings.Replace(sni, "*", "l4xds", 1), l.TLS != nil || sni != ""
}

// serve says which servers may get s.
func (i *inspection) serve(s *shot) {
	asClient := s.listener.Source == config.SourceClient
	if s.listener.Routes[0].Original {
		if asClient || s.to.Addr() == foreign[s.family] {
			s.servers = []netip.AddrPort{s.to}
		}
		s.real = len(s.servers) == 0 || i.host.has(s.to.Addr())
	}
	for _, r := range s.listener.Routes {
		for _, p := range r.To.Parts {
			for _, e := range p.Backend.Endpoints {
				i.serveBy(s, e, asClient)
			}
			if s.real && s.listener.Protocol == config.TCP { // an Envoy that reaches nobody tries again, and then closes
				s.patience = max(s.patience, min(longest, time.Duration(p.Backend.ConnectTimeout)*attempts(r)+time.Second))
			}
		}
	}
}

// longest is how long a connection is waited for at most.
const longest = 30 * time.Second

// attempts is how often an Envoy tries to connect.
func attempts(r *config.Route) time.Duration {
	if r.Request.Retry == nil {
		return 1
	}
	return time.Duration(r.Request.Retry.Attempts)
}

// serveBy notes that an endpoint may get s.
func (i *inspection) serveBy(s *shot, e config.Endpoint, asClient bool) {
	for _, a := range i.resolve(e) {
		switch {
		case !asClient || i.host.has(a):
			s.real = true
		case a.Is6() == (s.family == 1) && !slices.Contains(s.servers, netip.AddrPortFrom(a, e.Port)):
			s.servers = append(s.servers, netip.AddrPortFrom(a, e.Port))
		}
	}
}

// resolve are the addresses of an endpoint.
func (i *inspection) resolve(e config.Endpoint) []netip.Addr {
	if e.Host == "" {
		return []netip.Addr{e.Address}
	}
	ctx, cancel := i.limited()
	defer cancel()
	list, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", e.Host) // without it, the real one gets it
	for n := range list {
		list[n] = list[n].Unmap()
	}
	return list
}

// outcome is what a client has seen.
type outcome struct {
	// err is why there was no connection.
	err error
	// answered is how many bytes came back, and after how long the connection was closed; 0 if it was not.
	answered int
	closed   time.Duration
	// saw is who came to the stand-in; the zero AddrPort if nobody did.
	saw netip.AddrPort
	// traced is whether the Envoy has a connection to a server from the client's address.
	traced bool
}

// fire sends s, and says what happened.
func (i *inspection) fire(on *stage, s shot) Finding {
	if s.skip != "" {
		return s.skipped()
	}
	in, err := on.standIn(i.ctx, s.listener.Protocol, s.servers)
	if err != nil {
		f := s.finding()
		f.Result, f.Message = finding.Failed, "the stand-in for its servers cannot be made: "+err.Error()
		return f
	}
	defer in.close()
	var o outcome
	before := i.opened(s)
	enough := func() bool {
		o.traced = slices.ContainsFunc(i.opened(s), func(a netip.AddrPort) bool { return !slices.Contains(before, a) })
		return o.traced
	}
	var conn net.Conn
	dial := func() (err error) {
		d := net.Dialer{Timeout: i.Timeout}
		conn, err = d.DialContext(i.ctx, string(s.listener.Protocol), s.to.String())
		return err
	}
	if fromHost(s.listener) {
		o.err = dial()
	} else {
		o.err = on.client.do(dial)
	}
	if o.err == nil {
		o.exchange(i.ctx, conn, s, enough)
		_ = conn.Close()
	}
	o.saw, _ = in.first()
	return s.judge(o)
}

// greeting is what clients say.
const greeting = "l4xds kit verify\n"

// exchange speaks to whoever is behind conn until something comes back, the connection is closed, enough has been seen of it,
// or patience ends.
func (o *outcome) exchange(ctx context.Context, conn net.Conn, s shot, enough func() bool) {
	began := time.Now()
	end := began.Add(s.patience)
	_ = conn.SetDeadline(end)
	counted := &counter{Conn: conn}
	if p := s.listener.ProxyProtocol; p != nil {
		_, _ = conn.Write(header(p, conn.LocalAddr().(*net.TCPAddr).AddrPort(), s.to))
	}
	switch {
	case s.speaks:
		c := tls.Client(counted, &tls.Config{ServerName: s.sni, InsecureSkipVerify: true}) //nolint:gosec // nothing is told
		if c.HandshakeContext(ctx) == nil {
			_, _ = io.WriteString(c, greeting)
		}
	case s.listener.Protocol == config.UDP || !s.real:
		_, _ = io.WriteString(conn, greeting)
	}
	b := make([]byte, 1<<16)
	for counted.read == 0 && ctx.Err() == nil && time.Now().Before(end) {
		const tick = 50 * time.Millisecond
		_ = conn.SetReadDeadline(time.Now().Add(tick))
		_, err := counted.Read(b)
		if err != nil && !isTimeout(err) {
			o.closed = max(time.Since(began), time.Millisecond)
			break
		}
		if enough() {
			break
		}
	}
	o.answered = counted.read
}

// opened are the connections that the Envoy has to servers from the address of the client of s, where these tell something;
// by their addresses here.
func (i *inspection) opened(s shot) []netip.AddrPort {
	if !s.real || !s.traced() {
		return nil
	}
	var list []netip.AddrPort
	sockets, _ := i.host.sockets(config.TCP, stateEstablished) // that of the Envoy's listeners has said it
	for _, o := range sockets {
		if o.at.Addr().Unmap() == s.client() {
			list = append(list, o.at)
		}
	}
	return list
}

func isTimeout(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// counter counts what is read.
type counter struct {
	net.Conn
	read int
}

// Read implements net.Conn.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read += n
	return n, err
}
