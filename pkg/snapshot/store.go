package snapshot

import "sync/atomic"

// Store holds the generation in force. It is safe for concurrent use; nobody ever waits for a lock.
type Store struct {
	current atomic.Pointer[published]
}

// published is a generation and the channel that the next Publish closes.
type published struct {
	generation *Generation
	replaced   chan struct{}
}

// NewStore is a store without a generation.
func NewStore() *Store {
	s := &Store{}
	s.current.Store(&published{replaced: make(chan struct{})})
	return s
}

// Publish puts g in force, then wakes all who wait.
func (s *Store) Publish(g *Generation) {
	before := s.current.Swap(&published{generation: g, replaced: make(chan struct{})})
	close(before.replaced)
}

// Current is the generation in force, nil before the first.
func (s *Store) Current() *Generation {
	return s.current.Load().generation
}

// Wait is the generation in force, nil before the first, and a channel that the next Publish closes.
func (s *Store) Wait() (*Generation, <-chan struct{}) {
	p := s.current.Load()
	return p.generation, p.replaced
}
