package xds

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
)

// TestAdvice reads the texts of Envoy 1.40, as they came over gRPC; end-to-end tests let it say them.
func TestAdvice(t *testing.T) {
	const (
		tproxy = "the Envoy on edge-2 has neither CAP_NET_RAW nor CAP_NET_ADMIN, which transparent: tproxy needs, although its bootstrap " +
			"declares net_raw. Start it with one of them: the bootstrap that l4xds bootstrap --capability net_raw prints says how, " +
			"and l4xds kit verify on its host shows what is missing"
		source = "the Envoy on edge-2 has neither CAP_NET_RAW nor CAP_NET_ADMIN, which source: client of a UDP listener needs, although its " +
			"bootstrap declares net_raw. Start it with one of them: the bootstrap that l4xds bootstrap --capability net_raw prints says how, " +
			"and l4xds kit verify on its host shows what is missing"
		low = "the Envoy on edge-2 may not listen on port 81. Start it with CAP_NET_BIND_SERVICE, set net.ipv4.ip_unprivileged_port_start on " +
			"its host to 81 or less (both need a restart of the Envoy), or choose a higher port"
		after = ". Then restart the Envoy: what it refused is not sent to it again before it or the listener changes"
	)
	for _, c := range []struct {
		name, message string
		want          []string
	}{
		{"nothing that is known", "Error adding/updating listener(s) a: cannot do it: Operation not permitted\n", nil},
		{"no words", "", nil},
		{"tproxy", "Error adding/updating listener(s) tcp/0.0.0.0:15001: ListenSocket: Setting socket options failed\n", []string{tproxy}},
		{
			"UDP source",
			"Error adding/updating listener(s) udp/0.0.0.0:53: The platform does not support either IP_TRANSPARENT or IPV6_TRANSPARENT. " +
				"Or the envoy is not running with the CAP_NET_ADMIN capability.\n",
			[]string{source},
		},
		{"low port", "Error adding/updating listener(s) tcp/0.0.0.0:81: cannot bind '0.0.0.0:81': Permission denied\n", []string{low}},
		{
			"address",
			"Error adding/updating listener(s) tcp/192.0.2.50:8000: cannot bind '192.0.2.50:8000': Cannot assign requested address\n",
			[]string{"the host of edge-2 does not have the address 192.0.2.50. Add it there, or listen on one that it has; with " +
				"freebind: true the listener waits for an address that comes later" + after},
		},
		{
			"IPv6 address",
			"Error adding/updating listener(s) udp/[2001:db8::1]:53: cannot bind '[2001:db8::1]:53': Cannot assign requested address\n",
			[]string{"the host of edge-2 does not have the address [2001:db8::1]. Add it there, or listen on one that it has; with " +
				"freebind: true the listener waits for an address that comes later" + after},
		},
		{
			"no IPv6", "Error adding/updating listener(s) tcp/[::]:53: cannot bind '[::]:53': Cannot assign requested address\n",
			[]string{"IPv6 is off on the host of edge-2. Turn it on, or listen on 0.0.0.0" + after},
		},
		{
			"taken port", "Error adding/updating listener(s) tcp/[::]:80: cannot bind '[::]:80': Address already in use\n",
			[]string{"another process on the host of edge-2 listens on [::]:80; ss -lntup shows which. Stop it, or choose another port" + after},
		},
		{
			"socket", "Error adding/updating listener(s) unix/run/x/y.sock: cannot bind '/run/x/y.sock': No such file or directory\n",
			[]string{"the Envoy on edge-2 cannot make the socket /run/x/y.sock. Its directory must be there, and the user of the Envoy " +
				"must be allowed to write to it" + after},
		},
		{
			"namespace", "Error adding/updating listener(s) a: failed to set netns to /run/netns/blue (fd=36): Operation not permitted\n",
			[]string{"the Envoy on edge-2 may not enter the network namespace /run/netns/blue. Start it inside of that namespace, " +
				"or with CAP_SYS_ADMIN"},
		},
		{
			"no namespace", "Error adding/updating listener(s) a: failed to open netns file /run/netns/red: No such file or directory\n",
			[]string{"the host of edge-2 has no network namespace /run/netns/red. Make it" + after},
		},
		{
			"several, some alike",
			"Error adding/updating listener(s) tcp/0.0.0.0:81: cannot bind '0.0.0.0:81': Permission denied\n" +
				"tcp/0.0.0.0:82: ListenSocket: Setting socket options failed\n" +
				"udp/0.0.0.0:81: cannot bind '0.0.0.0:81': Permission denied\n",
			[]string{low, tproxy},
		},
	} {
		node := config.Node{ID: "edge-2", Capabilities: []config.Capability{config.NetRaw}}
		if got := advice(node, c.message); !slices.Equal(got, c.want) {
			t.Errorf("%s: advice %q, want %q", c.name, got, c.want)
		}
	}
}

// The manual tells of the words for which there is advice, and of no others.
func TestAdviceIsInTheManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## What Envoys refuse\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := make([]bool, len(cures))
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]*)`").FindAllStringSubmatch(section, -1) {
		i := slices.IndexFunc(cures, func(c cure) bool { return c.text.MatchString(row[1]) })
		if i < 0 {
			t.Errorf("the manual tells of %q, for which there is no advice", row[1])
			continue
		}
		told[i] = true
	}
	for i, c := range cures {
		if !told[i] {
			t.Errorf("the manual does not tell of %s", c.text)
		}
	}
}
