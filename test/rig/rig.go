// Package rig puts real parts together for tests and the demo: the daemon and Envoys as processes, each with its log,
// ports that nobody else uses, and ways to wait for what they do. All of it listens on loopback and ends with the rig.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	// Network is where they run and are asked; nil is the machine's own. It is set before anything is started.
	Network Network

	pages http.Client

	mu      sync.Mutex // guards closers
	closers []io.Closer
}

// Network is a place of its own for the parts of a rig, with a loopback of its own.
type Network interface {
	// Command is the command that runs the words as a command there.
	Command(words ...string) []string
	// DialContext connects from there.
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// New makes a rig in dir, which must exist.
func New(dir string) *Rig {
	r := &Rig{Dir: dir}
	r.pages.Transport = &http.Transport{DialContext: r.dial}
	r.Keep(closer(r.pages.CloseIdleConnections))
	return r
}

// closer is a function that ends something and cannot fail.
type closer func()

// Close implements [io.Closer].
func (c closer) Close() error {
	c()
	return nil
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

func (r *Rig) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.Network != nil {
		return r.Network.DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// get is the body of a page; an answer other than 200 is an error.
func (r *Rig) get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := r.pages.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return string(body), err
}

// Logs are the paths of all logs that the parts have written.
func (r *Rig) Logs() []string {
	logs, err := filepath.Glob(filepath.Join(r.Dir, "*.log"))
	if err != nil {
		return nil // only for a malformed pattern
	}
	return logs
}

// WriteFile puts a file into the rig's directory, and tells its path. All may read it: an Envoy may be another user.
func (r *Rig) WriteFile(name, text string) (string, error) {
	path := filepath.Join(r.Dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
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
