package kit_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/pkg/kit"
)

// need skips the test, in one line, where the kernel or a program is missing that it shows something with. In CI that fails.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := ""
	if os.Getuid() != 0 {
		missing = "needs root, for a network namespace"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = "needs " + p
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// namespace is a network of a test's own.
type namespace struct {
	t    *testing.T
	name string
}

var namespaces atomic.Int32

func newNamespace(t *testing.T) namespace {
	t.Helper()
	need(t, "ip", "nft")
	n := namespace{t, fmt.Sprintf("l4xds-kit-%d-%d", os.Getpid(), namespaces.Add(1))}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Fatalf("ip netns add: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "delete", n.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns delete: %v: %s", err, out)
		}
	})
	n.run("", "ip", "link", "set", "lo", "up")
	// A host has routes, and Envoy's is one of its neighbours.
	n.run("", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
	for _, link := range []string{"eth0", "eth1"} {
		n.run("", "ip", "link", "set", link, "addrgenmode", "none") // an address that comes later would be a change
		n.run("", "ip", "link", "set", link, "up")
	}
	n.run("", "ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
	n.run("", "ip", "-6", "address", "add", "2001:db8::2/64", "dev", "eth0", "nodad")
	return n
}

// run lets a program read a text in the namespace, and returns what it writes.
func (n namespace) run(stdin string, args ...string) string {
	n.t.Helper()
	out, err := n.try(stdin, args...)
	if err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (n namespace) try(stdin string, args ...string) (string, error) {
	c := exec.Command("ip", append([]string{"netns", "exec", n.name}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	return string(out), err
}

var (
	// emptyChain is what iptables leaves behind: the kernel's own chains, which let everything pass.
	emptyChain = regexp.MustCompile(`(?m)^(#.*|\*.*|COMMIT|:[A-Z]+ ACCEPT \[.*\])\n`)
	counters   = regexp.MustCompile(`\[\d+:\d+\]`)
)

// state is everything that a kit may change.
func (n namespace) state() string {
	n.t.Helper()
	var b strings.Builder
	tables, _ := n.try("", "nft", "list", "table", "inet", kit.Table) // an error if there is none
	if !strings.HasPrefix(tables, "Error") {
		b.WriteString(tables)
	}
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		if _, err := exec.LookPath(save); err == nil {
			b.WriteString(counters.ReplaceAllString(emptyChain.ReplaceAllString(n.run("", save), ""), ""))
		}
	}
	for _, family := range []string{"-4", "-6"} {
		b.WriteString(n.run("", "ip", family, "rule"))
		routes, _ := n.try("", "ip", family, "route", "show", "table", "all") // sorted by the kernel
		b.WriteString(routes)
	}
	b.WriteString(n.run("", "cat", "/proc/sys/net/ipv4/conf/all/route_localnet"))
	return b.String()
}

// apply carries out what is printed in one format.
func (n namespace) apply(f kit.Format, text string) {
	n.t.Helper()
	if f == kit.NFTables {
		n.run(text, "nft", "-f", "-")
		return
	}
	n.run(text, "sh", "-s")
}

// Every text is one that its reader takes.
func TestReaders(t *testing.T) {
	n := newNamespace(t)
	for _, p := range all(t) {
		t.Run(p.name, func(t *testing.T) {
			n := namespace{t, n.name}
			switch {
			case p.format == kit.NFTables:
				n.run(p.text, "nft", "-c", "-f", "-")
			case p.format == kit.Systemd && !strings.HasPrefix(p.text, "#!"):
				n.run(unitScript(t, p.text), "sh", "-n")
			default:
				n.run(p.text, "sh", "-n")
			}
		})
	}
}

func TestUnitReads(t *testing.T) {
	need(t, "systemd-analyze")
	path := filepath.Join(t.TempDir(), "l4xds-kit.service")
	for _, p := range all(t) {
		if p.format != kit.Systemd || strings.HasPrefix(p.text, "#!") {
			continue
		}
		if err := os.WriteFile(path, []byte(p.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", p.name, err, out)
		}
	}
}

// unitScript is the script that systemd makes of a unit.
func unitScript(t *testing.T, unit string) string {
	t.Helper()
	script := ""
	for line := range strings.SplitSeq(unit, "\n") {
		if text, ok := strings.CutPrefix(line, "StandardInputText="); ok {
			if text == "" {
				t.Fatal("an empty StandardInputText= takes back the ones before it")
			}
			script += strings.NewReplacer(`\\`, `\`, "%%", "%").Replace(text) + "\n"
		}
	}
	if script == "" {
		t.Fatal("the unit has no script")
	}
	return script
}

// Applied twice is applied once, and nothing of it stays when it is removed.
func TestTwiceAndAway(t *testing.T) {
	need(t, "ip", "nft", "iptables", "ip6tables")
	for _, path := range files(t) {
		for _, o := range []kit.Options{envoySide, serverSide} {
			k := made(t, load(t, path), o)
			for _, f := range kit.Formats() {
				if o.Side == kit.ServerSide && (k.Empty() || f == kit.NFTables || f == kit.IPTables) {
					continue
				}
				t.Run(filepath.Base(path)+"/"+string(o.Side)+"/"+string(f), func(t *testing.T) { twiceAndAway(t, k, f) })
			}
		}
	}
}

func twiceAndAway(t *testing.T, k *kit.Kit, f kit.Format) {
	t.Helper()
	apply, remove := written(t, k, f), removal(t, f)
	n := newNamespace(t)
	how := f
	do := func(text, verb string) {
		t.Helper()
		if f == kit.Systemd {
			n.run(unitScript(t, apply), "sh", "-s", verb)
			return
		}
		n.apply(how, text)
	}
	before := n.state()
	do(apply, "start")
	once := n.state()
	do(apply, "start")
	if diff := cmp.Diff(once, n.state()); diff != "" {
		t.Errorf("the second time changes something (-once +twice):\n%s", diff)
	}
	if (once == before) != (len(k.Chains()) == 0 && (f == kit.NFTables || k.Empty())) {
		t.Errorf("it changed something: %v", once != before)
	}
	do(remove, "stop")
	if diff := cmp.Diff(before, n.state()); diff != "" {
		t.Errorf("something stays (-before +after):\n%s", diff)
	}
	do(remove, "stop")
}

// A kit takes the place of another: nothing stays that closes or opens something.
func TestInPlaceOfAnother(t *testing.T) {
	need(t, "ip", "nft", "iptables", "ip6tables")
	everything, nothing := made(t, load(t, "testdata/everything.yaml"), envoySide), made(t, load(t, "testdata/nothing.yaml"), envoySide)
	for _, f := range []kit.Format{kit.Script, kit.IPTables} {
		t.Run(string(f), func(t *testing.T) {
			n := newNamespace(t)
			n.apply(f, written(t, everything, f))
			n.apply(f, written(t, nothing, f))
			left := n.state()
			for _, not := range []string{"chain", "L4XDS"} {
				if strings.Contains(left, not) {
					t.Errorf("there still is %s in\n%s", not, left)
				}
			}
			if !strings.HasSuffix(left, "\n0\n") {
				t.Errorf("route_localnet is still set:\n%s", left)
			}
		})
	}
}

// A script that fails says what, and does not go on.
func TestScriptFails(t *testing.T) {
	n := newNamespace(t)
	n.run("", "ip", "address", "delete", "10.0.0.2/24", "dev", "eth0") // Envoy's host is no neighbour any more
	k := made(t, load(t, "../../examples/transparent-source.yaml"), serverSide)
	out, err := n.try(written(t, k, kit.Script), "sh", "-s")
	if err == nil || !strings.Contains(out, "ip -4 route replace default via 10.0.0.1 table 4404: ") {
		t.Errorf("got %v: %s", err, out)
	}
	if rules := n.run("", "ip", "-4", "rule"); strings.Contains(rules, "4404") {
		t.Errorf("it went on:\n%s", rules)
	}
}

// What the commands of a kit's parts make, those that take it away take away.
func TestCommands(t *testing.T) {
	for _, o := range []kit.Options{envoySide, serverSide} {
		n := newNamespace(t)
		before := n.state()
		commands := made(t, load(t, "testdata/everything.yaml"), o).Routes()
		for _, c := range commands {
			n.run("", c.Add...)
		}
		for _, c := range commands {
			n.run("", c.Delete...)
		}
		if diff := cmp.Diff(before, n.state()); diff != "" {
			t.Errorf("%s: something stays (-before +after):\n%s", o.Side, diff)
		}
	}
}
