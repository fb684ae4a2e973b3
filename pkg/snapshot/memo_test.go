package snapshot

import (
	"runtime"
	"testing"
)

// The pool must not grow with the history of the daemon.
func TestPoolForgetsUnusedSets(t *testing.T) {
	p := newPool()
	kept := p.intern(NewSet(CDS, []*Entry{{Name: "kept", Version: "1"}}))
	p.intern(NewSet(CDS, []*Entry{{Name: "dropped", Version: "1"}}))
	if again := p.intern(NewSet(CDS, []*Entry{{Name: "kept", Version: "1"}})); again != kept {
		t.Error("equal content, another set")
	}
	for range 100 {
		runtime.GC()
		if p.size() == 1 {
			break
		}
		runtime.Gosched()
	}
	if got := p.size(); got != 1 {
		t.Errorf("%d sets are known, 1 is in use", got)
	}
	// A cleanup that comes late must leave the set alone that has taken the place of the one that is gone.
	p.forget(setKey{CDS, kept.Version})
	if p.size() != 1 {
		t.Error("a set in use is forgotten")
	}
	runtime.KeepAlive(kept)
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sets)
}
