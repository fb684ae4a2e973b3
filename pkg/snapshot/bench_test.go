package snapshot_test

import (
	"fmt"
	"testing"

	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("backend-%05d", i)
	}
	return names
}

// BenchmarkBuild makes a generation and its view from nothing, as at the start of the daemon.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := world(manyNames(n)...)
			for b.Loop() {
				build(b, nil, list...).View(anyone, 0)
			}
		})
	}
}

// BenchmarkEdit is one endpoint that moves between two addresses, up to the delta response.
func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list := world(manyNames(n)...)
			other := append([]*translate.Resource{}, list...)
			other[2] = assignment("backend-00000", 7)
			g := build(b, nil, list...)
			for b.Loop() {
				list, other = other, list
				next := build(b, g, list...)
				from, to := g.View(anyone, 0).Sets[snapshot.EDS], next.View(anyone, 0).Sets[snapshot.EDS]
				if change := snapshot.Diff(from, to); len(change.Changed) != 1 || len(change.Body()) == 0 {
					b.Fatalf("%d resources changed", len(change.Changed))
				}
				g = next
			}
		})
	}
}

// BenchmarkViewHit is what a stream pays to find its view.
func BenchmarkViewHit(b *testing.B) {
	g := build(b, nil, world(manyNames(10000)...)...)
	g.View(anyone, 0)
	for b.Loop() {
		g.View(anyone, 0)
	}
}
