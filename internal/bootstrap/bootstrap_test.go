package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// edge is an Envoy with everything that can be said of one.
var edge = Options{
	NodeID: "edge-1", Cluster: "edge", Zone: "a", Metadata: map[string]string{"site": "core", "rank": "2"},
	XDS: "l4xds.example.com:18000", Admin: DefaultAdmin,
}

func TestGolden(t *testing.T) {
	tests := []struct {
		file   string
		change func(*Options)
	}{
		{"delta.yaml", func(*Options) {}},
		{"sotw.yaml", func(o *Options) {
			*o = Options{NodeID: "n", Cluster: "c", XDS: "[::1]:18000", Admin: "127.0.0.2:9901", Variant: xds.SotW}
		}},
		{"capable.yaml", func(o *Options) { o.Capabilities = []config.Capability{config.NetRaw} }},
	}
	for _, test := range tests {
		o := edge
		test.change(&o)
		var got bytes.Buffer
		if err := Write(&got, o); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", test.file)
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.file, diff)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no id", func(o *Options) { o.NodeID = "" }, "an Envoy needs a node id and a cluster"},
		{"no cluster", func(o *Options) { o.Cluster = "" }, "an Envoy needs a node id and a cluster"},
		{"twice a value", func(o *Options) {
			o.Capabilities, o.Metadata = []config.Capability{config.NetRaw}, map[string]string{"l4xds": "x"}
		}, `capabilities are written to the metadata "l4xds", which is given a value, too; leave one of them out`},
		{"no port", func(o *Options) { o.XDS = "l4xds" }, `the xDS address is "l4xds", want HOST:PORT`},
		{"port 0", func(o *Options) { o.XDS = "l4xds:0" }, "want HOST:PORT with a port of 1..65535"},
		{"port 70000", func(o *Options) { o.XDS = "l4xds:70000" }, "want HOST:PORT with a port of 1..65535"},
		{"no host", func(o *Options) { o.XDS = ":18000" }, "want HOST:PORT with a port of 1..65535"},
		{"admin without port", func(o *Options) { o.Admin = "::1" }, `the admin address is "::1", want HOST:PORT`},
		{"admin on a name", func(o *Options) { o.Admin = "localhost:9901" }, "Envoy binds no names"},
	}
	for _, test := range tests {
		o := edge
		test.change(&o)
		if err := Write(&bytes.Buffer{}, o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}

func TestAFullDisk(t *testing.T) {
	for room := range 3 {
		if err := Write(&small{room}, edge); err == nil {
			t.Errorf("no error though only %d of the parts could be written", room)
		}
	}
}

// small takes a few writes, and no more.
type small struct{ room int }

func (s *small) Write(p []byte) (int, error) {
	if s.room == 0 {
		return 0, errors.New("no space left on device")
	}
	s.room--
	return len(p), nil
}

// compile makes the resources of one file.
func compile(t *testing.T, text string) *translate.Resources {
	t.Helper()
	src := config.NewSource()
	src.Stdin(strings.NewReader(text))
	c, messages := config.Load(src, nil, "-")
	if c == nil {
		t.Fatalf("the file is not valid: %v", messages)
	}
	r, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const twoGroups = `
listeners:
  a: {tcp: 5432, to: web, nodes: one}
  b: {tcp: 5432, to: 10.0.0.2:1, nodes: two}
  c: {tcp: 5433, to: web, nodes: one}
backends:
  web: {endpoints: [10.0.0.1:1]}
groups:
  one: {cluster: one}
  two: {cluster: two}
`

func TestByAudience(t *testing.T) {
	var got []string
	for _, list := range byAudience(compile(t, twoGroups).List) {
		var names []string
		for _, r := range list {
			kind := r.Type[strings.LastIndexByte(r.Type, '.')+1:]
			names = append(names, kind+" "+r.Name)
		}
		got = append(got, strings.Join(names, ", "))
	}
	want := []string{
		"Cluster web, ClusterLoadAssignment web, Listener tcp/0.0.0.0:5432, Listener tcp/0.0.0.0:5433",
		"Cluster b, ClusterLoadAssignment b, Listener tcp/0.0.0.0:5432",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// envoy is a stand-in for the binary: a shell script.
func envoy(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, script, want string
	}{
		{"fine", `test "$1 $2 $3" = "--mode validate -c" && test -s "$4"`, ""},
		{
			"refused",
			`echo "[2026][1][critical][main] [source/x.cc:76] error initializing configuration '$4': no such thing"; exit 1`,
			"check with Envoy: no such thing",
		},
		{
			"refused with a dump",
			`printf "[1][critical] error initializing configuration '$4': goo.gle/debugstr\nnode {\n}\n: Proto constraint"; exit 1`,
			"check with Envoy: Proto constraint",
		},
		{"no words that we know", "echo something; exit 3", "check with Envoy: something"},
	}
	for _, test := range tests {
		err := Check(t.Context(), envoy(t, test.script), compile(t, twoGroups))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: error %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCheckWithoutEnvoy(t *testing.T) {
	err := Check(t.Context(), "/nowhere/envoy", compile(t, twoGroups))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that there is no such file", err)
	}
}

func TestCheckIsCancelled(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = os.ReadFile(started) // until the script has written to it
		cancel()
	}()
	script := "echo >" + started + "; exec sleep 60"
	if err := Check(ctx, envoy(t, script), compile(t, twoGroups)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
