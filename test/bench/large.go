package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/l4xds/l4xds/test/bench/raw"
)

const (
	// largest is the size of the file that is validated and started with.
	largest = 10000
	// largeEdits is how many edits each figure of a large file is the median of; validations are fewer.
	largeEdits  = 20
	validations = 5
)

// largeSizes are the files of which one endpoint is edited.
var largeSizes = []int{1000, 5000}

// large measures what files of thousands of listeners cost, beside the stock control plane.
func (b *bench) large(ctx context.Context) error {
	if err := b.validate(ctx); err != nil {
		return err
	}
	if err := b.starts(ctx); err != nil {
		return err
	}
	t := table{
		title: fmt.Sprintf("One endpoint edited in a large file, %d edits: ms from the save, and ms of CPU of the control plane", largeEdits),
		header: []string{
			"listeners", "client", "l4xds p50", "max", "CPU per edit", "stock p50", "max", "CPU per edit", "time by stock",
			"CPU by stock",
		},
	}
	for _, n := range largeSizes {
		if err := b.edited(ctx, &t, n); err != nil {
			return fmt.Errorf("%d listeners: %w", n, err)
		}
	}
	return t.write(os.Stdout)
}

// validate runs `l4xds validate` on the largest file.
func (b *bench) validate(ctx context.Context) error {
	progress("large: validate")
	s, err := newSpace(40)
	if err != nil {
		return err
	}
	text := plainWorld(largest, s, b.blue.address).yaml()
	path := filepath.Join(b.Dir, "large.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	var wall, cpu series
	var peak int64
	for range validations {
		began := time.Now()
		used, most, err := b.runValidate(ctx, path)
		if err != nil {
			return err
		}
		wall, cpu, peak = append(wall, time.Since(began)), append(cpu, used), max(peak, most)
	}
	t := table{
		title:  fmt.Sprintf("`validate` of %d listeners, %s MiB, %d runs", largest, mib(int64(len(text))), validations),
		header: []string{"p50 in ms", "max", "CPU p50 in ms", "peak memory in MiB"},
	}
	t.add(ms(wall.median()), ms(wall.quantile(1)), ms(cpu.median()), mib(peak))
	return t.write(os.Stdout)
}

// runValidate tells the CPU time and the peak memory of one run. The kernel's own account of a child's peak begins with
// the memory of its parent, so the peak is read while the child lives.
func (b *bench) runValidate(ctx context.Context, path string) (cpu time.Duration, peak int64, err error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.l4xds, "validate", path)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, 0, fmt.Errorf("validate: %w: %s", err, &said)
			}
			return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak, nil
		case <-time.After(time.Millisecond):
			if _, now, err := memory(cmd.Process.Pid); err == nil {
				peak = max(peak, now)
			}
		}
	}
}

// starter starts a control plane on a world.
type starter func(*world) (*server, error)

func (b *bench) starters() []starter { return []starter{b.startL4xds, b.startStock} }

// starts measures how long a control plane takes from its start until a client has all of the largest file.
func (b *bench) starts(ctx context.Context) error {
	t := table{
		title:  fmt.Sprintf("Start with %d listeners, until a raw client has all of them", largest),
		header: []string{"control plane", "variant", "ms", "CPU in ms", "resident in MiB", "peak in MiB"},
	}
	s, err := newSpace(41)
	if err != nil {
		return err
	}
	w := plainWorld(largest, s, b.blue.address)
	for _, start := range b.starters() {
		for _, variant := range variants {
			if err := b.started(ctx, &t, w, start, variant); err != nil {
				return err
			}
		}
	}
	return t.write(os.Stdout)
}

// variants are the forms of ADS.
var variants = []string{"delta", "sotw"}

func (b *bench) started(ctx context.Context, t *table, w *world, start starter, variant string) error {
	began := time.Now()
	s, err := start(w)
	if err != nil {
		return err
	}
	defer func() { _ = s.rig.Close() }()
	progress("large: start of %s, %s", s.name, variant)
	client, err := s.follow(ctx, w, variant == "delta")
	if err != nil {
		return err
	}
	took := time.Since(began)
	defer client.stop()
	used, err := s.settled(ctx)
	if err != nil {
		return err
	}
	resident, peak, err := memory(s.Pid())
	t.add(s.name, variant, ms(took), ms(used), mib(resident), mib(peak))
	return err
}

// settled is the CPU time of s once it does nothing any more.
func (s *server) settled(ctx context.Context) (time.Duration, error) {
	const (
		idle    = 60 * time.Millisecond
		noise   = 300 * time.Microsecond
		patient = 20 * time.Second
	)
	last, err := cpuTime(s.Pid())
	for began := time.Now(); err == nil; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(idle):
		}
		var now time.Duration
		now, err = cpuTime(s.Pid())
		if now-last < noise {
			return now, err
		}
		if time.Since(began) > patient {
			return 0, errors.New(s.name + " does not come to rest")
		}
		last = now
	}
	return 0, err
}

