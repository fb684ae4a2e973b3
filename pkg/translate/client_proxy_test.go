package translate_test

import (
	"slices"
	"strings"
	"testing"

	setstatefilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	"google.golang.org/protobuf/proto"
)

// TestListenerFilters: where the client was going is known first, then what its header says, then its TLS hello; and the last one
// takes the client's address, which is then that of the header.
func TestListenerFilters(t *testing.T) {
	t.Parallel()
	r := resources(t, `
listeners:
  all: {tcp: 10001, transparent: {mode: tproxy, ports: 443}, proxy_protocol: require, source: client, sni: {a.example.com: 10.0.0.1:443}}
  told: {tcp: 10002, proxy_protocol: require, source: client, to: 10.0.0.1:1}
`)
	for name, want := range map[string][]string{
		"tcp/0.0.0.0:10001": {
			"envoy.filters.listener.original_dst", "envoy.filters.listener.proxy_protocol", "envoy.filters.listener.tls_inspector",
			"envoy.filters.listener.original_src",
		},
		"tcp/0.0.0.0:10002": {"envoy.filters.listener.proxy_protocol", "envoy.filters.listener.original_src"},
	} {
		l := listenerOf(t, r, name)
		var got []string
		for _, f := range l.GetListenerFilters() {
			got = append(got, f.GetName())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the filters are %v, want %v", name, got, want)
		}
		if l.GetListenerFiltersTimeout().GetSeconds() != 5 {
			t.Errorf("%s: clients that say nothing have %v", name, l.GetListenerFiltersTimeout())
		}
	}
}

// TestChainsOfTold: a filter chain makes the texts of operators for all servers that it leads to, each once, and changes with them
// alone, whatever else is in a header.
func TestChainsOfTold(t *testing.T) {
	t.Parallel()
	const text = `
listeners: {split: {tcp: 1, to: {a: 1, b: 1}}, other: {tcp: 2, to: c}}
backends:
  a: {endpoints: 10.0.0.1:1, proxy_protocol: {version: v2, tlvs: {0xE0: "%HOSTNAME%", 0xE1: fixed}}}
  b: {endpoints: [10.0.0.2:1, {address: 10.0.0.3:1, proxy_protocol: {version: v2, tlvs: {0xE2: "%HOSTNAME%", 0xE3: "%CONNECTION_ID%"}}}]}
  c: {endpoints: 10.0.0.4:1, proxy_protocol: {version: v2, tlvs: {0xE1: fixed}}}
`
	r := resources(t, text)
	if got := len(listenerOf(t, r, "tcp/0.0.0.0:2").GetFilterChains()[0].GetFilters()); got != 1 {
		t.Errorf("what needs no texts has %d filters", got)
	}
	filters := listenerOf(t, r, "tcp/0.0.0.0:1").GetFilterChains()[0].GetFilters()
	if len(filters) != 2 {
		t.Fatalf("there are %d filters, want 2: %v", len(filters), filters)
	}
	state := &setstatefilterv3.Config{}
	if err := filters[0].GetTypedConfig().UnmarshalTo(state); err != nil {
		t.Fatal(err)
	}
	var formats []string
	for _, v := range state.GetOnNewConnection() {
		formats = append(formats, v.GetFormatString().GetTextFormatSource().GetInlineString())
	}
	if want := []string{"%HOSTNAME%", "%CONNECTION_ID%", "%CONNECTION_ID%"}; !slices.Equal(formats, want) {
		t.Errorf("it makes %q, want %q", formats, want)
	}
	for edit, changed := range map[[2]string]bool{{"fixed}}}\n  b", "other}}}\n  b"}: false, {"%CONNECTION_ID%", "%START_TIME%"}: true} {
		after := mustTranslate(t, load(t, strings.Replace(text, edit[0], edit[1], 1)), r)
		if now := listenerOf(t, after, "tcp/0.0.0.0:1"); proto.Equal(now, listenerOf(t, r, "tcp/0.0.0.0:1")) == changed {
			t.Errorf("with %q in place of %q the listener is another one: %t", edit[1], edit[0], !changed)
		}
	}
}
