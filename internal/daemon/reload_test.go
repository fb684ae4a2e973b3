package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/watch"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

func TestABadEditKeepsTheLastGood(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"a mistake", wrong, "edge.yaml:3:10: error: listeners.db.tcp: "},
		{"syntax", "listeners: [\n", "error"},
		{"empty", "", "error"},
		{"cut in half", conf(1002)[:len(conf(1002))/2], "error"},
		{"nothing but a comment", "# all gone\n", "error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.start(nil)
			r.wantPort(1001)
			r.save(test.text)
			r.wantRefused(test.want, 1001)
			if code, _ := r.get("/readyz"); code != http.StatusOK {
				t.Errorf("/readyz: %d, want 200: the good configuration is still served", code)
			}
			if _, text := r.get("/metrics"); !strings.Contains(text, "l4xds_config_last_reload_successful 0\n") {
				t.Error("the metric does not say that the reload failed")
			}
			if said := r.config().Messages[0].String(); !strings.Contains(r.log.String(), quoted(said)) {
				t.Errorf("the log does not have the words of the status: %s", said)
			}
			r.save(conf(1003))
			r.wantPort(1003)
			if c := r.config(); c.State != "applied" || len(c.Messages) != 0 {
				t.Errorf("mended, but the status says %+v", c)
			}
		})
	}
}

// quoted is text as it stands inside a quoted value of a log line.
func quoted(text string) string { return strings.ReplaceAll(text, `"`, `\"`) }

func TestAMistakeIsReportedOnce(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.PollInterval = 5 * time.Millisecond })
	r.wantPort(1001)
	r.save(wrong)
	r.wantRefused("port 70000", 1001)
	r.save(conf(1002))
	r.wantPort(1002)
	if got := strings.Count(r.log.String(), "configuration refused"); got != 1 {
		t.Errorf("refused %d times in the log, want once", got)
	}
	want := `
# HELP l4xds_config_reloads_total Looks at the files that found something new or were asked for, by result.
# TYPE l4xds_config_reloads_total counter
l4xds_config_reloads_total{result="applied"} 2
l4xds_config_reloads_total{result="invalid"} 1
l4xds_config_reloads_total{result="io_error"} 0
l4xds_config_reloads_total{result="unchanged"} 0
`
	_, got := r.get("/metrics")
	for line := range strings.Lines(want) {
		if !strings.Contains(got, line) {
			t.Errorf("no %s in the metrics", line)
		}
	}
}

func TestAMistakeInAnEditInPlaceIsReportedWhenItIsOld(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(nil)
	r.wantPort(1001)
	begun := time.Now()
	r.write(r.file, wrong)
	r.wantRefused("port 70000", 1001)
	if took := time.Since(begun); took < shortGrace {
		t.Errorf("reported after %s, want at least %s: it could have been half written", took, shortGrace)
	}
}

func TestADeletedFileKeepsTheLastGood(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(nil)
	r.wantPort(1001)
	r.must(os.Remove(r.file))
	r.wantRefused("does not exist", 1001)
	if _, text := r.get("/metrics"); !strings.Contains(text, `l4xds_config_reloads_total{result="io_error"} 1`) ||
		!strings.Contains(text, `l4xds_config_source_healthy{source="`+r.file+`"} 0`) {
		t.Errorf("the metrics do not say that the file cannot be read:\n%s", text)
	}
	r.write(r.file, conf(1002))
	r.wantPort(1002)
}

func TestAMissingPathAtTheStart(t *testing.T) {
	r := newRig(t)
	r.bind(nil)
	err := r.daemon.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), r.file+": error: does not exist") {
		t.Errorf("Run: %v, want that %s does not exist", err, r.file)
	}
}

func TestWaitForConfig(t *testing.T) {
	for name, paths := range map[string]func(r *rig) string{
		"the file":      func(r *rig) string { return r.file },
		"its directory": func(r *rig) string { return filepath.Join(r.dir, "not", "yet", "edge.yaml") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := paths(r)
			r.start(func(o *Options) { o.WaitForConfig = true }, path)
			r.wantRefused("does not exist", 0)
			if code, _ := r.get("/readyz"); code != http.StatusServiceUnavailable {
				t.Errorf("/readyz: %d without a configuration", code)
			}
			if !strings.Contains(r.log.String(), "waiting for the configuration") {
				t.Errorf("the log does not say that it waits:\n%s", r.log)
			}
			r.must(os.MkdirAll(filepath.Dir(path), 0o700))
			r.write(path, conf(1001))
			r.wantPort(1001)
		})
	}
}

func TestABadFileAtTheStart(t *testing.T) {
	r := newRig(t)
	r.write(r.file, wrong)
	r.start(nil)
	r.wantRefused("port 70000", 0)
	if code, _ := r.get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d, want 200", code)
	}
	if code, text := r.get("/config"); code != http.StatusServiceUnavailable || !strings.Contains(text, "port 70000") {
		t.Errorf("/config: %d %s, want 503 and the mistake", code, text)
	}
	r.save(conf(1001))
	r.wantPort(1001)
}