// contestant is a control plane in a comparison, with a world of its own.
type contestant struct {
	*server
	world *world
	// stanza is the one that is edited.
	stanza *stanza
	effect series
	cpu    time.Duration
}

// edited measures the edits of one endpoint among n.
func (b *bench) edited(ctx context.Context, t *table, n int) error {
	var list []*contestant
	for i, start := range b.starters() {
		space, err := newSpace(byte(50 + i))
		if err != nil {
			return err
		}
		w := plainWorld(n, space, b.blue.address)
		s, err := start(w)
		if err != nil {
			return err
		}
		defer func() { _ = s.rig.Close() }()
		list = append(list, &contestant{server: s, world: w, stanza: &w.stanzas[n/2]})
	}
	for _, variant := range variants {
		for _, c := range []struct {
			name    string
			connect func(*bench, context.Context, *contestant, string) (trial, error)
		}{{"raw", (*bench).rawTrial}, {"Envoy", (*bench).envoyTrial}} {
			progress("large: %d listeners, %s client, %s", n, c.name, variant)
			if err := b.race(ctx, list, func(x *contestant) (trial, error) { return c.connect(b, ctx, x, variant) }); err != nil {
				return fmt.Errorf("%s client, %s: %w", c.name, variant, err)
			}
			ours, stock := list[0], list[1]
			t.add(fmt.Sprint(n), c.name+", "+variant,
				ms(ours.effect.median()), ms(ours.effect.quantile(1)), ms(ours.cpu),
				ms(stock.effect.median()), ms(stock.effect.quantile(1)), ms(stock.cpu),
				ratio(ours.effect.median(), stock.effect.median()), ratio(ours.cpu, stock.cpu))
		}
	}
	return nil
}

// trial is one client of a contestant.
type trial struct {
	// edit makes the n-th edit and tells the time to its effect at the client.
	edit func(n int) (time.Duration, error)
	end  func()
}

// race lets the contestants take turns at the same edits, each with a client of its own.
func (b *bench) race(ctx context.Context, list []*contestant, connect func(*contestant) (trial, error)) error {
	trials := make([]trial, len(list))
	for i, c := range list {
		trial, err := connect(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer trial.end()
		trials[i], c.effect = trial, nil
	}
	for n := range warmups + largeEdits {
		for i, c := range list {
			if err := c.run(ctx, n, trials[i]); err != nil {
				return fmt.Errorf("%s, edit %d: %w", c.name, n, err)
			}
		}
	}
	for _, c := range list {
		c.cpu /= largeEdits
	}
	return nil
}

// run makes one edit and adds up what it cost, until c has come to rest.
func (c *contestant) run(ctx context.Context, n int, t trial) error {
	before, err := c.settled(ctx)
	if err != nil {
		return err
	}
	took, err := t.edit(n)
	if err != nil {
		return err
	}
	after, err := c.settled(ctx)
	if n == warmups {
		c.cpu = 0
	}
	if n >= warmups {
		c.effect, c.cpu = append(c.effect, took), c.cpu+after-before
	}
	return err
}

// rawTrial is a raw client, which has an edit when the new address has arrived.
func (b *bench) rawTrial(ctx context.Context, c *contestant, variant string) (trial, error) {
	client, err := c.follow(ctx, c.world, variant == "delta")
	if err != nil {
		return trial{}, err
	}
	return trial{end: client.stop, edit: func(n int) (time.Duration, error) {
		host := marker(n)
		c.stanza.endpoint = host + ":9000"
		e, err := c.stage(c.world)
		if err != nil {
			return 0, err
		}
		return client.first(ctx, e, func(r raw.Response) bool { return bytes.Contains(r.Body, []byte(host)) })
	}}, nil
}

// marker is an address that stands in no other response.
func marker(n int) string { return fmt.Sprintf("10.77.%d.%d", n>>8, n&255) }

// envoyTrial is a real Envoy, which has an edit when a new connection reaches the new backend.
func (b *bench) envoyTrial(ctx context.Context, c *contestant, variant string) (trial, error) {
	envoy, err := c.startEnvoy(ctx, variant)
	if err != nil {
		return trial{}, err
	}
	return trial{end: func() { _ = envoy.Close() }, edit: func(int) (time.Duration, error) {
		target := b.other(c.stanza)
		c.stanza.endpoint = target.address
		e, err := c.stage(c.world)
		if err != nil {
			return 0, err
		}
		seen, err := watch(ctx, e, c.stanza, target.name)
		return seen.tcp, err
	}}, nil
}
