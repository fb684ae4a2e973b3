// Package watch says when it is time to look at the configuration again.
//
//	file system events, time -> watch -> "look" -> internal/daemon reads the files and decides by their content
//
// Events are hints only: they are lost on network file systems, in single-file mounts and when a queue overflows. So
// the watcher never says what changed, polls as well, and watches the directories that the loader read from rather
// than the files in them, which editors and ConfigMaps replace.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
)

// Mode is how changes are noticed.
type Mode string

// The modes.
const (
	// Auto hears events and polls as well; it only polls where events cannot be had.
	Auto Mode = "auto"
	// Events hears events only, and is an error where they cannot be had.
	Events Mode = "events"
	// Poll only polls.
	Poll Mode = "poll"
	// Off never looks by itself.
	Off Mode = "off"
)

// Modes are all modes, in the order of the documentation.
func Modes() []Mode { return []Mode{Auto, Events, Poll, Off} }

// remotePoll is the longest poll interval for files on a network file system, which sends no events for changes made
// elsewhere.
const remotePoll = time.Second

// Options say how to watch.
type Options struct {
	Mode Mode
	// PollInterval is the time between two looks when nothing is heard; above 0.
	PollInterval time.Duration
	// Settle is how long it must be quiet after a change that was not made in one step; 0 waits for nothing.
	Settle time.Duration
	// Log hears what cannot be watched.
	Log *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Targets are what to watch.
type Targets struct {
	// Paths are the directories that the configuration was read from, and files that are mount points themselves: no
	// event in their directory speaks of them.
	Paths []string
	// Only is the file that is the whole configuration, empty if it is made of several.
	Only string
}

// Watcher watches. Its zero value is of no use: see [New].
type Watcher struct {
	options Options
	metrics metrics
	hints   chan Hint
	targets chan Targets

	// The two questions to the system, which tests answer themselves.
	notify func() (*fsnotify.Watcher, error)
	remote func(path string) bool
}

// New returns a watcher that does nothing until it runs.
func New(o Options) *Watcher {
	return &Watcher{
		options: o,
		metrics: newMetrics(o.Registerer),
		hints:   make(chan Hint, 1),
		targets: make(chan Targets, 1),
		notify:  fsnotify.NewWatcher,
		remote:  remote,
	}
}

// Hints is where the watcher says that it is time to look. Hints that were not taken yet are merged into one.
func (w *Watcher) Hints() <-chan Hint { return w.hints }

// Arm replaces what is watched, to be called after each look by the one goroutine that looks. It does not block. Where
// something is newly watched another hint follows, for it may have changed between the look and now.
func (w *Watcher) Arm(t Targets) {
	select {
	case <-w.targets: // not taken yet, and outdated now
	default:
	}
	w.targets <- t
}

// Run watches until ctx ends. It fails only in the mode Events, where events cannot be had.
func (w *Watcher) Run(ctx context.Context) error {
	edge, mode, err := w.open()
	if err != nil {
		return err
	}
	defer edge.close()
	w.metrics.in(mode)
	if mode == Off {
		<-ctx.Done()
		return nil
	}
	w.loop(ctx, edge, mode)
	return nil
}

// open gets events from the kernel as far as the mode wants them, and says which mode that makes.
func (w *Watcher) open() (*edge, Mode, error) {
	if mode := w.options.Mode; mode == Poll || mode == Off {
		return &edge{}, mode, nil
	}
	notify, err := w.notify()
	switch {
	case err == nil:
		return newEdge(notify, w.options.Log, w.metrics), w.options.Mode, nil
	case w.options.Mode == Events:
		return nil, "", fmt.Errorf("watch for file system events: %w", err)
	default:
		w.metrics.errors.Inc()
		w.options.Log.Warn("no file system events, files are polled only",
			"interval", w.options.PollInterval, "error", err)
		return &edge{}, Poll, nil
	}
}

func (w *Watcher) loop(ctx context.Context, e *edge, mode Mode) {
	s := state{settle: w.options.Settle, polled: time.Now(), poll: w.interval(mode, nil)}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		setTimer(timer, s.deadline())
		var o observation
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			o.kind = ticked
		case event := <-e.events:
			w.metrics.events.Inc()
			o.kind, o.path = translate(event)
		case err := <-e.errors:
			w.metrics.errors.Inc()
			w.options.Log.Warn("file system events were lost", "error", err)
			o.kind = lost
		case t := <-w.targets:
			o = observation{kind: armed, whole: wholes(t.Only), poll: w.interval(mode, t.Paths), fresh: e.watch(t.Paths)}
		}
		o.at = time.Now()
		var hint Hint
		if s, hint = step(s, o); hint != 0 {
			w.say(hint)
		}
	}
}

