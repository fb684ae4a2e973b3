package snapshot

import (
	"runtime"
	"sync"
	"weak"
)

// memoMax is how many results a memo keeps. Sets that clients claim to hold make results too, so that there must be a
// bound; what is served to well-behaved nodes needs a few.
const memoMax = 64

// memo remembers results by the version of the set that they were made with.
type memo[V any] struct {
	mu     sync.Mutex
	values map[string]*V
}

// get is the value of that key, created if there is none; only one of several callers does that.
func (m *memo[V]) get(key string, create func() *V) *V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[key]; ok {
		return v
	}
	v := create()
	if m.values == nil {
		m.values = map[string]*V{}
	}
	if len(m.values) < memoMax {
		m.values[key] = v
	}
	return v
}

// setKey names the content of a set.
type setKey struct {
	typ     Type
	version string
}

// pool finds the set of a content for as long as somebody holds it: a generation that did not change a type then serves
// the very set of the one before, with its encoded bytes.
type pool struct {
	mu   sync.Mutex
	sets map[setKey]weak.Pointer[Set]
}

func newPool() *pool {
	return &pool{sets: make(map[setKey]weak.Pointer[Set])}
}

// intern is s, or the equal set that is already in use.
func (p *pool) intern(s *Set) *Set {
	key := setKey{s.Type, s.Version}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.sets[key].Value(); known != nil {
		return known
	}
	p.sets[key] = weak.Make(s)
	runtime.AddCleanup(s, p.forget, key)
	return s
}

// forget drops the key of a set that is gone, unless an equal one has taken its place.
func (p *pool) forget(key setKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sets[key].Value() == nil {
		delete(p.sets, key)
	}
}
