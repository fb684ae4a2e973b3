package watch

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// patience is how long a test waits for what must come; only a failing test uses it up.
const patience = 10 * time.Second

// running starts a watcher that ends with the test, and its log.
func running(t *testing.T, o Options) (*Watcher, *log) {
	t.Helper()
	w, l := inert(o)
	run(t, w)
	return w, l
}

// inert is a watcher that does not run yet.
func inert(o Options) (*Watcher, *log) {
	l := &log{}
	o.Log, o.Registerer = slog.New(slog.NewTextHandler(l, nil)), prometheus.NewRegistry()
	return New(o), l
}

func run(t *testing.T, w *Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// arm watches the directory of path and takes the hint that follows.
func arm(t *testing.T, w *Watcher, path string) {
	t.Helper()
	w.Arm(Targets{Paths: []string{filepath.Dir(path)}, Only: path})
	wantHint(t, w, Due)
}

func wantHint(t *testing.T, w *Watcher, want Hint) {
	t.Helper()
	select {
	case got := <-w.Hints():
		if got != want {
			t.Fatalf("hint %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("no hint, want %v", want)
	}
}

func TestRealChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, dir string)
		want   Hint
	}{
		{"written in place", writeInPlace, Quiet},
		{"renamed over", renameOver, Whole},
		{"moved in from elsewhere", moveIn, Quiet},
		{"removed", removeFile, Quiet},
		{"the directory replaced", replaceDirectory, Quiet},
		{"..data swapped", swapData, Whole},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/conf"
			mkdir(t, dir)
			write(t, dir+"/edge.yaml", "a")
			w, _ := running(t, Options{Mode: Events, Settle: 50 * time.Millisecond})
			arm(t, w, dir+"/edge.yaml")
			test.change(t, dir)
			wantHint(t, w, test.want)
		})
	}
}

func writeInPlace(t *testing.T, dir string) {
	t.Helper()
	write(t, dir+"/edge.yaml", "b")
}

func renameOver(t *testing.T, dir string) {
	t.Helper()
	write(t, dir+"/.tmp", "b")
	rename(t, dir+"/.tmp", dir+"/edge.yaml")
}

func moveIn(t *testing.T, dir string) {
	t.Helper()
	other := t.TempDir()
	write(t, other+"/edge.yaml", "b")
	rename(t, other+"/edge.yaml", dir+"/edge.yaml")
}

func removeFile(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Remove(dir+"/edge.yaml"))
}

func replaceDirectory(t *testing.T, dir string) {
	t.Helper()
	rename(t, dir, dir+".old")
	mkdir(t, dir)
}

func swapData(t *testing.T, dir string) {
	t.Helper()
	symlink(t, "nowhere", dir+"/..data_tmp")
	rename(t, dir+"/..data_tmp", dir+"/..data")
}

func TestEachReplacementIsHeard(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/edge.yaml", "a")
	w, _ := running(t, Options{Mode: Events, Settle: time.Hour})
	arm(t, w, dir+"/edge.yaml")
	for range 100 {
		write(t, dir+"/.tmp", "b")
		rename(t, dir+"/.tmp", dir+"/edge.yaml")
		wantHint(t, w, Whole)
	}
	if got := testutil.ToFloat64(w.metrics.events); got < 300 {
		t.Errorf("l4xds_watch_events_total = %v after 100 replacements of at least 3 events each", got)
	}
}

func TestReplacementBehindALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, elsewhere+"/real.yaml", "a")
	symlink(t, elsewhere+"/real.yaml", dir+"/edge.yaml")
	w, _ := running(t, Options{Mode: Events, Settle: time.Hour})
	w.Arm(Targets{Paths: []string{dir, elsewhere}, Only: dir + "/edge.yaml"})
	wantHint(t, w, Due)
	write(t, elsewhere+"/.tmp", "b")
	rename(t, elsewhere+"/.tmp", elsewhere+"/real.yaml")
	wantHint(t, w, Whole)
}

func TestArmingAnewStopsTheOldWatches(t *testing.T) {
	old, current := t.TempDir(), t.TempDir()
	w, _ := running(t, Options{Mode: Events})
	arm(t, w, old+"/edge.yaml")
	arm(t, w, current+"/edge.yaml")
	write(t, old+"/edge.yaml", "a")
	write(t, current+"/edge.yaml", "a")
	wantHint(t, w, Quiet)
	if events := testutil.ToFloat64(w.metrics.events); events > 2 { // CREATE and WRITE, of the current one
		t.Errorf("%v events were heard, so the old directory is still watched", events)
	}
}

func TestAMountedFileIsWatchedItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/edge.yaml", "a")
	w, _ := running(t, Options{Mode: Events})
	w.Arm(Targets{Paths: []string{dir + "/edge.yaml"}})
	wantHint(t, w, Due)
	write(t, dir+"/edge.yaml", "b")
	wantHint(t, w, Quiet)
}

// TestWhatIsGoneIsLookedAt: a directory that vanished between the look and now may be back before anybody listens.
func TestWhatIsGoneIsLookedAt(t *testing.T) {
	w, l := running(t, Options{Mode: Events})
	arm(t, w, filepath.Join(t.TempDir(), "gone", "edge.yaml"))
	if l.String() != "" {
		t.Errorf("said %q", l)
	}
}

func TestPollNeedsNoEvents(t *testing.T) {
	w, _ := running(t, Options{Mode: Poll, PollInterval: 10 * time.Millisecond})
	for range 3 {
		wantHint(t, w, Due)
	}
	if got := mode(t, w); got != Poll {
		t.Errorf("mode %q, want %q", got, Poll)
	}
}

