package translate

import (
	"net/netip"
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	inputsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	ipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/ip/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

type predicate = xdsmatcherv3.Matcher_MatcherList_Predicate

// matcher takes routes of s in their order, each with what to do. A route that asks for nothing is the last.
func matcher(s *stanzaPlan, routes []routePlan, action func(routePlan) *xdscorev3.TypedExtensionConfig) *xdsmatcherv3.Matcher {
	m := &xdsmatcherv3.Matcher{}
	var list []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher
	add := func(p *predicate, then *xdsmatcherv3.Matcher_OnMatch) {
		list = append(list, &xdsmatcherv3.Matcher_MatcherList_FieldMatcher{Predicate: p, OnMatch: then})
	}
	for _, r := range routes {
		switch asked, within, then := conditions(r), reach(s, r), onMatch(action(r)); {
		case asked != nil && within != nil:
			add(both(asked, within), then)
			add(asked, onMatch(refusal()))
		case asked != nil || within != nil: // where nothing is asked, no match is what is not within
			add(both(asked, within), then)
		default:
			m.OnNoMatch = then
		}
	}
	if len(list) > 0 {
		m.MatcherType = &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{Matchers: list}}
	}
	return m
}

func onMatch(action *xdscorev3.TypedExtensionConfig) *xdsmatcherv3.Matcher_OnMatch {
	return &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{Action: action}}
}

// conditions hold where all of those of r do; nil where there are none. What costs least is looked at first.
func conditions(r routePlan) *predicate {
	m := r.route.Match
	if m == nil {
		return nil
	}
	return both(
		eachOf(m.Port, dialledPort), networks("address", &inputsv3.DestinationIPInput{}, m.Address, r.name), clients(m.From, r.name),
		peers(m.Peer, r.name), eachOf(m.FromPort, clientPort), eachOf(m.Transport, transport), eachOf(m.SNI, serverName),
		eachOf(m.ALPN, application),
	)
}

// both holds where each of these does that is there; nil where none is.
func both(some ...*predicate) *predicate {
	all := slices.DeleteFunc(some, func(p *predicate) bool { return p == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher{
		AndMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: all},
	}}
}

// reach holds where r may go to where the client was going; nil where it goes elsewhere. The listener's own ports are no
// place to go to: Envoy would call itself, again and again.
func reach(s *stanzaPlan, r routePlan) *predicate {
	if !r.original() {
		return nil
	}
	var targets []*predicate
	for _, t := range r.route.Targets {
		var network []config.Network
		if t.Network.IsValid() {
			network = []config.Network{t.Network}
		}
		var ports []config.Ports
		if t.Ports != (config.Ports{}) {
			ports = []config.Ports{t.Ports}
		}
		one := both(eachOf(ports, dialledPort), networks("target", &inputsv3.DestinationIPInput{}, network, r.name))
		if one == nil { // any
			targets = nil
			break
		}
		targets = append(targets, one)
	}
	var own []*predicate
	for _, b := range s.stanza.Binds {
		own = append(own, dialledPort(config.Ports{First: b.Port, Last: b.Last}))
	}
	return both(not(oneOf(own)), oneOf(targets))
}

func not(p *predicate) *predicate {
	return &predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher{NotMatcher: p}}
}

// eachOf holds where one of the values does; nil where there is none.
func eachOf[T any](values []T, holds func(T) *predicate) *predicate {
	var list []*predicate
	for _, v := range values {
		list = append(list, holds(v))
	}
	return oneOf(list)
}

func oneOf(list []*predicate) *predicate {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_OrMatcher{
		OrMatcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: list},
	}}
}

// texts holds where what is known of a connection matches. The name is for people.
func texts(name string, input proto.Message, match *xdsmatcherv3.StringMatcher) *predicate {
	return &predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   matchInput(name, input),
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: match},
		},
	}}
}

