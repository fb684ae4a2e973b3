// Package rig puts real parts together for tests and the demo: the daemon and Envoys as processes, each with its log,
// ports that nobody else uses, and ways to wait for what they do. All of it listens on loopback and ends with the rig.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Rig is a directory and what was started in it.
type Rig struct {
	// Dir holds the files of its parts: configuration, bootstraps, logs, sockets.
	Dir string

	mu      sync.Mutex // guards closers
	closers []io.Closer
}

// New makes a rig in dir, which must exist.
func New(dir string) *Rig {
	return &Rig{Dir: dir}
}

// Keep closes c with the rig; what was kept last is closed first.
func (r *Rig) Keep(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closers = append(r.closers, c)
}

// Close ends everything that was started, the last first.
func (r *Rig) Close() error {
	r.mu.Lock()
	closers := r.closers
	r.closers = nil
	r.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Logs are the paths of all logs that the parts have written.
func (r *Rig) Logs() []string {
	logs, err := filepath.Glob(filepath.Join(r.Dir, "*.log"))
	if err != nil {
		return nil // only for a malformed pattern
	}
	return logs
}

// WriteFile puts a file into the rig's directory, and tells its path.
func (r *Rig) WriteFile(name, text string) (string, error) {
	path := filepath.Join(r.Dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// Until calls try, at first often and then every 20 ms, until it succeeds. When ctx ends first, the error is that of the
// last try.
func Until(ctx context.Context, try func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}