func TestOffNeverLooks(t *testing.T) {
	dir := t.TempDir()
	w, _ := running(t, Options{Mode: Off, PollInterval: time.Millisecond})
	w.Arm(Targets{Paths: []string{dir}})
	w.Arm(Targets{Paths: []string{dir}}) // nobody takes the first one: it must not block
	write(t, dir+"/edge.yaml", "a")
	select {
	case hint := <-w.Hints():
		t.Errorf("hint %v though watching is off", hint)
	case <-time.After(50 * time.Millisecond):
	}
}

func TestWithoutInotifyItPolls(t *testing.T) {
	w, l := inert(Options{Mode: Auto, PollInterval: 10 * time.Millisecond})
	w.notify = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
	run(t, w)
	wantHint(t, w, Due)
	if got := mode(t, w); got != Poll {
		t.Errorf("mode %q, want %q", got, Poll)
	}
	if !strings.Contains(l.String(), "too many open files") {
		t.Errorf("the log does not say why: %s", l)
	}
}

func TestEventsModeWithoutInotifyIsAnError(t *testing.T) {
	w, _ := inert(Options{Mode: Events})
	limit := errors.New("too many open files")
	w.notify = func() (*fsnotify.Watcher, error) { return nil, limit }
	if err := w.Run(t.Context()); !errors.Is(err, limit) {
		t.Errorf("Run = %v, want %v", err, limit)
	}
}

func TestWhatCannotBeWatchedIsSaidOnce(t *testing.T) {
	w, l := running(t, Options{Mode: Auto, PollInterval: time.Hour})
	missing, odd := t.TempDir()+"/missing", "/dev/null/x"
	for range 3 {
		fresh := t.TempDir() // its hint tells when the list has been taken
		w.Arm(Targets{Paths: []string{missing, odd, fresh}})
		wantHint(t, w, Due)
	}
	if got := strings.Count(l.String(), "cannot be watched"); got != 1 {
		t.Errorf("%d messages, want 1 for the odd path and none for the missing one:\n%s", got, l)
	}
	if got := testutil.ToFloat64(w.metrics.errors); got != 1 {
		t.Errorf("l4xds_watch_errors_total = %v, want 1", got)
	}
}

func TestWhatWorkedInBetweenIsSaidAgain(t *testing.T) {
	parent := t.TempDir() + "/parent"
	w, l := running(t, Options{Mode: Auto, PollInterval: time.Hour})
	again := func() {
		w.Arm(Targets{Paths: []string{parent + "/x", t.TempDir()}})
		wantHint(t, w, Due)
	}
	write(t, parent, "a file has no directories")
	again()
	must(t, os.Remove(parent))
	must(t, os.MkdirAll(parent+"/x", 0o700))
	again()
	must(t, os.RemoveAll(parent))
	wantHint(t, w, Quiet)
	write(t, parent, "a file again")
	again()
	if got := strings.Count(l.String(), "cannot be watched"); got != 2 {
		t.Errorf("%d messages, want one before and one after it could be watched:\n%s", got, l)
	}
}

func TestRemoteFilesArePolledMoreOften(t *testing.T) {
	tests := []struct {
		mode     Mode
		interval time.Duration
		path     string
		want     time.Duration
	}{
		{Auto, 5 * time.Second, "/local", 5 * time.Second},
		{Auto, 5 * time.Second, "/remote", time.Second},
		{Poll, 5 * time.Second, "/remote", time.Second},
		{Poll, 100 * time.Millisecond, "/remote", 100 * time.Millisecond},
		{Events, 5 * time.Second, "/remote", 0},
	}
	for _, test := range tests {
		w, _ := inert(Options{PollInterval: test.interval})
		w.remote = func(path string) bool { return path == "/remote" }
		if got := w.interval(test.mode, []string{"/other", test.path}); got != test.want {
			t.Errorf("%s of %s every %s: polls every %s, want %s", test.mode, test.path, test.interval, got, test.want)
		}
	}
}

func TestLostEventsAreAReasonToLook(t *testing.T) {
	w, l := inert(Options{Mode: Auto, PollInterval: time.Hour})
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	w.notify = func() (*fsnotify.Watcher, error) { return notify, nil }
	run(t, w)
	notify.Errors <- fsnotify.ErrEventOverflow
	wantHint(t, w, Quiet)
	if !strings.Contains(l.String(), "lost") {
		t.Errorf("the log does not say that events were lost: %s", l)
	}
}

func TestUnreadHintsBecomeOne(t *testing.T) {
	w, _ := inert(Options{})
	w.say(Whole)
	w.say(Due)
	wantHint(t, w, Whole)
	select {
	case hint := <-w.Hints():
		t.Errorf("a second hint, %v", hint)
	default:
	}
}

func TestMetrics(t *testing.T) {
	w, _ := inert(Options{})
	w.metrics.in(Auto)
	reg := w.options.Registerer.(*prometheus.Registry)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	want := "l4xds_watch_errors_total l4xds_watch_events_total l4xds_watch_mode"
	if n, err := testutil.GatherAndCount(reg, strings.Fields(want)...); err != nil || n != 3 {
		t.Errorf("%d of the metrics %s, error %v", n, want, err)
	}
}

// mode is the one mode that the metric shows.
func mode(t *testing.T, w *Watcher) Mode {
	t.Helper()
	for _, m := range Modes() {
		if testutil.ToFloat64(w.metrics.mode.WithLabelValues(string(m))) == 1 {
			return m
		}
	}
	return ""
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

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.Rename(from, to))
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	must(t, os.Mkdir(path, 0o700))
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	must(t, os.Symlink(target, path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
