package hostcheck

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/l4xds/l4xds/pkg/config"
)

// The tables below are those of a machine with the little end first.
const (
	tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:26AD 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 4711 1 000000005e05fa30 100 0 0 10 0
   1: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 4712 1 000000005e05fa30 100 0 0 10 0
   2: 0100007F:1F40 0100007F:9BDE 01 00000000:00000000 03:000016A6 00000000     0        0 4713 3 000000004056f21f
`
	tcp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F41 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 4714 1 0000000000000000 100 0 0 10 0
   1: 000077FD010000000000000002000000:1F42 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 4715 1 0000000000000000 100 0 0 10 0
`
	udpTable = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  135: 0100007F:14B4 00000000:0000 07 00000000:00000000 00:00000000 00000000 65534        0 4716 2 0000000000000000 0
  140: 0100007F:14B9 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 4717 2 0000000000000000 0
`
	envoyStatus = `Name:	envoy
Umask:	0022
State:	S (sleeping)
Pid:	42
Uid:	65534	65534	65534	65534
CapInh:	0000000000002000
CapPrm:	0000000000002000
CapEff:	0000000000002000
`
)

// fakeProc is a /proc with these files; a file whose text begins with -> is a link.
func fakeProc(t *testing.T, files map[string]string) host {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(text, "->"); link {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return host{proc: dir}
}

func littleEnd(t *testing.T) {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the kernel of this machine writes addresses with the big end first")
	}
}

func TestSockets(t *testing.T) {
	littleEnd(t)
	h := fakeProc(t, map[string]string{"net/tcp": tcpTable, "net/tcp6": tcp6Table, "net/udp": udpTable})
	at := netip.MustParseAddrPort
	nobody, nobody6 := at("0.0.0.0:0"), at("[::]:0")
	tests := map[config.Protocol][]socket{
		config.TCP: {
			{at("127.0.0.1:9901"), nobody, 4711},
			{at("0.0.0.0:8000"), nobody, 4712},
			{at("[::]:8001"), nobody6, 4714},
			{at("[fd77:0:0:1::2]:8002"), nobody6, 4715},
		},
		config.UDP: {{at("127.0.0.1:5300"), nobody, 4716}}, // and no udp6: a kernel without IPv6
	}
	for protocol, want := range tests {
		got, err := h.listening(protocol)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(socket{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEstablished(t *testing.T) {
	littleEnd(t)
	got, err := fakeProc(t, map[string]string{"net/tcp": tcpTable}).sockets(config.TCP, stateEstablished)
	if len(got) != 1 || got[0].peer != netip.MustParseAddrPort("127.0.0.1:39902") || err != nil {
		t.Errorf("%v, %v; want the one with 127.0.0.1:39902", got, err)
	}
}

func TestSocketsUnreadable(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no table":      {},
		"no address":    {"net/tcp": "head\n0: 0100007F 0:0 0A 0:0 0:0 0 0 0 4711\n"},
		"a short one":   {"net/tcp": "head\n0: 7F:26AD 0:0 0A 0:0 0:0 0 0 0 4711\n"},
		"no peer":       {"net/tcp": "head\n0: 0100007F:26AD 0:0 0A 0:0 0:0 0 0 0 4711\n"},
		"no number":     {"net/tcp": "head\n0: 0100007F:26AD 00000000:0000 0A 0:0 0:0 0 0 0 x\n"},
		"no hex number": {"net/tcp": "head\n0: 010000xx:26AD 0:0 0A 0:0 0:0 0 0 0 4711\n"},
	} {
		if got, err := fakeProc(t, files).listening(config.TCP); err == nil {
			t.Errorf("%s: %v, want an error", name, got)
		}
	}
}

func TestOwners(t *testing.T) {
	h := fakeProc(t, map[string]string{
		"42/status":   envoyStatus,
		"42/exe":      "->/usr/bin/envoy",
		"42/fd/3":     "->socket:[4711]",
		"42/fd/4":     "->/dev/null",
		"43/status":   strings.NewReplacer("envoy", "sleep", "42", "43").Replace(envoyStatus),
		"43/fd/0":     "->pipe:[4711]",
		"uptime":      "1 2",
		"sys/net/one": "32768\t60999\n",
	})
	owners, err := h.owners()
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64]*process{4711: {pid: 42, name: "envoy", path: "/usr/bin/envoy", user: 65534, capabilities: 1 << capNetRaw}}
	if diff := cmp.Diff(want, owners, cmp.AllowUnexported(process{})); diff != "" {
		t.Error(diff)
	}
	if value, err := h.sysctl("net.one"); value != "32768 60999" || err != nil {
		t.Errorf("sysctl: %q, %v", value, err)
	}
}

func TestMayBeTransparent(t *testing.T) {
	for _, test := range []struct {
		effective string
		want      bool
	}{
		{"0000000000000000", false},
		{"0000000000000400", false}, // NET_BIND_SERVICE
		{"0000000000001000", true},  // NET_ADMIN
		{"0000000000002000", true},  // NET_RAW
		{"000001ffffffffff", true},
	} {
		var p process
		if err := p.parse("CapEff:\t" + test.effective + "\n"); err != nil {
			t.Fatal(err)
		}
		if p.mayBeTransparent() != test.want {
			t.Errorf("%s: %v, want %v", test.effective, p.mayBeTransparent(), test.want)
		}
	}
	for _, broken := range []string{"Uid:\t0\n", "Uid:\tx x x x\n", "CapEff:\tx\n"} {
		if err := new(process).parse(broken); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}
