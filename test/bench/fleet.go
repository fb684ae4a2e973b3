package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/test/bench/raw"
	"github.com/l4xds/l4xds/test/rig"
)

// fleetEdits is how many edits the figures of a fleet are the mean of.
const fleetEdits = 3

// fleetSizes are numbers of clients and of listeners.
var fleetSizes = []struct{ clients, listeners int }{{100, 100}, {100, 1000}, {1000, 100}, {1000, 1000}}

// fleet measures what one edit costs with many clients, beside the stock control plane.
func (b *bench) fleet(ctx context.Context) error {
	t := table{
		title: fmt.Sprintf("One endpoint edited under a fleet of raw clients, mean of %d edits", fleetEdits),
		header: []string{
			"variant", "clients", "listeners", "CPU in ms: l4xds", "stock", "ratio", "KiB sent: l4xds", "stock", "ratio",
			"ms to the last client: l4xds", "stock", "CPU to connect all in ms: l4xds", "stock",
			"resident in MiB: l4xds", "stock",
		},
	}
	for _, variant := range variants {
		for _, size := range fleetSizes {
			var cells [2]cell
			for i, start := range b.starters() {
				c, err := b.cell(ctx, start, size.clients, size.listeners, variant)
				if err != nil {
					return fmt.Errorf("%s, %d clients, %d listeners: %w", variant, size.clients, size.listeners, err)
				}
				cells[i] = c
			}
			ours, stock := cells[0], cells[1]
			t.add(variant, fmt.Sprint(size.clients), fmt.Sprint(size.listeners),
				ms(ours.cpu), ms(stock.cpu), ratio(ours.cpu, stock.cpu),
				kib(ours.sent), kib(stock.sent), ratio(ours.sent, stock.sent),
				ms(ours.last), ms(stock.last), ms(ours.connect), ms(stock.connect), mib(ours.resident), mib(stock.resident))
		}
	}
	return t.write(os.Stdout)
}

// cell is the figures of one fleet on one control plane.
type cell struct {
	// connect is the CPU time of the control plane until all clients have everything.
	connect time.Duration
	// cpu, sent and last are the CPU time, the bytes sent, and the time to the last client, of one edit.
	cpu  time.Duration
	sent int64
	last time.Duration
	// resident is its memory after the edits.
	resident int64
}

func (b *bench) cell(ctx context.Context, start starter, clients, listeners int, variant string) (c cell, err error) {
	space, err := newSpace(60)
	if err != nil {
		return c, err
	}
	w := plainWorld(listeners, space, b.blue.address)
	s, err := start(w)
	if err != nil {
		return c, err
	}
	defer func() { _ = s.rig.Close() }()
	progress("fleet: %s, %d clients, %d listeners, %s", variant, clients, listeners, s.name)
	if err := s.waitListening(ctx); err != nil {
		return c, err
	}
	idle, err := s.settled(ctx)
	if err != nil {
		return c, err
	}
	swarm := newSwarm(ctx, s, w, clients, variant == "delta")
	defer func() { err = errors.Join(err, swarm.stop()) }()
	if err := swarm.waitReady(ctx); err != nil {
		return c, err
	}
	connected, err := s.settled(ctx)
	if err != nil {
		return c, err
	}
	c.connect = connected - idle
	return c, s.editUnder(ctx, swarm, w, connected, &c)
}

// editUnder makes the edits and fills in what they cost; before is the CPU time of s so far.
func (s *server) editUnder(ctx context.Context, f *swarm, w *world, before time.Duration, c *cell) error {
	sent := f.traffic.Received.Load()
	st := &w.stanzas[len(w.stanzas)/2]
	for n := range fleetEdits {
		host := marker(n)
		st.endpoint = host + ":9000"
		e, err := s.stage(w)
		if err != nil {
			return err
		}
		took, err := f.last(ctx, e, host)
		if err != nil {
			return err
		}
		c.last += took / fleetEdits
		if _, err := s.settled(ctx); err != nil {
			return err
		}
	}
	after, err := s.settled(ctx)
	if err != nil {
		return err
	}
	c.cpu, c.sent = (after-before)/fleetEdits, (f.traffic.Received.Load()-sent)/fleetEdits
	c.resident, _, err = memory(s.Pid())
	return err
}

// swarm is many raw clients of one server.
type swarm struct {
	size    int
	traffic raw.Traffic
	cancel  context.CancelFunc
	clients sync.WaitGroup
	failed  chan error // the first client that ended too early

	ready atomic.Int64 // clients that have listeners
	edit  atomic.Pointer[awaited]
}

// awaited is a change that all clients wait for.
type awaited struct {
	marker []byte
	seen   atomic.Int64   // clients that have it
	last   chan time.Time // when the last one got it
}

func newSwarm(ctx context.Context, s *server, w *world, size int, delta bool) *swarm {
	ctx, cancel := context.WithCancel(ctx)
	f := &swarm{size: size, cancel: cancel, failed: make(chan error, 1)}
	names := raw.NewNames(w.names())
	for i := range size {
		client := raw.Client{
			Server: s.xds, ID: fmt.Sprintf("bench-%d", i), Cluster: edge, Delta: delta, Assignments: names,
			Traffic: &f.traffic, Received: f.receiver(),
		}
		f.clients.Go(func() {
			if err := client.Run(ctx); err != nil {
				select {
				case f.failed <- err:
				default:
				}
			}
		})
	}
	return f
}

// receiver is what one client does with responses.
func (f *swarm) receiver() func(raw.Response) {
	var ready bool
	var has *awaited
	return func(r raw.Response) {
		if r.Type == snapshot.LDS && !ready {
			ready = true
			f.ready.Add(1)
		}
		edit := f.edit.Load()
		if edit == nil || edit == has || !bytes.Contains(r.Body, edit.marker) {
			return
		}
		has = edit
		if edit.seen.Add(1) == int64(f.size) {
			edit.last <- time.Now()
		}
	}
}

// stop ends all clients, and says whether one failed.
func (f *swarm) stop() error {
	f.cancel()
	f.clients.Wait()
	select {
	case err := <-f.failed:
		return err
	default:
		return nil
	}
}

// waitReady waits until every client has everything.
func (f *swarm) waitReady(ctx context.Context) error {
	ctx, cancel := rig.Patience(ctx)
	defer cancel()
	return rig.Until(ctx, func() error {
		if n := f.ready.Load(); n < int64(f.size) {
			return fmt.Errorf("%d of %d clients have listeners", n, f.size)
		}
		return nil
	})
}

// last commits the edit and tells the time from then until the last client has it.
func (f *swarm) last(ctx context.Context, e edit, marker string) (time.Duration, error) {
	awaited := &awaited{marker: []byte(marker), last: make(chan time.Time, 1)}
	f.edit.Store(awaited)
	began, err := e.commit()
	if err != nil {
		return 0, err
	}
	select {
	case at := <-awaited.last:
		return at.Sub(began), nil
	case <-time.After(3 * giveUp):
		return 0, fmt.Errorf("%w on %d clients", errNoEffect, int64(f.size)-awaited.seen.Load())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
