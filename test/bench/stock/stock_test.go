package main

import (
	"strings"
	"testing"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// TestSameResources: both control planes carry the same bytes, so that only the control plane differs.
func TestSameResources(t *testing.T) {
	l := listener{Name: "db", Bind: address{"127.0.0.1", 15000}, Endpoint: address{"127.0.0.1", 9000}}
	snapshot, err := new(publisher).snapshot([]listener{l})
	if err != nil {
		t.Fatal(err)
	}
	source := config.NewSource()
	source.Stdin(strings.NewReader("listeners: {db: {tcp: \"127.0.0.1:15000\", to: \"127.0.0.1:9000\"}}\n"))
	c, messages := config.Load(source, nil, "-")
	if c == nil {
		t.Fatal(messages)
	}
	resources, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(resources.List) != 3 {
		t.Fatalf("%d resources, want 3", len(resources.List))
	}
	for _, r := range resources.List {
		if diff := cmp.Diff(r.Msg, snapshot.GetResources(r.Type)[r.Name], protocmp.Transform()); diff != "" {
			t.Errorf("%s (-l4xds +stock):\n%s", r.Type, diff)
		}
	}
}

// TestVersions: only the type that changed gets another version.
func TestVersions(t *testing.T) {
	p := &publisher{}
	versions := func(l listener) [3]string {
		t.Helper()
		p.count([]listener{l})
		s, err := p.snapshot([]listener{l})
		if err != nil {
			t.Fatal(err)
		}
		return [3]string{
			s.GetVersion(resourcev3.ClusterType), s.GetVersion(resourcev3.EndpointType), s.GetVersion(resourcev3.ListenerType),
		}
	}
	l := listener{Name: "db", Bind: address{"127.0.0.1", 15000}, Endpoint: address{"127.0.0.1", 9000}}
	first := versions(l)
	if again := versions(l); again != first {
		t.Errorf("versions %v of the same file, want %v", again, first)
	}
	l.Endpoint.Port++
	if moved := versions(l); moved[0] != first[0] || moved[1] == first[1] || moved[2] != first[2] {
		t.Errorf("versions %v after an endpoint moved, were %v", moved, first)
	}
	l.Bind.Port++
	if moved := versions(l); moved[2] == first[2] {
		t.Errorf("versions %v after a listener moved, were %v", moved, first)
	}
}
