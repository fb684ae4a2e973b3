package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	// effectListeners is how many stanzas the file of the series has.
	effectListeners = 100
	// warmups are edits before a series that are not counted: the first ones find cold caches everywhere.
	warmups = 5
	// rest is the time between the effect of an edit and the next one, for what comes after the effect: listeners
	// acknowledged, clusters pruned, heaps swept.
	rest = 50 * time.Millisecond
)

// subject is one control plane with its Envoy. All have the same world, on different addresses.
type subject struct {
	name  string
	world *world
	plane plane
}

// kind is a kind of edit.
type kind struct {
	name string
	// change edits a stanza with a backend of its own; n counts the edits.
	change func(s *stanza, n int)
}

var kinds = []kind{
	{"address of an endpoint", func(*stanza, int) {}},
	{"switch to a new backend", func(s *stanza, n int) { s.backend = fmt.Sprintf("%s-%d", s.backend[:4], n) }},
}

// outcomes are the effects of one kind of edit on one subject.
type outcomes struct {
	tcp, udp series
	// polls are the mean times of one try, for each edit.
	polls              series
	failed, unanswered int
}

func (o *outcomes) add(e effect) {
	o.tcp, o.udp = append(o.tcp, e.tcp), append(o.udp, e.udp)
	o.polls = append(o.polls, e.polled/time.Duration(e.tries))
	o.failed, o.unanswered = o.failed+e.failed, o.unanswered+e.unanswered
}

// effect measures the time from the save to the effect. The subjects take turns, so that whatever else the machine does
// hits all of them.
func (b *bench) effect(ctx context.Context) error {
	subjects, err := b.subjects(ctx)
	if err != nil {
		return err
	}
	figures := table{
		title: fmt.Sprintf("From the save to the effect: %d listeners, 2 groups, %d edits of each kind, in ms", effectListeners, b.edits),
		header: []string{
			"edit", "control plane", "TCP p50", "p99", "max", "UDP p50", "p99", "max", "one try (resolution)", "connections failed",
			"datagrams unanswered",
		},
	}
	ratios := table{
		title:  "The same by Envoy's own files with endpoint files (goal: p50 at most 3, p99 at most 10)",
		header: []string{"edit", "control plane", "TCP p50", "TCP p99", "UDP p50", "UDP p99"},
	}
	for _, k := range kinds {
		progress("effect: %s", k.name)
		all, err := b.compare(ctx, k, subjects)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		for i, o := range all {
			row := append([]string{k.name, subjects[i].name}, append(o.tcp.cells(), o.udp.cells()...)...)
			figures.add(append(row, ms(o.polls.median()), fmt.Sprint(o.failed), fmt.Sprint(o.unanswered))...)
			ratios.add(k.name, subjects[i].name, ratio(o.tcp.median(), all[0].tcp.median()),
				ratio(o.tcp.quantile(0.99), all[0].tcp.quantile(0.99)), ratio(o.udp.median(), all[0].udp.median()),
				ratio(o.udp.quantile(0.99), all[0].udp.quantile(0.99)))
		}
	}
	if err := figures.write(os.Stdout); err != nil {
		return err
	}
	return ratios.write(os.Stdout)
}

// subjects starts what is compared; the first is what the others are measured by.
func (b *bench) subjects(ctx context.Context) ([]subject, error) {
	starts := []struct {
		name  string
		start func(*world) (plane, error)
	}{
		{"files, endpoint files", func(w *world) (plane, error) { return b.startFilesystem(ctx, w, true) }},
		{"files, endpoints in clusters", func(w *world) (plane, error) { return b.startFilesystem(ctx, w, false) }},
		{"l4xds, delta", func(w *world) (plane, error) { return b.startFollowed(ctx, w, "delta") }},
		{"l4xds, sotw", func(w *world) (plane, error) { return b.startFollowed(ctx, w, "sotw") }},
	}
	var subjects []subject
	for i, s := range starts {
		progress("starting %s", s.name)
		space, err := newSpace(byte(20 + i))
		if err != nil {
			return nil, err
		}
		w := mixedWorld(effectListeners, space, b.blue.address)
		p, err := s.start(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		subjects = append(subjects, subject{s.name, w, p})
	}
	return subjects, nil
}

// startFollowed starts the daemon and one Envoy.
func (b *bench) startFollowed(ctx context.Context, w *world, variant string) (*server, error) {
	s, err := b.startL4xds(w)
	if err != nil {
		return nil, err
	}
	_, err = s.startEnvoy(ctx, variant)
	return s, err
}

// compare makes the same edits on all subjects, one stanza after the other.
func (b *bench) compare(ctx context.Context, k kind, subjects []subject) ([]outcomes, error) {
	all := make([]outcomes, len(subjects))
	for n := range warmups + b.edits {
		for i, s := range subjects {
			stanzas := s.world.both()
			e, err := b.change(ctx, s, stanzas[n%len(stanzas)], func(st *stanza) { k.change(st, n+1) })
			if err != nil {
				return nil, fmt.Errorf("%s, edit %d: %w", s.name, n, err)
			}
			if n >= warmups {
				all[i].add(e)
			}
		}
	}
	return all, nil
}

// change moves a stanza from one stand-in to the other, in the way that change adds to it, and measures the effect.
func (b *bench) change(ctx context.Context, s subject, st *stanza, change func(*stanza)) (effect, error) {
	target := b.other(st)
	change(st)
	st.endpoint = target.address
	e, err := s.plane.stage(s.world)
	if err != nil {
		return effect{}, err
	}
	seen, err := watch(ctx, e, st, target.name)
	time.Sleep(rest)
	return seen, err
}

// other is the stand-in that st does not go to.
func (b *bench) other(st *stanza) backend {
	if st.endpoint == b.blue.address {
		return b.green
	}
	return b.blue
}
