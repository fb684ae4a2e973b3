package main

import (
	"strings"
	"testing"

	"github.com/l4xds/l4xds/internal/daemon"
	"github.com/l4xds/l4xds/pkg/config"
)

// compiledSeen is a configuration of two listeners, the second for Envoys that have CAP_NET_RAW.
func compiledSeen(t *testing.T) *daemon.Compiled {
	t.Helper()
	src := config.NewSource()
	src.Stdin(strings.NewReader("listeners:\n  a: {tcp: 7001, to: 10.0.0.1:1}\n  b: {tcp: 7002, to: 10.0.0.1:1, source: client}\n"))
	compiled, messages, err := daemon.Compile(src, nil, "-")
	if err != nil || compiled == nil {
		t.Fatal(err, messages)
	}
	return compiled
}

// What a node is not given is left out, and not in silence.
func TestRenderTellsWhatIsWithheld(t *testing.T) {
	compiled := compiledSeen(t)
	const left = "-:3:12: warning: listener tcp/0.0.0.0:7002 is left out (needs_net_raw): " +
		"it is for nodes that declare a capability, as in metadata.l4xds.capabilities=net_raw\n"
	for _, c := range []struct {
		node map[string]string
		both bool
		said string
	}{
		{nil, true, ""},
		{map[string]string{"id": "n"}, false, left},
		{map[string]string{"id": "n", "metadata.l4xds.capabilities": "net_raw"}, true, ""},
		{map[string]string{"metadata.l4xds.capabilities": "CAP_NET_ADMIN"}, true, ""},
		{map[string]string{"metadata.l4xds.capabilities": "sys_admin"}, false, left},
	} {
		r := rendering{node: c.node, format: renderYAML}
		var out, said strings.Builder
		if err := r.tellWithheld(&said, compiled); err != nil {
			t.Fatal(err)
		}
		if err := r.write(&out, compiled); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "name: tcp/0.0.0.0:7002"); got != c.both {
			t.Errorf("node %v: the listener is there: %t, want %t", c.node, got, c.both)
		}
		if said.String() != c.said {
			t.Errorf("node %v: said %q, want %q", c.node, said.String(), c.said)
		}
	}
}
