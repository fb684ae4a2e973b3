package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/l4xds/l4xds/test/bench/ads"
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
		cmd := exec.CommandContext(ctx, b.l4xds, "validate", path)
		began := time.Now()
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("validate: %w: %s", err, said)
		}
		wall = append(wall, time.Since(began))
		cpu = append(cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			peak = max(peak, usage.Maxrss<<10)
		}
	}
	t := table{
		title:  fmt.Sprintf("`validate` of %d listeners, %s MiB, %d runs", largest, mib(int64(len(text))), validations),
		header: []string{"p50 in ms", "max", "CPU p50 in ms", "peak memory in MiB"},
	}
	t.add(ms(wall.median()), ms(wall.quantile(1)), ms(cpu.median()), mib(peak))
	return t.write(os.Stdout)
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

// edited measures the edits of one endpoint among n.
func (b *bench) edited(ctx context.Context, t *table, n int) error {
	var servers []*server
	var worlds []*world
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
		servers, worlds = append(servers, s), append(worlds, w)
	}
	for _, c := range []struct {
		client string
		run    func(ctx context.Context, s *server, w *world, variant string) (edited, error)
	}{{"raw", b.editedRaw}, {"Envoy", b.editedEnvoy}} {
		for _, variant := range variants {
			var figures []edited
			for i, s := range servers {
				progress("large: %d listeners, %s, %s client of %s", n, variant, c.client, s.name)
				e, err := c.run(ctx, s, worlds[i], variant)
				if err != nil {
					return fmt.Errorf("%s, %s client of %s: %w", variant, c.client, s.name, err)
				}
				figures = append(figures, e)
			}
			ours, stock := figures[0], figures[1]
			t.add(fmt.Sprint(n), c.client+", "+variant,
				ms(ours.effect.median()), ms(ours.effect.quantile(1)), ms(ours.cpu),
				ms(stock.effect.median()), ms(stock.effect.quantile(1)), ms(stock.cpu),
				ratio(ours.effect.median(), stock.effect.median()), ratio(ours.cpu, stock.cpu))
		}
	}
	return nil
}

// edited is what a number of edits came to.
type edited struct {
	effect series
	cpu    time.Duration // of the control plane, per edit
}

// editedRaw measures at a raw client, which has an edit when the new address has arrived.
func (b *bench) editedRaw(ctx context.Context, s *server, w *world, variant string) (edited, error) {
	client, err := s.follow(ctx, w, variant == "delta")
	if err != nil {
		return edited{}, err
	}
	defer client.stop()
	st := &w.stanzas[len(w.stanzas)/2]
	defer func(endpoint string) { st.endpoint = endpoint }(st.endpoint)
	return s.repeat(ctx, w, func(n int, stage func() (edit, error)) (time.Duration, error) {
		host := marker(n)
		st.endpoint = host + ":9000"
		e, err := stage()
		if err != nil {
			return 0, err
		}
		return client.first(ctx, e, func(r ads.Response) bool { return bytes.Contains(r.Body, []byte(host)) })
	})
}

// marker is an address that stands in no other response.
func marker(n int) string { return fmt.Sprintf("10.77.%d.%d", n>>8, n&255) }

// editedEnvoy measures at a real Envoy, by the first new connection.
func (b *bench) editedEnvoy(ctx context.Context, s *server, w *world, variant string) (edited, error) {
	envoy, err := s.startEnvoy(ctx, variant)
	if err != nil {
		return edited{}, err
	}
	defer func() { _ = envoy.Close() }()
	st := &w.stanzas[len(w.stanzas)/2]
	return s.repeat(ctx, w, func(_ int, stage func() (edit, error)) (time.Duration, error) {
		target := b.other(st)
		st.endpoint = target.address
		e, err := stage()
		if err != nil {
			return 0, err
		}
		seen, err := watch(ctx, e, st, target.name)
		return seen.tcp, err
	})
}

// repeat makes edits of w, lets the server come to rest after each, and takes its CPU time.
func (s *server) repeat(
	ctx context.Context, w *world, measure func(n int, stage func() (edit, error)) (time.Duration, error),
) (edited, error) {
	var e edited
	var before time.Duration
	for n := range warmups + largeEdits {
		if n == warmups {
			var err error
			if before, err = s.settled(ctx); err != nil {
				return e, err
			}
		}
		took, err := measure(n, func() (edit, error) { return s.stage(w) })
		if err != nil {
			return e, fmt.Errorf("edit %d: %w", n, err)
		}
		if n >= warmups {
			e.effect = append(e.effect, took)
		}
		time.Sleep(rest)
	}
	after, err := s.settled(ctx)
	e.cpu = (after - before) / largeEdits
	return e, err
}