// say hands a hint over without waiting for the reader. Only loop sends, so there is room once the old one is out.
func (w *Watcher) say(hint Hint) {
	select {
	case pending := <-w.hints:
		hint = merge(pending, hint)
	default:
	}
	w.hints <- hint
}

// interval is how often to poll when these paths are watched; 0 is never.
func (w *Watcher) interval(mode Mode, paths []string) time.Duration {
	switch {
	case mode == Events:
		return 0
	case slices.ContainsFunc(paths, w.remote):
		return min(remotePoll, w.options.PollInterval)
	default:
		return w.options.PollInterval
	}
}

// setTimer makes t fire at the deadline, or not in this life if there is none.
func setTimer(t *time.Timer, deadline time.Time) {
	if deadline.IsZero() {
		t.Stop()
		return
	}
	t.Reset(time.Until(deadline))
}

// wholes are the names under which the replacement of the one file is heard: its own, and what its links lead to.
func wholes(only string) []string {
	if only == "" {
		return nil
	}
	names := []string{absolute(only)}
	if target, err := filepath.EvalSymlinks(only); err == nil {
		names = append(names, absolute(target))
	}
	return names
}

// absolute makes path comparable with the paths in events. Without a working directory it stays as it is, and edits
// have to settle.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// translate tells in our words what an event means.
func translate(e fsnotify.Event) (kind, string) {
	path := filepath.Clean(e.Name)
	switch {
	case e.Has(fsnotify.Create):
		return appeared, path
	case e.Has(fsnotify.Rename):
		return vanished, path
	default:
		return changed, path
	}
}

// edge is the list of watched paths and the events that come from them. The zero edge watches nothing and hears
// nothing. It is owned by the goroutine that runs the watcher.
type edge struct {
	notify  *fsnotify.Watcher // nil: none
	events  <-chan fsnotify.Event
	errors  <-chan error
	refused map[string]bool // paths that could not be watched, so that each is said once
	log     *slog.Logger
	metrics metrics
}

func newEdge(notify *fsnotify.Watcher, log *slog.Logger, m metrics) *edge {
	return &edge{
		notify: notify, events: notify.Events, errors: notify.Errors,
		refused: map[string]bool{}, log: log, metrics: m,
	}
}

func (e *edge) close() {
	if e.notify != nil {
		_ = e.notify.Close() // nothing can be lost by it
	}
}

// watch makes paths the watched ones, and reports whether there is a new one among them. A directory that was deleted
// or renamed has dropped out of the list by itself, and its successor counts as new.
func (e *edge) watch(paths []string) bool {
	if e.notify == nil {
		return false
	}
	have, fresh := e.notify.WatchList(), false
	want := make([]string, len(paths))
	for i, path := range paths {
		want[i] = absolute(path)
		if !slices.Contains(have, want[i]) {
			fresh = e.add(want[i]) || fresh
		}
	}
	for _, path := range have {
		if !slices.Contains(want, path) {
			_ = e.notify.Remove(path) // gone by itself, at worst
		}
	}
	return fresh
}

// add watches path and reports whether there is a reason to look. A path that is missing was there at the last look, and
// nobody would hear of its return: the next look watches what is above it. The usual cause of any other failure is a
// limit of the kernel; polling then finds what is not heard.
func (e *edge) add(path string) bool {
	err := e.notify.Add(path)
	switch {
	case err == nil:
		delete(e.refused, path)
		return true
	case errors.Is(err, fs.ErrNotExist):
		return true
	case !e.refused[path]:
		e.refused[path] = true
		e.metrics.errors.Inc()
		e.log.Warn("directory cannot be watched, its changes are found by polling only", "path", path, "error", err)
	}
	return false
}
