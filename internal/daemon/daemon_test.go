package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long is how long a test waits for what must come; only a failing test uses it up.
const long = 15 * time.Second

// shortGrace is how old a mistake has to be before it is reported, in tests that wait for it.
const shortGrace = 300 * time.Millisecond

// rig is a daemon on a configuration of its own.
type rig struct {
	t      *testing.T
	dir    string
	file   string // the usual configuration file, in dir
	hangup chan os.Signal
	log    *log
	daemon *Daemon

	cancel context.CancelFunc
	done   chan error // what Run returned
}

// newRig makes a rig with a directory and no daemon yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "conf")
	r := &rig{t: t, dir: dir, file: filepath.Join(dir, "edge.yaml"), hangup: make(chan os.Signal, 1), log: &log{}}
	r.must(os.Mkdir(dir, 0o700))
	return r
}

// start runs a daemon on paths, or on the usual file, until the test ends.
func (r *rig) start(change func(*Options), paths ...string) {
	r.t.Helper()
	r.bind(change, paths...)
	r.run()
}

// bind makes the daemon without running it.
func (r *rig) bind(change func(*Options), paths ...string) {
	r.t.Helper()
	if len(paths) == 0 {
		paths = []string{r.file}
	}
	o := Options{
		Paths: paths, XDS: "127.0.0.1:0", Admin: "127.0.0.1:0", Watch: watch.Auto, PollInterval: time.Hour,
		Settle: 50 * time.Millisecond, ShutdownTime: 5 * time.Second, Hangup: r.hangup,
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	d, err := New(o)
	r.must(err)
	d.reloader.patience.grace = shortGrace
	r.daemon = d
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.daemon.Run(ctx) }()
	r.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			r.t.Errorf("Run: %v", err)
		}
		if r.t.Failed() {
			r.t.Logf("log of the daemon:\n%s", r.log)
		}
	})
}

// stop ends the daemon, once, and returns what Run did.
func (r *rig) stop() error {
	r.cancel()
	return r.wait()
}

// wait is what Run returned.
func (r *rig) wait() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(long):
		r.t.Fatal("the daemon does not end")
		return nil
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// conf is a configuration that one recognises by its port.
func conf(port int) string {
	return fmt.Sprintf("listeners:\n  db:\n    tcp: %d\n    to: 10.0.0.1:5432\n", port)
}

// wrong is a configuration with a mistake.
const wrong = "listeners:\n  db:\n    tcp: 70000\n    to: 10.0.0.1:5432\n"

// save replaces the usual file in one step.
func (r *rig) save(text string) {
	r.t.Helper()
	r.replace(r.file, text)
}

func (r *rig) replace(path, text string) {
	r.t.Helper()
	part := filepath.Join(filepath.Dir(path), ".part")
	r.write(part, text)
	r.must(os.Rename(part, path))
}

// write writes in place.
func (r *rig) write(path, text string) {
	r.t.Helper()
	r.must(os.WriteFile(path, []byte(text), 0o600))
}

// port is that of the first listener in force, 0 if nothing is.
func (r *rig) port() int {
	c := r.daemon.model.InForce()
	if c == nil || len(c.Listeners) == 0 {
		return 0
	}
	return int(c.Listeners[0].Binds[0].Port)
}

func (r *rig) config() status.Config { return r.daemon.model.Report().Config }

func (r *rig) wantPort(port int) {
	r.t.Helper()
	r.until(fmt.Sprintf("port %d in force", port), func() bool { return r.port() == port })
}

// wantRefused waits until a message with that text is there, and nothing but port is in force.
func (r *rig) wantRefused(text string, port int) {
	r.t.Helper()
	r.until("message "+text, func() bool {
		c := r.config()
		return c.State == status.NotInForce && len(c.Messages) > 0 && strings.Contains(c.Messages[0].String(), text)
	})
	if got := r.port(); got != port {
		r.t.Errorf("port %d is in force, want %d", got, port)
	}
}

