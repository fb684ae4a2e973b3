package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/certs"
)

// load is the resources of one text.
func load(t *testing.T, text string) *translate.Resources {
	t.Helper()
	source := config.NewSource()
	source.Stdin(strings.NewReader(text))
	c, diagnostics := config.Load(source, nil, "-")
	if c == nil {
		t.Fatal(diagnostics)
	}
	return resources(t, c)
}

func resources(t *testing.T, c *config.Config) *translate.Resources {
	t.Helper()
	r, err := translate.Translate(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// examples are the resources of all examples, by path. The working directory becomes the root of the project.
func examples(t *testing.T) map[string]*translate.Resources {
	t.Helper()
	t.Chdir("../..")
	if err := certs.ForExamples("."); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*translate.Resources{}
	for _, e := range entries {
		if path := "examples/" + e.Name(); e.IsDir() || strings.HasSuffix(path, ".yaml") {
			c, diagnostics := config.Load(config.NewSource(), nil, path)
			if c == nil {
				t.Fatal(diagnostics)
			}
			all[path] = resources(t, c)
		}
	}
	return all
}

func TestYAML(t *testing.T) {
	r := load(t, "listeners:\n  db: {tcp: 5432, to: a}\nbackends:\n  a: {endpoints: [10.0.0.1:5432]}\n")
	var got bytes.Buffer
	if err := YAML(&got, r.Config, r.List[1:2]); err != nil {
		t.Fatal(err)
	}
	const want = `resources:
# -:4:18 backends.a
# -:4:3 backends.a
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: a
  endpoints:
  - lb_endpoints:
    - endpoint:
        address:
          socket_address:
            address: 10.0.0.1
            port_value: 5432
      load_balancing_weight: 1
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whoever reads the YAML, reads what the JSON says.
func TestYAMLAndJSONAgree(t *testing.T) {
	for path, r := range examples(t) {
		var asYAML, again, asJSON bytes.Buffer
		for _, err := range []error{YAML(&asYAML, r.Config, r.List), YAML(&again, r.Config, r.List), JSON(&asJSON, r.List)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if asYAML.String() != again.String() {
			t.Errorf("%s: written twice, two texts", path)
		}
		var fromYAML, fromJSON any
		if err := yaml.Unmarshal(asYAML.Bytes(), &fromYAML); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := yaml.Unmarshal(asJSON.Bytes(), &fromJSON); err != nil || !json.Valid(asJSON.Bytes()) {
			t.Fatalf("%s: %v", path, err)
		}
		if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
			t.Errorf("%s: (-JSON +YAML):\n%s", path, diff)
		}
		if got := len(fromYAML.(map[string]any)["resources"].([]any)); got != len(r.List) {
			t.Errorf("%s: %d resources, want %d", path, got, len(r.List))
		}
	}
}

func TestNothing(t *testing.T) {
	for _, tt := range []struct {
		what  string
		write func(*bytes.Buffer) error
		want  string
	}{
		{"YAML", func(b *bytes.Buffer) error { return YAML(b, nil, nil) }, "resources: []\n"},
		{"JSON", func(b *bytes.Buffer) error { return JSON(b, nil) }, "{\n  \"resources\": []\n}\n"},
		{"message", func(b *bytes.Buffer) error { return Message(b, &corev3.Node{}) }, "{}\n"},
		{"bootstrap", func(b *bytes.Buffer) error { return Bootstrap(b, nil, nil) }, "static_resources:\n  listeners: []\n  clusters: []\n"},
		{
			"empty resource", func(b *bytes.Buffer) error {
				return JSON(b, []*translate.Resource{{Type: "t", Msg: &corev3.Node{}}})
			}, `"@type": "t"`,
		},
	} {
		var b bytes.Buffer
		if err := tt.write(&b); err != nil {
			t.Errorf("%s: %v", tt.what, err)
		}
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.what, b.String(), tt.want)
		}
	}
}

func TestMessage(t *testing.T) {
	var got bytes.Buffer
	node := &corev3.Node{Id: "edge-1", UserAgentName: "true", Extensions: []*corev3.Extension{{Category: "a: b"}, {}}}
	if err := Message(&got, node); err != nil {
		t.Fatal(err)
	}
	want := "id: edge-1\nuser_agent_name: \"true\"\nextensions:\n- category: \"a: b\"\n- {}\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// A text that some reader would take for a number, a bool, a date or a mark of YAML is quoted.
func TestScalars(t *testing.T) {
	for _, s := range []string{
		"", " ", "a", "a b", "a:", "a: b", "a:b", ":a", "a #b", "#a", "- a", "-a", "-1", "1", "1.5", "1e3", "0x1f", "0777", "0o7",
		"1_000", "12:30", "12:30:45", "2001-01-01", "true", "True", "yes", "No", "on", "OFF", "y", "n", "null", "Null", "~", ".inf",
		".nan", "[a]", "{a}", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "'a'", `"a"`, `a\b`, "a\nb", "a\tb", "é", "日本",
		"\u2028", "tcp/0.0.0.0:5432", "tcp/[::]:53", "edge/*", "10.0.0.1", "1.2.3", "5s", "0.250s", "/var/log/x", "=", "<<", "<a&b>",
	} {
		var got any
		if err := yaml.Unmarshal([]byte("k: "+text(s)+"\n"), &got); err != nil {
			t.Errorf("%q is written as %s: %v", s, text(s), err)
			continue
		}
		if got := got.(map[string]any)["k"]; got != s {
			t.Errorf("%q is written as %s, which reads as %v", s, text(s), got)
		}
	}
	for s, want := range map[string]string{
		"tcp/0.0.0.0:5432": "tcp/0.0.0.0:5432", "10.0.0.1": "10.0.0.1", "5s": "5s", "a_b-c": "a_b-c",
		"12:30": `"12:30"`, "1.5": `"1.5"`, "Yes": `"Yes"`, "<a>": `"<a>"`,
	} {
		if got := text(s); got != want {
			t.Errorf("%q is written as %s, want %s", s, got, want)
		}
	}
}

func TestBootstrap(t *testing.T) {
	r := load(t, `listeners:
  db: {tcp: 5432, to: a}
  web: {tcp: 80, to: "www.example.com:80"}
backends: {a: {endpoints: [10.0.0.1:5432]}}
`)
	var b bytes.Buffer
	if err := Bootstrap(&b, r.Config, r.List); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Admin struct {
			Address map[string]map[string]any
		}
		Static struct {
			Listeners []map[string]any
			Clusters  []map[string]any
		} `yaml:"static_resources"`
	}
	if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if admin := got.Admin.Address["socket_address"]; admin["address"] != "127.0.0.1" || admin["port_value"] != 9901 {
		t.Errorf("admin on %v", admin)
	}
	if len(got.Static.Listeners) != 2 || len(got.Static.Clusters) != 2 {
		t.Errorf("%d listeners and %d clusters", len(got.Static.Listeners), len(got.Static.Clusters))
	}
	for _, c := range got.Static.Clusters {
		if c["load_assignment"] == nil || c["eds_cluster_config"] != nil {
			t.Errorf("cluster %v has no endpoints", c["name"])
		}
	}
	if strings.Contains(b.String(), "@type\": type.googleapis.com/envoy.config.cluster") {
		t.Error("a static resource with a type")
	}
	if !strings.Contains(b.String(), "  # -:4:12 backends.a\n  - name: a\n    type: STATIC\n") {
		t.Errorf("no comment above the cluster:\n%s", b.String())
	}
}

// What the file cannot give to the Envoy's process, it says.
func TestBootstrapSaysWhatTheProcessNeeds(t *testing.T) {
	const need = "start Envoy with CAP_NET_RAW or CAP_NET_ADMIN"
	for key, want := range map[string]bool{"freebind: true": false, "source: client": true, "transparent: tproxy": true} {
		r := load(t, "listeners: {a: {tcp: \"192.0.2.1:1\", to: 10.0.0.1:1, "+key+"}}\n")
		var b bytes.Buffer
		if err := Bootstrap(&b, r.Config, r.List); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), need); got != want {
			t.Errorf("%s: the file says %q: %t, want %t", key, need, got, want)
		}
	}
}

// An Envoy has one listener of a name, and `--mode validate` does not say so.
func TestBootstrapOfSeveralNodes(t *testing.T) {
	r := load(t, "listeners:\n  e: {tcp: 1, to: 10.0.0.1:1, nodes: {zone: e}}\n  w: {tcp: 1, to: 10.0.0.2:1, nodes: {zone: w}}\n")
	err := Bootstrap(&bytes.Buffer{}, r.Config, r.List)
	if want := `two listeners are named "tcp/0.0.0.0:1"; choose the node that the file is for`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	g, err := snapshot.Build(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Bootstrap(&bytes.Buffer{}, r.Config, g.View(config.Node{Zone: "w"}, 0).Resources()); err != nil {
		t.Errorf("of one node: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	for what, err := range map[string]error{
		"YAML":      YAML(brokenPipe{}, nil, nil),
		"JSON":      JSON(brokenPipe{}, nil),
		"message":   Message(brokenPipe{}, &corev3.Node{}),
		"bootstrap": Bootstrap(brokenPipe{}, nil, nil),
	} {
		if !errors.Is(err, errBrokenPipe) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

var errBrokenPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBrokenPipe }
