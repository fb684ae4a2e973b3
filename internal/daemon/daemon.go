// Package daemon is `l4xds serve`: it puts the parts of the picture together and runs them.
//
//	watch says "look" -> the reloader reads, checks, translates, publishes -> xds serves, status remembers, admin shows
//
// Only this package starts what lives long, in one group: the first part to end ends the others.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/l4xds/l4xds/internal/admin"
	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/watch"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// Options are the settings of a daemon: the flags of `l4xds serve`.
type Options struct {
	// Paths are the files and directories of the configuration, at least one.
	Paths []string
	// XDS and Admin are the addresses to listen on, host:port; port 0 takes a free one.
	XDS, Admin string
	// InsecureXDS allows an XDS address that other machines can reach.
	InsecureXDS bool
	// Watch is how changes of the files are noticed; PollInterval and Settle as in [watch.Options].
	Watch        watch.Mode
	PollInterval time.Duration
	Settle       time.Duration
	// ShutdownTime is how long open streams and requests may take to end.
	ShutdownTime time.Duration
	// WaitForConfig waits for a path that does not exist at the start, which is an error otherwise.
	WaitForConfig bool
	// Hangup makes the daemon look at the files at once, each time something is received; nil never does.
	Hangup <-chan os.Signal
	// NotifySocket is the address of systemd's notification socket; empty if it does not wait for us.
	NotifySocket string
	Build        status.Build
	Log          *slog.Logger
}

// Daemon is one running control plane. Make it with [New].
type Daemon struct {
	options  Options
	model    *status.Model
	watcher  *watch.Watcher
	reloader *reloader

	xdsListener, adminListener net.Listener

	xds    *xds.Server
	grpc   *grpc.Server
	health *health.Server
	admin  *http.Server
	// drained is closed when no stream is left.
	drained chan struct{}
}

// New binds the addresses and puts the parts together. Nothing runs before [Daemon.Run], which also gives the
// addresses back.
func New(o Options) (*Daemon, error) {
	xdsListener, adminListener, err := listen(o)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	d := &Daemon{
		options:       o,
		model:         status.New(o.Build, registry),
		xdsListener:   xdsListener,
		adminListener: adminListener,
		grpc:          grpc.NewServer(xds.ServerOptions()...),
		health:        health.NewServer(),
		drained:       make(chan struct{}),
	}
	d.watcher = watch.New(watch.Options{
		Mode: o.Watch, PollInterval: o.PollInterval, Settle: o.Settle, Log: o.Log, Registerer: registry,
	})
	store := snapshot.NewStore()
	d.xds = xds.New(store, d.model, registry, o.Log)
	d.xds.Register(d.grpc)
	d.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(d.grpc, d.health)
	d.admin = admin.NewServer(admin.Options{
		Model: d.model, Metrics: registry, Loopback: isLoopback(adminListener.Addr()), Log: o.Log,
	})
	d.reloader = &reloader{
		paths: o.Paths, waitForConfig: o.WaitForConfig, hangup: o.Hangup, watcher: d.watcher, compile: Compile,
		patience: patience{grace: grace, pause: pause},
		store:    store, model: d.model, notifier: notifier(o.NotifySocket), panics: newPanics(registry), log: o.Log,
		serving: func() { d.health.SetServingStatus("", healthv1.HealthCheckResponse_SERVING) },
	}
	return d, nil
}

// listen binds both addresses, or none.
func listen(o Options) (xdsListener, adminListener net.Listener, err error) {
	xdsListener, err = listenXDS(o)
	if err != nil {
		return nil, nil, err
	}
	adminListener, err = net.Listen("tcp", o.Admin)
	if err != nil {
		_ = xdsListener.Close() // it never took a connection
		return nil, nil, fmt.Errorf("listen on the admin address: %w", err)
	}
	return xdsListener, adminListener, nil
}

func listenXDS(o Options) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", o.XDS)
	if err != nil {
		return nil, fmt.Errorf("listen on the xDS address: %w", err)
	}
	if !isLoopback(addr) && !o.InsecureXDS {
		return nil, fmt.Errorf("xDS address %s can be reached by other machines, and nothing there is encrypted or "+
			"authenticated; use a loopback address, or --insecure-xds if the network is yours alone", o.XDS)
	}
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on the xDS address: %w", err)
	}
	return listener, nil
}

// isLoopback reports whether only this machine can reach a. An address without an IP is every address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// XDSAddr is the address that Envoys connect to.
func (d *Daemon) XDSAddr() net.Addr { return d.xdsListener.Addr() }

// AdminAddr is the address of the pages and metrics.
func (d *Daemon) AdminAddr() net.Addr { return d.adminListener.Addr() }

// Run serves until ctx ends, then lets streams and requests end for at most the shutdown time. It is to be called
// once. An error is the reason why one part ended by itself.
func (d *Daemon) Run(ctx context.Context) error {
	d.options.Log.Info("listening",
		"xds", d.XDSAddr().String(), "admin", d.AdminAddr().String(), "version", d.options.Build.Version)
	paceHeap()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.reloader.run(ctx) })
	group.Go(func() error { return d.watcher.Run(ctx) })
	group.Go(func() error { return d.serveXDS(ctx) })
	group.Go(func() error { return d.serveAdmin(ctx) })
	err := group.Wait()
	d.options.Log.Info("ended")
	return err
}

// serveXDS serves Envoys until ctx ends and the streams have.
func (d *Daemon) serveXDS(ctx context.Context) error {
	defer close(d.drained)
	failed := make(chan error, 1)
	go func() { failed <- d.grpc.Serve(d.xdsListener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve xDS: %w", err)
	case <-ctx.Done():
		d.drain()
		if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return fmt.Errorf("serve xDS: %w", err)
		}
		return nil
	}
}

// drain ends all streams, by force once the shutdown time is over.
func (d *Daemon) drain() {
	d.model.Drain()
	d.reloader.tell("STOPPING=1")
	d.health.Shutdown()
	d.xds.Shutdown()
	force := time.AfterFunc(d.options.ShutdownTime, d.grpc.Stop)
	defer force.Stop()
	d.grpc.GracefulStop()
}

// serveAdmin serves the pages until ctx ends and no stream is left: till then they tell how that goes.
func (d *Daemon) serveAdmin(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- d.admin.Serve(d.adminListener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the admin address: %w", err)
	case <-ctx.Done():
	}
	<-d.drained
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.options.ShutdownTime)
	defer cancel()
	if d.admin.Shutdown(last) != nil {
		_ = d.admin.Close() // whoever is still reading has had their time
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the admin address: %w", err)
	}
	return nil
}
