//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// The addresses that docker-compose.yaml publishes.
const (
	east       = "127.0.0.1:15432"
	west       = "127.0.0.1:25432"
	admin      = "http://127.0.0.1:19000"
	prometheus = "http://127.0.0.1:19090"
)

// services is how many containers the demo has.
const services = 5

// TestCompose runs the demo on a real engine, and looks at it from the host, as a user would.
func TestCompose(t *testing.T) {
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	up(t, root)

	t.Run("bytes through both Envoys", func(t *testing.T) {
		wantTCP(t, east, "blue")
		wantUDP(t, east, "blue")
		wantTCP(t, west, "blue")
		wantTCP(t, west, "green")
		wantUDP(t, west, "green")
	})
	t.Run("an edit of the mounted file moves them", func(t *testing.T) {
		conn, err := echo.Dial(t.Context(), east)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		edit(t, filepath.Join(root, "deploy/compose/config/l4xds.yaml"), "to: blue, nodes: east", "to: green, nodes: east")
		wantTCP(t, east, "green")
		wantUDP(t, east, "green")
		if err := conn.Ask("still blue"); err != nil || conn.Backend != "blue" {
			t.Errorf("the open connection, on %s: %v", conn.Backend, err)
		}
	})
	t.Run("Prometheus has all three", func(t *testing.T) {
		wantSample(t, `count(up == 1)`, "3")
		wantSample(t, `l4xds_config_last_reload_successful`, "1")
		wantSample(t, `l4xds_xds_nodes{state="synced"}`, "2")
		wantSample(t, `count(envoy_tcp_downstream_cx_total > 0)`, "2")
	})
	t.Run("the status page answers the host", func(t *testing.T) {
		if page := get(t, admin+"/status"); !strings.Contains(page, "envoy-east") || !strings.Contains(page, "envoy-west") {
			t.Errorf("/status lacks an Envoy:\n%s", page)
		}
	})
	t.Run("nobody is root", func(t *testing.T) {
		wantNoRoot(t, root)
	})
}

// up starts everything, and takes it down at the end; a failed test shows the logs.
func up(t *testing.T, root string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(compose(t, root, "logs", "--no-color", "--tail", "50"))
		}
		compose(t, root, "down", "--volumes", "--remove-orphans")
		ours := []string{"--quiet", "--filter", "label=com.docker.compose.project=l4xds"}
		left := docker(t, root, append([]string{"ps", "--all"}, ours...)...) +
			docker(t, root, append([]string{"network", "ls"}, ours...)...)
		if left != "" {
			t.Errorf("containers or networks left after down: %s", left)
		}
	})
	start := time.Now()
	compose(t, root, "up", "--detach", "--wait")
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("all services are healthy after %.1f s", time.Since(start).Seconds())
}

// edit replaces words of the file, as an editor would, and puts the file back at the end.
func edit(t *testing.T, path, words, others string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Replace(string(before), words, others, 1)
	if after == string(before) {
		t.Fatalf("%s does not hold %q", path, words)
	}
	t.Cleanup(func() {
		if err := rig.Replace(path, string(before)); err != nil {
			t.Error(err)
		}
	})
	if err := rig.Replace(path, after); err != nil {
		t.Fatal(err)
	}
}

func wantTCP(t *testing.T, addr, backend string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		conn, err := echo.Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if conn.Backend != backend {
			return fmt.Errorf("tcp %s reached %s, not %s", addr, conn.Backend, backend)
		}
		return conn.Ask("hello")
	})
}

func wantUDP(t *testing.T, addr, backend string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		session, err := echo.OpenSession(ctx, addr)
		if err != nil {
			return err
		}
		defer func() { _ = session.Close() }()
		answer, err := session.Ask("hello", 500*time.Millisecond)
		if err == nil && answer.Backend != backend {
			err = fmt.Errorf("udp %s reached %s, not %s", addr, answer.Backend, backend)
		}
		return err
	})
}

// wantSample waits until Prometheus answers the query with one sample of this value.
func wantSample(t *testing.T, query, value string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := sample(ctx, query)
		if err == nil && got != value {
			err = fmt.Errorf("%s is %s, want %s", query, got, value)
		}
		return err
	})
}

func sample(ctx context.Context, query string) (string, error) {
	body, err := fetch(ctx, prometheus+"/api/v1/query?query="+url.QueryEscape(query))
	if err != nil {
		return "", err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("%s: %w: %s", query, err, body)
	}
	if len(answer.Data.Result) != 1 {
		return "", fmt.Errorf("%s has %d samples", query, len(answer.Data.Result))
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}

// get is the page at the address.
func get(t *testing.T, address string) string {
	t.Helper()
	body, err := fetch(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, response.Status)
	}
	return body, err
}

// wantNoRoot wants that no container runs as root, may write to its own file system, or has any capability.
func wantNoRoot(t *testing.T, root string) {
	t.Helper()
	ids := strings.Fields(compose(t, root, "ps", "--quiet"))
	if len(ids) != services {
		t.Errorf("%d containers run, want %d", len(ids), services)
	}
	for _, id := range ids {
		name, pid, _ := strings.Cut(docker(t, root, "inspect", "--format", "{{.Name}} {{.State.Pid}}", id), " ")
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			fields := strings.Fields(value)
			if key == "Uid" && fields[0] == "0" || key == "CapEff" && strings.Trim(fields[0], "0") != "" {
				t.Errorf("%s: %s", name, strings.TrimSpace(line))
			}
		}
	}
}

func eventually(t *testing.T, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := rig.Patience(t.Context())
	defer cancel()
	if err := rig.Until(ctx, func() error { return try(ctx) }); err != nil {
		t.Fatal(err)
	}
}

// compose runs `docker compose` and tells what it printed.
func compose(t *testing.T, root string, args ...string) string {
	t.Helper()
	return docker(t, root, append([]string{"compose"}, args...)...)
}

func docker(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return strings.TrimSpace(string(text))
}
