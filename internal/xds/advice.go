package xds

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// cure says what to do about a text of Envoy's, of which groups are the parts that text captures. The texts are those of
// 1.40, over gRPC.
type cure struct {
	text   *regexp.Regexp
	advise func(n config.Node, groups []string) string
}

// cures are about what an Envoy's process may not do, and about what its host lacks: nothing of that can be seen in the
// configuration. The first whose text fits a line is taken.
var cures = []cure{
	{
		regexp.MustCompile(`ListenSocket: Setting socket options failed`),
		func(n config.Node, _ []string) string { return needsNetRaw(n, "transparent: tproxy") },
	},
	{
		regexp.MustCompile(`The platform does not support either IP_TRANSPARENT or IPV6_TRANSPARENT`),
		func(n config.Node, _ []string) string { return needsNetRaw(n, "source: client of a UDP listener") },
	},
	{regexp.MustCompile(`cannot bind '(/[^']*)': (.+)`), socketFile},
	{regexp.MustCompile(`cannot bind '([^']*):(\d+)': Permission denied`), lowPort},
	{regexp.MustCompile(`cannot bind '(.*):\d+': Cannot assign requested address`), foreignAddress},
	{regexp.MustCompile(`cannot bind '([^']*)': Address already in use`), takenPort},
	{regexp.MustCompile(`failed to set netns to (\S+) .*: Operation not permitted`), foreignNamespace},
	{regexp.MustCompile(`failed to open netns file (\S+): No such file or directory`), noNamespace},
}

// advice says what to do about the refusal that message is, a text for each different cause; none where nothing is known.
func advice(n config.Node, message string) []string {
	var list []string
	for line := range strings.Lines(message) {
		if text := adviceOnLine(n, line); text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

func adviceOnLine(n config.Node, line string) string {
	for _, c := range cures {
		if groups := c.text.FindStringSubmatch(line); groups != nil {
			return c.advise(n, groups)
		}
	}
	return ""
}

// again ends advice whose cure leaves the Envoy running.
const again = ". Then restart the Envoy: what it refused is not sent to it again before it or the listener changes"

func needsNetRaw(n config.Node, what string) string {
	declares := ""
	if len(n.Capabilities) > 0 {
		declares = ", although its bootstrap declares " + string(n.Capabilities[0])
	}
	return fmt.Sprintf("the Envoy on %s has neither CAP_NET_RAW nor CAP_NET_ADMIN, which %s needs%s. Start it with one of them: "+
		"the bootstrap that l4xds bootstrap --capability net_raw prints says how, and l4xds kit verify on its host shows what is missing",
		n.ID, what, declares)
}

func lowPort(n config.Node, groups []string) string {
	return fmt.Sprintf("the Envoy on %s may not listen on port %s. Start it with CAP_NET_BIND_SERVICE, set "+
		"net.ipv4.ip_unprivileged_port_start on its host to %[2]s or less (both need a restart of the Envoy), or choose a higher port",
		n.ID, groups[2])
}

func foreignAddress(n config.Node, groups []string) string {
	ip, err := netip.ParseAddr(strings.Trim(groups[1], "[]"))
	if err == nil && ip.IsUnspecified() {
		return fmt.Sprintf("IPv6 is off on the host of %s. Turn it on, or listen on 0.0.0.0", n.ID) + again
	}
	return fmt.Sprintf("the host of %s does not have the address %s. Add it there, or listen on one that it has; with freebind: true "+
		"the listener waits for an address that comes later", n.ID, groups[1]) + again
}

func takenPort(n config.Node, groups []string) string {
	return fmt.Sprintf("another process on the host of %s listens on %s; ss -lntup shows which. Stop it, or choose another port",
		n.ID, groups[1]) + again
}

func socketFile(n config.Node, groups []string) string {
	return fmt.Sprintf("the Envoy on %s cannot make the socket %s. Its directory must be there, and the user of the Envoy "+
		"must be allowed to write to it", n.ID, groups[1]) + again
}

func foreignNamespace(n config.Node, groups []string) string {
	return fmt.Sprintf("the Envoy on %s may not enter the network namespace %s. Start it inside of that namespace, or with CAP_SYS_ADMIN",
		n.ID, groups[1])
}

func noNamespace(n config.Node, groups []string) string {
	return fmt.Sprintf("the host of %s has no network namespace %s. Make it", n.ID, groups[1]) + again
}