func TestHangupLooksNow(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.bind(func(o *Options) { o.Watch = "off" })
	r.daemon.reloader.patience.grace = time.Hour // a person waits for the answer
	r.run()
	r.wantPort(1001)
	r.hangup <- syscall.SIGHUP
	r.until("unchanged", func() bool {
		_, text := r.get("/metrics")
		return strings.Contains(text, `l4xds_config_reloads_total{result="unchanged"} 1`)
	})
	r.save(conf(1002))
	r.hangup <- syscall.SIGHUP
	r.wantPort(1002)
	r.write(r.file, wrong)
	r.hangup <- syscall.SIGHUP
	r.wantRefused("port 70000", 1002)
}

// A thousand signals while the loop is busy are at most a look each, and never a queue behind the loop.
func TestAStormOfHangups(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.Watch = "off" })
	r.wantPort(1001)
	for range 1000 {
		select {
		case r.hangup <- syscall.SIGHUP: // as os/signal does it: what does not fit is dropped
		default:
		}
	}
	r.save(conf(1002))
	r.hangup <- syscall.SIGHUP
	r.wantPort(1002)
	if got := r.config().Generation; got > 2 {
		t.Errorf("generation %d after one edit, want 2", got)
	}
}

// An idle loop is alive all the same.
func TestTheLoopTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write(r.file, conf(1001))
		registry := prometheus.NewRegistry()
		loop := &reloader{
			paths: []string{r.file}, store: snapshot.NewStore(), model: status.New(status.Build{}, registry),
			watcher: watch.New(watch.Options{Registerer: registry}), serving: func() {}, compile: Compile,
			patience: patience{grace: grace, pause: pause}, log: slog.New(slog.DiscardHandler),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- loop.run(ctx) }()
		time.Sleep(time.Hour)
		if err := loop.model.Alive(); err != nil {
			t.Error(err)
		}
		cancel()
		r.must(<-done)
	})
}

func TestWarningsAreSaidToo(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001)+"backends: {unused: {endpoints: [10.0.0.1:1]}}\n")
	r.start(nil)
	r.wantPort(1001)
	c := r.config()
	if c.State != "applied" || len(c.Messages) != 1 || c.Messages[0].Severity != config.Warning {
		t.Fatalf("status %+v, want applied with one warning", c)
	}
	r.wantLog("warning about the configuration")
}

func TestOnlySomeOfManyMessagesAreLogged(t *testing.T) {
	r := newRig(t)
	r.write(r.file, "listeners:\n"+manyMistakes(30))
	r.start(nil)
	r.wantRefused("port 70000", 0)
	if got := strings.Count(r.log.String(), "error in the configuration"); got != logged {
		t.Errorf("%d messages are logged, want %d", got, logged)
	}
	if !strings.Contains(r.log.String(), "left_out=10") || len(r.config().Messages) != 30 {
		t.Errorf("%d messages in the status, want 30; log:\n%s", len(r.config().Messages), r.log)
	}
}

func manyMistakes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("  l" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ": {tcp: 70000, to: 10.0.0.1:1}\n")
	}
	return b.String()
}

func TestAPanicLosesOneReload(t *testing.T) {
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.bind(nil)
	honest := r.daemon.reloader.compile
	r.daemon.reloader.compile = func(src *config.Source, prev *Compiled, paths ...string) (*Compiled, config.Diagnostics, error) {
		c, messages, err := honest(src, prev, paths...)
		if c != nil && c.Config.Listeners[0].Binds[0].Port == 1002 {
			return nil, nil, &PanicError{Value: "out of range", Stack: []byte("here")}
		}
		return c, messages, err
	}
	r.run()
	r.wantPort(1001)
	r.save(conf(1002))
	r.wantRefused("internal error: out of range", 1001)
	if got := testutil.ToFloat64(r.daemon.reloader.panics); got != 1 {
		t.Errorf("l4xds_panics_recovered_total = %v, want 1", got)
	}
	r.save(conf(1003))
	r.wantPort(1003)
}

func TestCompileRecovers(t *testing.T) {
	_, _, err := Compile(nil, nil, "edge.yaml") // a look that does not exist: our mistake
	var panicked *PanicError
	if !errors.As(err, &panicked) || len(panicked.Stack) == 0 || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("error %v, want a PanicError with a stack", err)
	}
}

func TestChangedStanzas(t *testing.T) {
	load := func(text string) *config.Config {
		src := config.NewSource()
		src.Stdin(strings.NewReader(text))
		c, messages := config.Load(src, nil, "-")
		if c == nil {
			t.Fatal(messages)
		}
		return c
	}
	const base = "listeners:\n  a: {tcp: 1, udp: 1, to: web}\n  b: {tcp: 2, to: 10.0.0.1:1}\nbackends:\n  web: {endpoints: [10.0.0.1:1]}\n"
	tests := []struct {
		name, before, after string
		want                int
	}{
		{"all new", "", base, 3},
		{"a comment", base, "# new\n" + base, 0},
		{"one listener", base, strings.Replace(base, "tcp: 2", "tcp: 3", 1), 1},
		{"a backend, and the listener that uses it", base, strings.Replace(base, "[10.0.0.1:1]", "[10.0.0.2:1]", 1), 2},
		{"a rename", base, strings.Replace(base, "b: {", "c: {", 1), 2},
	}
	for _, test := range tests {
		var before *config.Config
		if test.before != "" {
			before = load(test.before)
		}
		if got := changedStanzas(before, load(test.after)); got != test.want {
			t.Errorf("%s: %d changed, want %d", test.name, got, test.want)
		}
	}
}
