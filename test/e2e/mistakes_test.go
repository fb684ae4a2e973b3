//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/rig"
)

// goodFile is what stays in force.
const (
	goodFile = `listeners:
  one:
    tcp: $one
    to: pool
  two:
    tcp: $two
    udp: $two
    to: pool
backends:
  pool:
    endpoints:
      - $blue
`
	cutLines = 12 // line ends at which a file is cut
)

// moved is the file with everything moved from blue to green, which shows whether a bad edit took half effect.
func moved(config string) string { return strings.ReplaceAll(config, "$blue", "$green") }

// TestMistakes: bad edits against a running daemon and Envoy. Each keeps all that was in force and says why, and the
// next good save is taken.
func TestMistakes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		for name, spoilt := range badEdits {
			f.t.Logf("%s: %s", name, f.spoil(spoilt))
			f.wantAllAt("blue")
			f.mend()
		}
	})
}

// deleted stands for no file at all.
const deleted = "deleted"

// badEdits are spoilt forms of the good file, each of which would also move everything.
var badEdits = map[string]string{
	"syntax error": strings.Replace(moved(goodFile), "    tcp: $one", "    tcp: [$one", 1),
	"unknown key":  strings.Replace(moved(goodFile), "    tcp: $one", "    tpc: $one", 1),
	"empty":        "",
	"cut in half":  moved(goodFile)[:len(goodFile)/2],
	"deleted":      deleted,
}

// spoil saves the spoilt file, and waits until the daemon says what is wrong with it.
func (f *fleet) spoil(config string) string {
	f.t.Helper()
	if config == deleted {
		f.must(os.Remove(f.daemon.File))
	} else {
		f.must(f.daemon.Save(f.text(config)))
	}
	var said string
	f.waitStatus(func(s *rig.Status) error {
		if s.Config.State != "invalid" || len(s.Config.Messages) == 0 {
			return fmt.Errorf("config is %s: %+v", s.Config.State, s.Config.Messages)
		}
		m := s.Config.Messages[0]
		said = fmt.Sprintf("%d:%d: %s [%s]", m.Line, m.Column, m.Message, m.ID)
		return nil
	})
	return said
}

// mend saves a good file that moves everything, and then the first one again.
func (f *fleet) mend() {
	f.t.Helper()
	f.edit(moved(goodFile))
	f.wantAllAt("green")
	f.edit(goodFile)
	f.wantAllAt("blue")
}

func (f *fleet) wantAllAt(backend string) {
	f.t.Helper()
	f.wantTCP("one", backend)
	f.wantTCP("two", backend)
	f.wantUDP("two", backend)
}

// cutFile has a listener for every three lines: some of its beginnings are files without a mistake.
const cutFile = `listeners:
  one:
    tcp: $one
    to: $blue
  two:
    tcp: $two
    to: $blue
  three:
    tcp: $three
    to: $blue
  four:
    tcp: $four
    to: $blue
`

// TestCuts: a file cut at a line end is either refused, and then changes nothing, or it is a smaller file without a
// mistake, and then it is taken as such: nothing in it says that it was cut.
func TestCuts(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(cutFile)
		lines := strings.SplitAfter(moved(cutFile), "\n")
		accepted := 0
		for n := 1; n <= cutLines; n++ {
			cut := strings.Join(lines[:n], "")
			if f.valid(cut) {
				accepted++
				f.edit(cut)
				f.wantListeners(f.envoy, f.listenersOf(cut)...)
			} else {
				f.spoil(cut)
				f.wantListeners(f.envoy, f.listenersOf(cutFile)...)
				f.wantTCP("four", "blue")
			}
			f.edit(cutFile + fmt.Sprintf("# %d\n", n))
		}
		f.t.Logf("of %d cuts %d were taken as smaller files", cutLines, accepted)
	})
}

// listenersOf are the names of the Envoy listeners of a beginning of cutFile.
func (f *fleet) listenersOf(config string) []string {
	var names []string
	for _, word := range []string{"one", "two", "three", "four"} {
		if strings.Contains(config, "$"+word) {
			names = append(names, "tcp/"+f.addr(word))
		}
	}
	return names
}

// valid is what `l4xds validate` says of the configuration.
func (f *fleet) valid(config string) bool {
	f.t.Helper()
	path, err := f.WriteFile("cut.yaml", f.text(config))
	f.must(err)
	process, err := f.Start("validate", program, "validate", path)
	f.must(err)
	code, err := process.ExitCode(f.ctx)
	f.must(err)
	return code == 0
}

// TestPortTaken: a valid file that asks for a port which another process holds.
func TestPortTaken(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		held, err := net.Listen("tcp", f.addr("busy"))
		f.must(err)
		f.must(f.daemon.Save(f.text(strings.Replace(goodFile, "backends:", "  three: {tcp: $busy, to: pool}\nbackends:", 1))))
		f.waitStatus(func(s *rig.Status) error { return refused(s, f.daemon.File, 9, "Address already in use") })
		f.wantAllAt("blue")
		f.must(held.Close())
		f.mend()
	})
}

// TestRestartWithBadFile: a daemon that starts on a bad file says so, serves nobody, and takes the first good save;
// Envoys that have something keep it meanwhile.
func TestRestartWithBadFile(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		f.must(f.daemon.Kill())
		f.must(f.daemon.Save("listeners: [\n"))
		f.must(f.daemon.Start())
		f.waitStatus(func(s *rig.Status) error {
			if s.Config.State != "invalid" {
				return fmt.Errorf("config is %s", s.Config.State)
			}
			return nil
		})
		f.wantAllAt("blue")
		f.must(f.daemon.Save(f.text(moved(goodFile))))
		f.wait(f.daemon.WaitReady)
		f.wantAllAt("green")
	})
}

// TestRestartWithoutFile: a missing file is an exit code, unless the daemon is told to wait for it.
func TestRestartWithoutFile(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		f.must(f.daemon.Kill())
		f.must(os.Remove(f.daemon.File))
		f.must(f.daemon.Start())
		ctx, cancel := rig.Patience(f.ctx)
		defer cancel()
		code, err := f.daemon.ExitCode(ctx)
		f.must(err)
		if code != 1 {
			f.t.Errorf("exit code %d, want 1", code)
		}

		f.must(f.daemon.Start("--wait-for-config"))
		f.wait(f.daemon.WaitAlive)
		f.wantAllAt("blue")
		f.must(f.daemon.Save(f.text(moved(goodFile))))
		f.wait(f.daemon.WaitReady)
		f.wantAllAt("green")
	})
}
