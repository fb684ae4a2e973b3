//go:build linux

package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// Able says why networks cannot be made and used on this machine; nil where they can.
var Able = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "iptables", "ip6tables", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("network namespaces are tried with %s, which is missing here", tool)
		}
	}
	network, err := New()
	if err != nil {
		return err
	}
	return network.Close()
})

// Unprivileged are the words in front of a command that make it run as nobody, with the capabilities of these names
// ("net_raw") and no others.
func Unprivileged(capabilities ...string) []string {
	set := strings.Join(append([]string{"-all"}, capabilities...), ",+")
	return []string{
		"setpriv", "--reuid", Nobody, "--regid", Nobody, "--clear-groups",
		"--inh-caps=" + set, "--ambient-caps=" + set, "--bounding-set=" + set,
		"--pdeathsig", "KILL", // a change of the user takes away what was said of the parent's death
	}
}

// Nobody is the user that [Unprivileged] commands run as.
const Nobody = "65534"
