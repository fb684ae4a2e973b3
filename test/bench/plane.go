package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/l4xds/l4xds/test/rig"
)

// plane is what stands between a file and an Envoy.
type plane interface {
	// stage prepares the change to w without any effect, so that the time to do so is not part of what is measured.
	stage(w *world) (edit, error)
}

// edit is files that are ready to take the places of others, in this order.
type edit []struct{ from, to string }

// commit replaces the files. It tells when it began.
func (e edit) commit() (time.Time, error) {
	began := time.Now()
	for _, rename := range e {
		if err := os.Rename(rename.from, rename.to); err != nil {
			return began, err
		}
	}
	return began, nil
}

// add prepares path to become a file of that text.
func (e *edit) add(path, text string) error {
	part := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")
	*e = append(*e, struct{ from, to string }{part, path})
	return os.WriteFile(part, []byte(text), 0o600)
}

// server is a control plane as a process.
type server struct {
	*rig.Process
	name string
	// xds is its address, file that of the configuration that it follows.
	xds, file string
	text      func(*world) string
	l4xds     string // for bootstraps
	rig       *rig.Rig
}

// startL4xds starts the daemon on w.
func (b *bench) startL4xds(w *world) (*server, error) {
	s := &server{name: "l4xds", text: (*world).yaml}
	err := b.start(s, w, "l4xds.yaml", func(admin string) (string, []string) {
		return b.l4xds, []string{"serve", s.file, "--xds", s.xds, "--admin", admin}
	})
	return s, err
}

// startStock starts the stock control plane on w.
func (b *bench) startStock(w *world) (*server, error) {
	s := &server{name: "stock", text: (*world).json}
	err := b.start(s, w, "stock.json", func(string) (string, []string) {
		return b.stock, []string{"-file", s.file, "-xds", s.xds}
	})
	return s, err
}

// start writes the file of w and starts what command says, which is told an address for administration.
func (b *bench) start(s *server, w *world, file string, command func(admin string) (string, []string)) (err error) {
	if s.rig, err = b.room(s.name); err != nil {
		return err
	}
	s.l4xds, s.file = b.l4xds, filepath.Join(s.rig.Dir, "config", file)
	if err := os.WriteFile(s.file, []byte(s.text(w)), 0o600); err != nil {
		return err
	}
	if s.xds, err = freeAddress(); err != nil {
		return err
	}
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	program, args := command(admin)
	s.Process, err = s.rig.Start(s.name, program, args...)
	return err
}

// stage implements plane.
func (s *server) stage(w *world) (edit, error) {
	var e edit
	return e, e.add(s.file, s.text(w))
}

// waitListening waits until the server takes connections.
func (s *server) waitListening(ctx context.Context) error {
	return until(ctx, func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.xds)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// until is rig.Until that looks every half millisecond, for as long as it takes within reason.
func until(ctx context.Context, try func() error) error {
	ctx, cancel := rig.Patience(ctx)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(500 * time.Microsecond):
		}
	}
}

// startEnvoy starts an Envoy that follows s and waits until it has its first configuration.
func (s *server) startEnvoy(ctx context.Context, variant string) (*rig.Process, error) {
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	text, err := exec.CommandContext(ctx, s.l4xds, "bootstrap", "--node-id", "bench-1", "--cluster", edge,
		"--xds", s.xds, "--admin", admin, "--variant", variant).Output()
	if err != nil {
		return nil, fmt.Errorf("make a bootstrap: %w", err)
	}
	return startEnvoy(ctx, s.rig, admin, string(text))
}

func freeAddress() (string, error) {
	port, err := rig.Port()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}
