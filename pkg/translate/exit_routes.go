package translate

import (
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// orderedRoutes are the routes of `routes:` of an exit, and the rest within its targets. They stand in one virtual host:
// Envoy chooses that first, and does not come back to another.
func orderedRoutes(s *stanzaPlan) *routev3.VirtualHost {
	e := s.stanza.Exit
	host := &routev3.VirtualHost{Name: exitName(s.stanza), Domains: []string{"*"}}
	for _, r := range s.routes {
		var headers []*routev3.HeaderMatcher
		targets := e.Targets
		if r.route.RequestMatch != nil {
			targets, headers = r.route.RequestMatch.Targets, requestHeaders(r.route.RequestMatch.Headers)
		}
		if asked := askedFor(targets); asked != nil {
			headers = append([]*routev3.HeaderMatcher{asked}, headers...)
		}
		route := exitRoute(s, r, headers...)
		route.Name = r.name
		host.Routes = append(host.Routes, route)
	}
	return host
}

// askedFor matches what may be asked for; nil where that is anything.
func askedFor(allowed []config.Allowed) *routev3.HeaderMatcher {
	var patterns []string
	for _, a := range allowed {
		if a == (config.Allowed{}) {
			return nil
		}
		patterns = append(patterns, hostPattern(a)+":"+portPattern(a))
	}
	if len(patterns) == 0 {
		return nil
	}
	return authorityLike(strings.Join(patterns, "|"))
}

// requestHeaders match requests that have all of the headers.
func requestHeaders(all []config.HeaderMatch) []*routev3.HeaderMatcher {
	var list []*routev3.HeaderMatcher
	for _, h := range all {
		m := headerLike(h.Name, h.Values[0])
		if len(h.Values) > 1 {
			m = headerPattern(h.Name, likePattern(h.Values))
		}
		list = append(list, m)
	}
	return list
}

// headerLike matches a header whose value is this text, which may have a * at its ends.
func headerLike(name, text string) *routev3.HeaderMatcher {
	front, end := strings.HasPrefix(text, "*"), strings.HasSuffix(text, "*")
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "*"), "*")
	m := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: inner}}
	switch {
	case inner == "":
		return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}}
	case front && end:
		m.MatchPattern = &matcherv3.StringMatcher_Contains{Contains: inner}
	case front:
		m.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: inner}
	case end:
		m.MatchPattern = &matcherv3.StringMatcher_Prefix{Prefix: inner}
	}
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// likePattern matches the texts that are like one of these.
func likePattern(texts []string) string {
	patterns := make([]string, len(texts))
	for i, text := range texts {
		patterns[i] = strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`)
	}
	return strings.Join(patterns, "|")
}
