package snapshot_test

import (
	"sync"
	"testing"

	"github.com/l4xds/l4xds/pkg/snapshot"
)

func TestStore(t *testing.T) {
	s := snapshot.NewStore()
	g, published := s.Wait()
	if g != nil || s.Current() != nil {
		t.Fatal("a generation before the first")
	}
	select {
	case <-published:
		t.Fatal("woken before anything was published")
	default:
	}
	first := build(t, nil, world("a")...)
	s.Publish(first)
	<-published
	if g, _ := s.Wait(); g != first || s.Current() != first {
		t.Error("the published generation is not in force")
	}
}

// Nobody who waits as a stream does misses the last generation.
func TestEveryWaiterSeesTheLast(t *testing.T) {
	const last = 100
	s := snapshot.NewStore()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				g, published := s.Wait()
				if g != nil && g.ID == last {
					return
				}
				<-published
			}
		})
	}
	var g *snapshot.Generation
	for range last {
		g = build(t, g)
		s.Publish(g)
	}
	wg.Wait()
}
