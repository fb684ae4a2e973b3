package hostcheck

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// This file turns what a client and its server saw into words.

// finding is what all findings of s have.
func (s shot) finding() Finding {
	return Finding{Part: Traffic, Name: fmt.Sprintf("listener %s, %s to %s", s.listener.Name, s.listener.Protocol, s.to)}
}

func (s shot) skipped() Finding {
	f := s.finding()
	f.Name = fmt.Sprintf("listener %s, %s over %s", s.listener.Name, s.listener.Protocol, [2]string{"IPv4", "IPv6"}[s.family])
	f.Result, f.Message = finding.Skipped, s.skip
	return f
}

// judge says what o means.
func (s shot) judge(o outcome) Finding {
	f := s.finding()
	switch {
	case o.err != nil:
		return s.unconnected(f, o.err)
	case o.saw.IsValid():
		return s.seen(f, o)
	case s.listener.Protocol == config.UDP && o.closed > 0:
		f.Result, f.Message, f.Advice = finding.Failed, "refused: nothing takes the datagram", "see above whether the Envoy listens"
		return f
	case !s.real:
		return s.unseen(f, o)
	}
	return s.answered(f, o)
}

// unconnected says why there was no connection.
func (s shot) unconnected(f Finding, err error) Finding {
	f.Result = finding.Failed
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Message = "refused: nothing takes the connection"
		f.Advice = "see above whether the Envoy listens"
		if s.listener.Transparent != nil {
			f.Advice += ", and whether the rules lead to it"
		}
	case isTimeout(err):
		f.Message = "no answer to the connection"
		f.Advice = "what comes by the interface " + clientLink.name + " may be dropped by another rule of this host: see nft list ruleset"
	default:
		f.Message = "cannot be connected to: " + cause(err)
	}
	return f
}

// client is the address that the client of s has.
func (s shot) client() netip.Addr { return clientLink.there[s.family].Addr() }

// seen is for a stand-in that saw somebody.
func (s shot) seen(f Finding, o outcome) Finding {
	asClient := s.listener.Source == config.SourceClient
	switch {
	case asClient && o.saw.Addr() != s.client():
		f.Result, f.Message = finding.Failed, "the server does not see the client's address"
		f.Found, f.Expected = o.saw.Addr().String(), s.client().String()
	case o.answered == 0:
		f.Result, f.Message = finding.Failed, fmt.Sprintf("the server saw %s, and its answer did not come back", o.saw.Addr())
		f.Advice = "see the way back above: the rules of the chains sent and back, the rule for their mark and its table"
	case asClient:
		f.Result, f.Message = finding.OK, fmt.Sprintf("the server saw %s, the client, and its answer came back", o.saw.Addr())
	default:
		f.Result, f.Message = finding.OK, fmt.Sprintf("the server saw %s, and its answer came back", o.saw.Addr())
	}
	return f
}

// unseen is for a stand-in that is the only server, and saw nobody.
func (s shot) unseen(f Finding, o outcome) Finding {
	f.Result = finding.Failed
	f.Advice = "see above whether the Envoy has what it needs, and its access log for why it closes; it may hold its servers for unhealthy"
	switch {
	case o.answered > 0:
		f.Message = fmt.Sprintf("somebody else answered, with %s", count(o.answered, "byte"))
		f.Advice = "see whether the addresses of the servers are those of this host, or led elsewhere by its rules"
	case s.listener.Protocol == config.UDP:
		f.Message = "the datagram did not reach the server"
	case o.closed > 0:
		f.Message = fmt.Sprintf("closed after %s: the Envoy did not reach the server", span(o.closed))
	default:
		f.Message = "the connection is taken, and nothing reaches the server"
	}
	return f
}

// answered is for servers that are not ours.
func (s shot) answered(f Finding, o outcome) Finding {
	switch {
	case o.traced:
		f.Result, f.Message = finding.OK, fmt.Sprintf("the Envoy has a connection to its server from %s, the client", s.client())
	case o.answered > 0:
		f.Result, f.Message = finding.OK, fmt.Sprintf("%s came back", count(o.answered, "byte"))
	case s.listener.Protocol == config.UDP:
		f.Result, f.Message = finding.Unsure, fmt.Sprintf("nothing came back within %s; the server may have nothing to say", s.patience)
	case o.closed > 0:
		f.Result, f.Message = finding.Failed, fmt.Sprintf("closed after %s without a byte: the Envoy did not reach a server, or that closed it", span(o.closed))
		f.Advice = "see the access log of the Envoy"
	case s.traced():
		f.Result, f.Message = finding.Failed, fmt.Sprintf("taken, and the Envoy has no connection to its server from %s, the client", s.client())
		f.Advice = "see the way back above: the rules of the chains sent and back, the rule for their mark and its table"
	default:
		f.Result, f.Message = finding.OK, fmt.Sprintf("taken, and held for %s: the Envoy has a connection to a server", s.patience)
	}
	return f
}

// span is a duration as people read it.
func span(d time.Duration) string {
	if d < 100*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