// wantLog waits until the log says text.
func (r *rig) wantLog(text string) {
	r.t.Helper()
	r.until("log "+text, func() bool { return strings.Contains(r.log.String(), text) })
}

// until waits for a condition of the daemon, of which it gets no word.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(long); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not in %s: %s; status %+v", long, what, r.config())
		}
	}
}

// get asks the admin address.
func (r *rig) get(path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.daemon.AdminAddr().String()+path, nil)
	r.must(err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: long}
	answer, err := client.Do(request)
	r.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	r.must(err)
	return answer.StatusCode, string(text)
}

// dial connects to the xDS address.
func (r *rig) dial() *grpc.ClientConn {
	r.t.Helper()
	conn, err := grpc.NewClient(r.daemon.XDSAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	r.must(err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// log is a buffer that may be written and read at once.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestLife(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(nil)
	r.wantPort(1001)
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n", "/config": "1001", "/status": `"state": "applied"`,
		"/metrics": "l4xds_config_last_reload_successful 1",
	} {
		if code, text := r.get(path); code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: %d, want 200 with %q:\n%s", path, code, want, text)
		}
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, address := range []net.Addr{r.daemon.XDSAddr(), r.daemon.AdminAddr()} {
		l, err := net.Listen("tcp", address.String())
		if err != nil {
			t.Errorf("the daemon has ended, but its address is taken: %v", err)
			continue
		}
		_ = l.Close()
	}
}

func TestATakenPortIsAnErrorOfNew(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]Options{
		"xDS":   {XDS: taken.Addr().String(), Admin: "127.0.0.1:0"},
		"admin": {XDS: "127.0.0.1:0", Admin: taken.Addr().String()},
	} {
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s address is taken: error %v", name, err)
		}
	}
}

func TestAFailedNewLeavesNoPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_ = free.Close()
	if _, err := New(Options{XDS: free.Addr().String(), Admin: taken.Addr().String()}); err == nil {
		t.Fatal("no error, though the admin address is taken")
	}
	again, err := net.Listen("tcp", free.Addr().String())
	if err != nil {
		t.Fatalf("the xDS address is still taken: %v", err)
	}
	_ = again.Close()
}

func TestAnOpenXDSAddressHasToBeAskedFor(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		_, err := New(Options{XDS: address, Admin: "127.0.0.1:0"})
		if err == nil || !strings.Contains(err.Error(), "--insecure-xds") {
			t.Errorf("%s: error %v, want one that names --insecure-xds", address, err)
		}
	}
	if _, err := New(Options{XDS: "127.0.0.1", Admin: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "missing port") {
		t.Errorf("no port: error %v", err)
	}
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.XDS, o.InsecureXDS = "0.0.0.0:0", true })
	r.wantPort(1001)
}

func TestStreamsAreAnsweredOnceThereIsAGoodFile(t *testing.T) {
	r := newRig(t)
	r.write(r.file, wrong)
	r.start(nil)
	r.wantRefused("port 70000", 0)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(r.dial()).DeltaAggregatedResources(t.Context())
	r.must(err)
	r.must(stream.Send(&discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{Id: "n", Cluster: "c"}, TypeUrl: resourcev3.ClusterType,
	}))
	answers := make(chan *discoveryv3.DeltaDiscoveryResponse, 1)
	go func() {
		answer, _ := stream.Recv()
		answers <- answer
	}()
	r.until("stream seen", func() bool { return len(r.daemon.model.Report().Nodes) == 1 })
	if code, text := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "port 70000") {
		t.Errorf("/readyz: %d %s, want 503 and the mistake", code, text)
	}
	select {
	case answer := <-answers:
		t.Fatalf("an answer without a configuration: %v", answer)
	default:
	}
	r.save(conf(1002))
	select {
	case answer := <-answers:
		if len(answer.GetResources()) != 1 {
			t.Errorf("answer %v, want the one cluster", answer)
		}
	case <-time.After(long):
		t.Fatal("no answer after a good save")
	}
}

