package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/watch"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// heartbeat is how often the reload loop shows that it is alive.
const heartbeat = 5 * time.Second

// logged is how many messages about one state of the files are logged; the status has them all.
const logged = 20

// reloader keeps what is served in step with the files. One goroutine runs it and owns all its state.
type reloader struct {
	paths         []string
	waitForConfig bool
	hangup        <-chan os.Signal
	watcher       *watch.Watcher
	store         *snapshot.Store
	model         *status.Model
	serving       func() // told when there is a good configuration
	compile       func(*config.Source, *Compiled, ...string) (*Compiled, config.Diagnostics, error)
	notifier      notifier
	panics        prometheus.Counter
	log           *slog.Logger

	source   *config.Source // the latest look
	inForce  *Compiled      // nil: nothing yet
	behind   bool           // whether the files, as they are now, are not in force
	patience patience
}

// run looks at the files now, and whenever there is a reason, until ctx ends. It fails only at the start, for a path
// that does not exist.
func (r *reloader) run(ctx context.Context) error {
	if err := r.start(); err != nil {
		return err
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		r.model.Tick()
		if next := r.patience.next; next.IsZero() {
			again.Stop()
		} else {
			again.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-again.C:
			r.look(unsure)
		case hint := <-r.watcher.Hints():
			r.look(trusted(hint))
		case <-r.hangup:
			r.lookOnDemand()
		}
	}
}

// trusted is how far the content can be trusted to be complete after a hint.
func trusted(h watch.Hint) trust {
	switch h {
	case watch.Whole:
		return replaced
	case watch.Quiet:
		return quiet
	default:
		return unsure
	}
}

// start is the first look. Bad content is no reason to end: the next save may mend it.
func (r *reloader) start() error {
	r.source = config.NewSource()
	messages := r.judge(time.Now(), certain)
	if i := slices.IndexFunc(messages, config.IsMissing); i >= 0 && !r.waitForConfig {
		return fmt.Errorf("%s; --wait-for-config waits for it", messages[i])
	}
	r.tell("READY=1\n" + r.state())
	return nil
}

// lookOnDemand looks because a person asked for it, and answers even if nothing is new.
func (r *reloader) lookOnDemand() {
	r.tell(reloading())
	defer func() { r.tell("READY=1\n" + r.state()) }()
	if !r.look(certain) {
		r.log.Info("configuration is unchanged", "hash", r.hash())
		r.model.Reloaded(status.Reload{Result: status.Unchanged, Began: time.Now()})
	}
}

// look reads the files again, and reports whether there was anything new in them.
func (r *reloader) look(t trust) bool {
	began := time.Now()
	r.source = r.source.Again()
	if sum := r.source.Sum(); sum == r.patience.judged {
		r.patience.judge(began, sum, true, t)
		r.arm()
		return false
	}
	r.judge(began, t)
	return true
}

// judge takes the content of the latest look, which began then, down the whole way, and puts it in force or reports it
// if it is settled. It returns all messages, also those of content that has to wait.
func (r *reloader) judge(began time.Time, t trust) config.Diagnostics {
	next, messages, err := r.compile(r.source, r.inForce, r.paths...)
	defer r.rest()
	switch {
	case err != nil:
		t = certain // no half-written file does that
	case t == replaced && slices.ContainsFunc(messages, config.IsHalfDone):
		t = quiet // the other file is on its way
	}
	if r.patience.judge(began, r.source.Sum(), next != nil, t) != settled {
		return messages
	}
	r.model.Sources(readable(r.paths, messages))
	r.behind = true
	switch {
	case err != nil:
		r.failed(began, messages, err)
	case next == nil:
		r.refused(began, messages)
	default:
		r.applied(began, messages, next)
	}
	r.tell(r.state())
	return messages
}

// rest is what comes after the work, when nobody waits.
func (r *reloader) rest() {
	r.arm()
	paceHeap()
}

// arm says to the watcher what the latest look has read from.
func (r *reloader) arm() {
	t := watch.Targets{Paths: append(r.source.Watch(), r.source.Mounted()...)}
	if files := r.source.Documents(); len(files) == 1 {
		t.Only = files[0]
	}
	r.watcher.Arm(t)
}

// applied puts next in force.
func (r *reloader) applied(began time.Time, messages config.Diagnostics, next *Compiled) {
	var before *config.Config
	if r.inForce != nil {
		before = r.inForce.Config
	}
	r.inForce, r.behind = next, false
	r.model.Reloaded(status.Reload{
		Result: status.Applied, Began: began, Generation: next.Generation, Messages: messages,
	})
	r.store.Publish(next.Generation)
	took := time.Since(began).Round(time.Microsecond).String()
	r.serving()
	r.say(messages)
	r.log.Info("configuration applied",
		"hash", r.hash(), "generation", next.Generation.ID, "listeners", len(stanzas(next.Config)),
		"backends", len(next.Config.Backends), "changed", changedStanzas(before, next.Config), "took", took)
}

// refused keeps what is in force and says what is wrong with the files.
func (r *reloader) refused(began time.Time, messages config.Diagnostics) {
	r.say(messages)
	if r.waitForConfig && r.inForce == nil && slices.ContainsFunc(messages, config.IsMissing) {
		r.log.Info("waiting for the configuration", "paths", r.paths)
	} else {
		r.log.Error("configuration refused", "messages", len(messages), "in_force", r.hash())
	}
	result := status.Invalid
	if slices.ContainsFunc(messages, unreadable) {
		result = status.Unreadable
	}
	r.model.Reloaded(status.Reload{Result: result, Began: began, Messages: messages})
}

// failed keeps what is in force after a mistake of our own. The message says so where those about the files stand.
func (r *reloader) failed(began time.Time, messages config.Diagnostics, err error) {
	attrs := []any{"error", err, "in_force", r.hash()}
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		r.panics.Inc()
		attrs = append(attrs, "stack", string(panicked.Stack))
	}
	r.log.Error("configuration refused by a mistake in l4xds", attrs...)
	r.model.Reloaded(status.Reload{Result: status.Invalid, Began: began, Messages: append(messages, config.Diagnostic{
		Severity: config.Error, ID: internalID, Position: config.Position{File: r.paths[0]}, Message: err.Error(),
	})})
}

// say logs messages in the words of `l4xds validate`.
func (r *reloader) say(messages config.Diagnostics) {
	for i, d := range messages {
		switch {
		case i == logged:
			r.log.Warn("more messages about the configuration", "left_out", len(messages)-logged)
			return
		case d.Severity == config.Error:
			r.log.Error("error in the configuration", "message", d.String())
		default:
			r.log.Warn("warning about the configuration", "message", d.String())
		}
	}
}

// hash is that of what is in force, "none" if nothing is.
func (r *reloader) hash() string {
	if r.inForce == nil {
		return "none"
	}
	return r.inForce.Config.Hash
}

// state is a line for `systemctl status`.
func (r *reloader) state() string {
	if r.behind {
		return fmt.Sprintf("STATUS=the files were refused, configuration in force: %.8s", r.hash())
	}
	return fmt.Sprintf("STATUS=configuration in force: %.8s", r.hash())
}

func (r *reloader) tell(lines string) {
	if err := r.notifier.send(lines); err != nil {
		r.log.Debug("systemd was not told", "error", err)
	}
}
