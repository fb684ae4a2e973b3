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

// The good file, and the same with everything moved from blue to green: a bad edit of it must not take half effect.
const (
	goodFile = `# four listeners
listeners:
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
	cutLines = 12 // line ends of the file at which it is cut
)

func moved(config string) string { return strings.ReplaceAll(config, "$blue", "$green") }

// TestMistakes: bad edits against a running daemon and Envoy. Each keeps all that was in force and says why, and the
// next good save is taken.
func TestMistakes(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		for name, edit := range badEdits {
			message := f.spoil(edit)
			f.t.Logf("%s: %s", name, message)
			f.wantAllAt("blue")
			f.mend()
		}
	})
}

// badEdits are ways to spoil the file; nil removes it.
var badEdits = map[string]func(good string) string{
	"syntax error": func(good string) string { return strings.Replace(good, "    tcp: $one", "    tcp: [$one", 1) },
	"unknown key":  func(good string) string { return strings.Replace(good, "    tcp: $one", "    tpc: $one", 1) },
	"empty":        func(string) string { return "" },
	"cut in half":  func(good string) string { return good[:len(good)/2] },
	"deleted":      nil,
}

// spoil saves the edit of the moved file, and waits until the daemon has said what is wrong with it.
func (f *fleet) spoil(edit func(string) string) string {
	f.t.Helper()
	if edit == nil {
		f.must(os.Remove(f.daemon.File))
	} else {
		f.must(f.daemon.Save(f.text(edit(moved(goodFile)))))
	}
	var message string
	f.waitStatus(func(s *rig.Status) error {
		if s.Config.State != "invalid" || len(s.Config.Messages) == 0 {
			return fmt.Errorf("config is %s: %+v", s.Config.State, s.Config.Messages)
		}
		m := s.Config.Messages[0]
		message = fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m.Message)
		return nil
	})
	return message
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

// TestCuts: a file cut at a line end is either refused, and then changes nothing, or it is a smaller file without a
// mistake, and then it is taken as such.
func TestCuts(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(goodFile)
		lines := strings.SplitAfter(moved(goodFile), "\n")
		accepted := 0
		for n := 1; n <= cutLines; n++ {
			cut := strings.Join(lines[:n], "")
			if f.valid(cut) {
				accepted++
				continue
			}
			f.spoil(func(string) string { return cut })
			f.wantAllAt("blue")
			f.edit(goodFile + fmt.Sprintf("# %d\n", n))
		}
		f.t.Logf("of %d cuts %d are valid smaller files", cutLines, accepted)
	})
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
		f.waitStatus(func(s *rig.Status) error { return refused(s, f.daemon.File, 10, "Address already in use") })
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