func matchInput(name string, m proto.Message) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{Name: name, TypedConfig: pack(m)}
}

func exactly(text string) *xdsmatcherv3.StringMatcher {
	return &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Exact{Exact: text}}
}

func dialledPort(p config.Ports) *predicate {
	return texts("port", &inputsv3.DestinationPortInput{}, ports(p))
}

func clientPort(p config.Ports) *predicate {
	return texts("from_port", &inputsv3.SourcePortInput{}, ports(p))
}

// ports matches the text of a port.
func ports(p config.Ports) *xdsmatcherv3.StringMatcher {
	if p.First == p.Last {
		return exactly(p.String())
	}
	return &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_SafeRegex{SafeRegex: &xdsmatcherv3.RegexMatcher{
		EngineType: &xdsmatcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &xdsmatcherv3.RegexMatcher_GoogleRE2{}},
		Regex:      numberPattern(int(p.First), int(p.Last)),
	}}}
}

// transport: Envoy calls raw_buffer what is not TLS.
func transport(t config.Transport) *predicate {
	word := "raw_buffer"
	if t == config.TransportTLS {
		word = "tls"
	}
	return texts("transport", &inputsv3.TransportProtocolInput{}, exactly(word))
}

func serverName(n config.ServerName) *predicate {
	input := &inputsv3.ServerNameInput{}
	switch {
	case n == anyTLS:
		return transport(config.TransportTLS)
	case n[0] == '*':
		return texts("sni", input, &xdsmatcherv3.StringMatcher{MatchPattern: &xdsmatcherv3.StringMatcher_Suffix{Suffix: string(n[1:])}})
	}
	return texts("sni", input, exactly(string(n)))
}

// application: Envoy has what a client offers as one text, 'h2','http/1.1', each protocol in its quotes.
func application(protocol string) *predicate {
	return texts("alpn", &inputsv3.ApplicationProtocolInput{}, &xdsmatcherv3.StringMatcher{
		MatchPattern: &xdsmatcherv3.StringMatcher_Contains{Contains: "'" + protocol + "'"},
	})
}

// loopback are the addresses that only clients on the same machine have.
var loopback = []config.Network{
	{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")},
}

// isLocal holds for a client with a loopback address, or with the address that it dialled. Envoy itself calls local, of
// all IPv4 loopback addresses, only 127.0.0.1.
func isLocal(owner string) *predicate {
	return oneOf([]*predicate{
		texts("from", &inputsv3.SourceTypeInput{}, exactly("local")), networks("from", &inputsv3.SourceIPInput{}, loopback, owner),
	})
}

// clients holds where a client is in one of the places.
func clients(from []config.Client, owner string) *predicate {
	var list []*predicate
	var in []config.Network
	for _, c := range from {
		switch c.Origin {
		case config.Local:
			list = append(list, isLocal(owner))
		case config.External:
			list = append(list, not(isLocal(owner)))
		default:
			in = append(in, config.Network{Prefix: c.Network})
		}
	}
	if p := networks("from", &inputsv3.SourceIPInput{}, in, owner); p != nil {
		list = append(list, p)
	}
	return oneOf(list)
}

// networks holds where an address is in one of them; nil where there is none. The owner is in the name of a counter for
// addresses that cannot be read.
func networks(name string, input proto.Message, in []config.Network, owner string) *predicate {
	if len(in) == 0 {
		return nil
	}
	ip := &ipv3.Ip{StatPrefix: statReplacer.Replace(owner), CidrRanges: ranges(in)}
	return &predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input: matchInput(name, input),
			Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_CustomMatch{
				CustomMatch: matchInput(ipMatcherName, ip),
			},
		},
	}}
}

func ranges(of []config.Network) []*corev3.CidrRange {
	list := make([]*corev3.CidrRange, len(of))
	for i, n := range of {
		list[i] = &corev3.CidrRange{AddressPrefix: n.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(n.Bits()))}
	}
	return list
}
