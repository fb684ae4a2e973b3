package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Daemon is `l4xds serve` as a process, with one configuration file of its own.
type Daemon struct {
	*Process
	// File is the path of its configuration.
	File string
	// XDS and Admin are its addresses, host:port. They stay through restarts.
	XDS, Admin string

	rig     *Rig
	program string
	args    []string
}

// Status is what /status tells, as far as tests look at it.
type Status struct {
	Config struct {
		Generation uint64    `json:"generation"`
		State      string    `json:"state"`
		Messages   []Message `json:"messages"`
	} `json:"config"`
	Nodes []Node `json:"nodes"`
}

// Message is one complaint about the configuration.
type Message struct {
	Severity string `json:"severity"`
	Message  string `json:"message"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	ID       string `json:"id"`
}

// Node is one Envoy as the daemon sees it.
type Node struct {
	ID      string              `json:"id"`
	Variant string              `json:"variant"`
	State   string              `json:"state"`
	Types   map[string]NodeType `json:"types"`
	// Withheld are the listeners that it is not given.
	Withheld []Withheld `json:"withheld"`
}

// Withheld is a listener that an Envoy is not given, and why.
type Withheld struct {
	Listener string  `json:"listener"`
	Reason   string  `json:"reason"`
	Places   []Place `json:"places"`
}

// NodeType is how far one type of resource has come on a node.
type NodeType struct {
	Sent   string `json:"sent"`
	Acked  string `json:"acked"`
	Nacked *Nack  `json:"nacked"`
}

// Nack is what an Envoy refused, in its own words, and where that stands in the file.
type Nack struct {
	Version string `json:"version"`
	Message string `json:"message"`
	// Advice says what to do about it.
	Advice []string `json:"advice"`
	Places []Place  `json:"places"`
}

// Place is a spot in a file.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// StartDaemon starts the program at path, made by Build, on a configuration of the given text, with more flags of
// `l4xds serve` if wanted. It does not wait: see WaitReady.
func (r *Rig) StartDaemon(program, text string, flags ...string) (*Daemon, error) {
	xds, err := Port()
	if err != nil {
		return nil, err
	}
	admin, err := Port()
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		File:    filepath.Join(r.Dir, "config", "l4xds.yaml"),
		XDS:     address("127.0.0.1", xds),
		Admin:   address("127.0.0.1", admin),
		rig:     r,
		program: program,
	}
	d.args = append([]string{"serve", d.File, "--xds", d.XDS, "--admin", d.Admin}, flags...)
	if err := os.MkdirAll(filepath.Dir(d.File), 0o700); err != nil {
		return nil, err
	}
	if err := d.Save(text); err != nil {
		return nil, err
	}
	return d, d.Start()
}

// Start starts the daemon again, after Kill or Close, for this time with more flags if wanted.
func (d *Daemon) Start(flags ...string) (err error) {
	d.Process, err = d.rig.Start("l4xds", d.program, append(slices.Clip(d.args), flags...)...)
	return err
}

// Save replaces the configuration file at once, as editors do.
func (d *Daemon) Save(text string) error {
	return Replace(d.File, text)
}

// WaitReady waits until a good configuration is in force.
func (d *Daemon) WaitReady(ctx context.Context) error {
	return d.until(ctx, func() error {
		_, err := d.rig.get(ctx, "http://"+d.Admin+"/readyz")
		return err
	})
}

// WaitAlive waits until the daemon answers at all, whether or not it has a configuration.
func (d *Daemon) WaitAlive(ctx context.Context) error {
	return d.until(ctx, func() error {
		_, err := d.rig.get(ctx, "http://"+d.Admin+"/healthz")
		return err
	})
}

// Status asks the daemon how things stand.
func (d *Daemon) Status(ctx context.Context) (*Status, error) {
	text, err := d.rig.get(ctx, "http://"+d.Admin+"/status?format=json")
	if err != nil {
		return nil, err
	}
	status := new(Status)
	if err := json.Unmarshal([]byte(text), status); err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	return status, nil
}

// Metrics is the text of /metrics.
func (d *Daemon) Metrics(ctx context.Context) (string, error) {
	return d.rig.get(ctx, "http://"+d.Admin+"/metrics")
}

// WaitStatus waits until the daemon's status satisfies want, which says what is missing.
func (d *Daemon) WaitStatus(ctx context.Context, want func(*Status) error) error {
	return d.until(ctx, func() error {
		status, err := d.Status(ctx)
		if err != nil {
			return err
		}
		return want(status)
	})
}

// Apply saves text, which must differ from what the file holds, and waits until it is in force and all Envoys that are
// connected have it.
func (d *Daemon) Apply(ctx context.Context, text string) error {
	before, err := d.Status(ctx)
	if err != nil {
		return err
	}
	if err := d.Save(text); err != nil {
		return err
	}
	return d.WaitStatus(ctx, func(s *Status) error {
		if s.Config.Generation == before.Config.Generation || s.Config.State != "applied" {
			return fmt.Errorf("the edit is not in force: %v", s.Config.Messages)
		}
		return s.Synced()
	})
}

// Synced says which Envoy, if any, does not have what is in force.
func (s *Status) Synced() error {
	var errs []error
	for _, node := range s.Nodes {
		if node.State != "synced" {
			errs = append(errs, fmt.Errorf("envoy %s is %s", node.ID, node.State))
		}
	}
	return errors.Join(errs...)
}

// Patience is a context for waiting: much longer than anything takes, shorter than the test's own end.
func Patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 30*time.Second)
}
