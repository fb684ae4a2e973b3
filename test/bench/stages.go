package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/bench/raw"
	"github.com/l4xds/l4xds/test/rig"
)

// stages says where the time of a save goes: what each stage of a reload takes when it is called here, in a row, and
// what is seen of it from outside.
func (b *bench) stages(ctx context.Context) error {
	t := table{
		title: fmt.Sprintf("Where the time goes, median of %d edits of one stanza, in ms", b.edits),
		header: []string{
			"file", "edit", "read", "load", "translate", "build", "view", "encode", "all",
			"save to first response at a raw delta client",
		},
	}
	for _, n := range []int{effectListeners, 1000, 10000} {
		for _, k := range kinds {
			progress("stages: %d listeners, %s", n, k.name)
			if err := b.stagesOf(ctx, &t, n, k); err != nil {
				return err
			}
		}
	}
	return t.write(os.Stdout)
}

func (b *bench) stagesOf(ctx context.Context, t *table, n int, k kind) error {
	s, err := newSpace(30)
	if err != nil {
		return err
	}
	w := mixedWorld(n, s, b.blue.address)
	stop, err := b.record(fmt.Sprintf("stages-%d-%.6s", n, k.name))
	if err != nil {
		return err
	}
	inside, err := b.reloads(w, k)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	outside, err := b.firstResponses(ctx, w, k)
	if err != nil {
		return err
	}
	row := []string{fmt.Sprintf("%d listeners, %s KiB", n, fmt.Sprint(len(w.yaml())>>10)), k.name}
	var all time.Duration
	for _, stage := range inside {
		row = append(row, ms(stage.median()))
		all += stage.median()
	}
	t.add(append(row, ms(all), ms(outside.median()))...)
	return nil
}

// record records a CPU profile if one is wanted, until the returned function is called.
func (b *bench) record(name string) (stop func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(b.profile, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// reload is what is in force between two reloads.
type reload struct {
	source     *config.Source
	config     *config.Config
	resources  *translate.Resources
	generation *snapshot.Generation
	view       *snapshot.View
}

// numStages is how many stages run has.
const numStages = 6

// run is a reload as the daemon does it, up to the bytes of delta responses. It tells how long each stage took.
func (r *reload) run(path string) (took [numStages]time.Duration, err error) {
	next := &reload{}
	for i, stage := range [numStages]func() error{
		func() error { // read
			next.source = r.source.Again()
			_ = next.source.Sum()
			return nil
		},
		func() error { // load
			var messages config.Diagnostics
			if next.config, messages = config.Load(next.source, r.config, path); next.config == nil {
				return fmt.Errorf("the generated file is invalid: %s", messages[0])
			}
			return nil
		},
		func() (err error) { // translate
			next.resources, err = translate.Translate(next.config, r.resources)
			return err
		},
		func() (err error) { // build
			next.generation, err = snapshot.Build(next.resources, r.generation)
			return err
		},
		func() error { // view
			next.view = next.generation.View(config.Node{ID: "bench-1", Cluster: edge}, 0)
			return nil
		},
		func() error { // encode
			next.encode(r.view)
			return nil
		},
	} {
		began := time.Now()
		if err := stage(); err != nil {
			return took, err
		}
		took[i] = time.Since(began)
	}
	*r = *next
	return took, nil
}

// encode makes the delta responses that a client of the former view gets.
func (r *reload) encode(before *snapshot.View) {
	for t, set := range r.view.Sets {
		var from *snapshot.Set
		if before != nil {
			from = before.Sets[t]
		}
		if c := snapshot.Diff(from, set); !c.Empty() {
			_ = c.Body()
		}
	}
}

// reloads makes the edits one after the other, and returns the times of each stage.
func (b *bench) reloads(w *world, k kind) (stages [numStages]series, err error) {
	path := filepath.Join(b.Dir, "stages.yaml")
	r := &reload{source: config.NewSource()}
	for n := range warmups + b.edits {
		if n > 0 {
			b.move(w, n, k)
		}
		if err := rig.Replace(path, w.yaml()); err != nil {
			return stages, err
		}
		if n == 0 {
			config.Load(r.source, nil, path) // only for the source to know what to read again
		}
		took, err := r.run(path)
		if err != nil {
			return stages, err
		}
		for i := range stages {
			if n >= warmups {
				stages[i] = append(stages[i], took[i])
			}
		}
	}
	return stages, nil
}

// move makes the n-th edit of a kind, on one stanza after the other.
func (b *bench) move(w *world, n int, k kind) {
	stanzas := w.both()
	st := stanzas[n%len(stanzas)]
	st.endpoint = b.other(st).address
	k.change(st, n)
}

// firstResponses are the times from the rename to the first response at a raw client of a daemon on w.
func (b *bench) firstResponses(ctx context.Context, w *world, k kind) (series, error) {
	s, err := b.startL4xds(w)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.rig.Close() }()
	client, err := s.follow(ctx, w, true)
	if err != nil {
		return nil, err
	}
	defer client.stop()
	var times series
	for n := range warmups + b.edits/4 { // fewer: each has to settle
		b.move(w, n+1, k)
		e, err := s.stage(w)
		if err != nil {
			return nil, err
		}
		took, err := client.first(ctx, e, func(raw.Response) bool { return true })
		if err != nil {
			return nil, err
		}
		if n >= warmups {
			times = append(times, took)
		}
		time.Sleep(rest)
	}
	return times, nil
}