func TestHealthOverGRPC(t *testing.T) {
	r := newRig(t)
	r.write(r.file, wrong)
	r.start(nil)
	client := healthv1.NewHealthClient(r.dial())
	serving := func() healthv1.HealthCheckResponse_ServingStatus {
		answer, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{})
		r.must(err)
		return answer.GetStatus()
	}
	r.wantRefused("port 70000", 0)
	if got := serving(); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("without a configuration: %v", got)
	}
	r.save(conf(1002))
	r.until("serving", func() bool { return serving() == healthv1.HealthCheckResponse_SERVING })
}

// Only what is meant to be there is registered: a service that is not there needs no protection.
func TestServices(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(nil)
	want := map[string]bool{"envoy.service.discovery.v3.AggregatedDiscoveryService": true, "grpc.health.v1.Health": true}
	for name := range r.daemon.grpc.GetServiceInfo() {
		if !want[name] {
			t.Errorf("service %s is served", name)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not served: %v", want)
	}
}

func TestOpenStreamsDoNotHoldUpTheEnd(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.ShutdownTime = 100 * time.Millisecond })
	conn := r.dial()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context())
	r.must(err)
	r.must(stream.Send(&discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{Id: "n", Cluster: "c"}, TypeUrl: resourcev3.ClusterType,
	}))
	_, err = stream.Recv()
	r.must(err)
	watching, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{}) // never ends by itself
	r.must(err)
	_, err = watching.Recv()
	r.must(err)
	begun := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(begun); took > long/2 {
		t.Errorf("the end took %s with a shutdown time of 100ms", took)
	}
}

// Discovery streams never end by themselves, so that a graceful stop has to end them.
func TestStreamsAreEnded(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.ShutdownTime = 10 * long })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(r.dial()).DeltaAggregatedResources(t.Context())
	r.must(err)
	r.must(stream.Send(&discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{Id: "n", Cluster: "c"}, TypeUrl: resourcev3.ClusterType,
	}))
	_, err = stream.Recv()
	r.must(err)
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := stream.Recv(); grpcstatus.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v, want %v, so that the Envoy comes back", err, codes.Unavailable)
	}
}

func TestAPartThatFailsEndsTheDaemon(t *testing.T) {
	for name, broken := range map[string]func(*Daemon) net.Listener{
		"serve xDS":               func(d *Daemon) net.Listener { return d.xdsListener },
		"serve the admin address": func(d *Daemon) net.Listener { return d.adminListener },
	} {
		r := newRig(t)
		r.write(r.file, conf(1001))
		r.bind(nil)
		r.must(broken(r.daemon).Close())
		if err := r.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Run: %v, want that it could not %s", err, name)
		}
	}
}

func TestMetricsAreClean(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(nil)
	r.wantPort(1001)
	_, text := r.get("/metrics")
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, " ")
		name, labels, _ := strings.Cut(name, "{")
		seen[name] = true
		if strings.Contains(labels, "node") || strings.Contains(labels, "stream") {
			t.Errorf("a series per node or stream: %s", line)
		}
	}
	for _, name := range []string{
		"l4xds_config_last_reload_successful", "l4xds_config_last_reload_success_timestamp_seconds",
		"l4xds_config_reloads_total", "l4xds_config_reload_duration_seconds_count", "l4xds_config_info",
		"l4xds_config_objects", "l4xds_config_source_healthy", "l4xds_watch_events_total", "l4xds_watch_errors_total",
		"l4xds_watch_mode", "l4xds_snapshot_resources", "l4xds_xds_streams", "l4xds_xds_nodes",
		"l4xds_xds_responses_total", "l4xds_xds_response_bytes_total", "l4xds_xds_acks_total", "l4xds_xds_nacks_total",
		"l4xds_xds_push_to_ack_seconds_count", "l4xds_xds_change_to_synced_seconds_count", "l4xds_build_info",
	} {
		if !seen[name] {
			t.Errorf("no metric %s", name)
		}
	}
}
