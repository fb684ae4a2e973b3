//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The tests of this file load the machine, so they run alone.

const (
	openConns    = 200
	openSessions = 50
	edits        = 20
	pace         = 100 * time.Millisecond // from edit to edit, so that traffic meets each of them alone
)

// TestOpenTrafficThroughEdits: connections and sessions that are open notice neither edits elsewhere nor more endpoints,
// and of those that lose an endpoint only what was on it moves.
func TestOpenTrafficThroughEdits(t *testing.T) {
	for _, variant := range []string{"delta", "sotw"} {
		t.Run(variant, func(t *testing.T) {
			f := newFleet(t, variant)
			names := spread("b", edits+3)
			f.backends(names...)
			f.start(pool(names[:3], 0))

			control := f.through(func() { time.Sleep(2 * edits * pace) })
			t.Logf("control:   %+v", control)

			edited := f.through(func() {
				for i := range edits {
					f.edit(pool(names[:3], i+1))
					time.Sleep(pace)
				}
				for i := range edits {
					f.edit(pool(names[:4+i], edits))
					time.Sleep(pace)
				}
			})
			t.Logf("edits:     %+v", edited)
			f.wantUnmoved(edited)
			if edited.lost > control.lost {
				t.Errorf("%d datagrams lost, %d without edits", edited.lost, control.lost)
			}

			removed := f.through(func() {
				f.edit(pool(names[1:], edits))
				time.Sleep(time.Second) // a session notices with its next datagrams
			}, names[0])
			t.Logf("a removal: %+v", removed)
			f.wantUnmoved(removed)
		})
	}
}

// TestSwitchesUnderLoad: 500 connections a second through edits that each add a backend under a new name, switch to it
// and remove the old one.
func TestSwitchesUnderLoad(t *testing.T) {
	for _, variant := range []string{"delta", "sotw"} {
		t.Run(variant, func(t *testing.T) {
			f := newFleet(t, variant)
			f.backends("a", "b")
			f.start(only(0, "a"))
			load := f.shortConnections("app", 500)
			load.wantMore(500)
			for i := range 50 {
				target := []string{"b", "a"}[i%2]
				f.edit(only(i+1, target))
				f.wantTCP("app", target)
				load.wantMore(20) // some connections between edits too
			}
			load.wantNoFailure()
		})
	}
}

// only is a configuration with one listener that goes to a backend of its own name.
func only(i int, endpoint string) string {
	return fmt.Sprintf("listeners: {app: {tcp: $app, to: b%d}}\nbackends: {b%[1]d: {endpoints: [$%s]}}\n", i, endpoint)
}

// pool is a configuration whose listener "app" goes to these endpoints, with some more that are none of its business.
func pool(endpoints []string, others int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "listeners:\n  app: {tcp: $app, udp: $app, to: pool}\n")
	for i := range others {
		fmt.Fprintf(&text, "  other%d: {tcp: $other%[1]d, udp: $other%[1]d, to: $elsewhere%[1]d}\n", i)
	}
	fmt.Fprintf(&text, "backends:\n  pool: {endpoints: [$%s]}\n", strings.Join(endpoints, ", $"))
	return text.String()
}

// spread are n names: b0, b1, ...
func spread(prefix string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", prefix, i))
	}
	return names
}

// through opens traffic, does what is to be done, and tells how the traffic fared. What was on the spared backends when
// it began may move.
func (f *fleet) through(do func(), spared ...string) report {
	f.t.Helper()
	load := f.openLoad("app", openConns, openSessions)
	do()
	return load.end(spared...)
}

func (f *fleet) wantUnmoved(r report) {
	f.t.Helper()
	if r.broken > 0 || r.moved > 0 {
		f.t.Errorf("%d of %d connections broke, %d of %d sessions moved, want none", r.broken, openConns, r.moved, openSessions)
	}
}

// TestInsideComesAndGoes: 1000 connections a second through a tunnel, through edits that each add what is spoken inside of it,
// and take it away again.
func TestInsideComesAndGoes(t *testing.T) {
	for _, variant := range []string{"delta", "sotw"} {
		t.Run(variant, func(t *testing.T) {
			f := newFleet(t, variant)
			f.backends("bare")
			f.proxied("told", 2)
			const file = `
listeners: {app: {tcp: $app, to: %s, via: hub, nodes: {id: near}}}
tunnels: {hub: {proxy: $hub, http: 2, exit: {targets: [$bare, $told], nodes: {id: far}}}}
`
			without, with := fmt.Sprintf(file, "$bare"), fmt.Sprintf(file, "{endpoints: $told, proxy_protocol: v2}")
			f.startTunnel(without)
			load := f.shortConnections("app", 1000)
			load.wantMore(500)
			for range 30 {
				f.edit(with)
				f.wantTCP("app", "told")
				load.wantMore(20)
				f.edit(without)
				f.wantTCP("app", "bare")
				load.wantMore(20)
			}
			load.wantNoFailure()
		})
	}
}
