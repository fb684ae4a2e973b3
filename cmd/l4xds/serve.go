package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/l4xds/l4xds/internal/daemon"
	"github.com/l4xds/l4xds/internal/watch"
)

// logFormat is how log lines are written.
type logFormat string

const (
	logAuto logFormat = "auto" // text on a terminal, else JSON
	logText logFormat = "text"
	logJSON logFormat = "json"
)

// serveFlags are the settings of the daemon. None of them stands in the configuration file.
type serveFlags struct {
	daemon.Options

	logLevel  slog.Level
	logFormat logFormat
}

func newServe() *cobra.Command {
	f := &serveFlags{
		Options: daemon.Options{
			XDS: "127.0.0.1:18000", Admin: "127.0.0.1:19000",
			Watch: watch.Auto, PollInterval: 5 * time.Second, Settle: 100 * time.Millisecond,
			ShutdownTime: 5 * time.Second,
		},
		logFormat: logAuto,
	}
	c := &cobra.Command{
		Use:   "serve [PATH...]",
		Short: "Run the daemon",
		Long: "Run the daemon: serve the configuration at the paths, files or directories of *.yaml, to Envoys, and\n" +
			"follow its edits. Without a path it is " + defaultPath + ".\n\n" +
			"SIGHUP looks at the files at once; SIGTERM and SIGINT end the daemon, a second one at once.\n" +
			"Each flag can also be given by the environment; a flag stands before the environment.",
		Args: func(_ *cobra.Command, args []string) error {
			if slices.Contains(args, "-") {
				return errors.New("serve follows the edits of files, which standard input has none of")
			}
			return nil
		},
		PreRunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return f.check()
		},
		RunE: func(c *cobra.Command, args []string) error { return fail(f.serve(c, pathsOr(args))) },
	}
	f.register(c.Flags())
	return c
}

func (f *serveFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.XDS, "xds", f.XDS, "`ADDRESS` for Envoys")
	flags.BoolVar(&f.InsecureXDS, "insecure-xds", false, "let other machines reach the xDS address, which is not encrypted")
	flags.StringVar(&f.Admin, "admin", f.Admin, "`ADDRESS` for health, metrics and status")
	flags.Var(choice[watch.Mode]{&f.Watch, watch.Modes()}, "watch", "how to notice edits; auto is events and polling")
	flags.DurationVar(&f.PollInterval, "poll-interval", f.PollInterval, "`TIME` between two looks when nothing is heard")
	flags.DurationVar(&f.Settle, "settle", f.Settle, "`TIME` without a change before an edit in several steps is taken")
	flags.BoolVar(&f.WaitForConfig, "wait-for-config", false, "wait for a path that does not exist yet")
	flags.DurationVar(&f.ShutdownTime, "shutdown-time", f.ShutdownTime, "`TIME` that streams may take to end")
	flags.TextVar(&f.logLevel, "log-level", f.logLevel, "`LEVEL` from which on to log: debug, info, warn, error")
	flags.Var(choice[logFormat]{&f.logFormat, []logFormat{logAuto, logText, logJSON}}, "log-format", "auto is text on a terminal, else JSON")
	flags.VisitAll(func(flag *pflag.Flag) { flag.Usage += " [$" + variable(flag.Name) + "]" })
}

// check refuses values that make no sense.
func (f *serveFlags) check() error {
	switch {
	case f.PollInterval <= 0:
		return fmt.Errorf("--poll-interval is %s, want more than 0; --watch events does not poll", f.PollInterval)
	case f.Settle < 0:
		return fmt.Errorf("--settle is %s, want 0 or more", f.Settle)
	case f.ShutdownTime < 0:
		return fmt.Errorf("--shutdown-time is %s, want 0 or more", f.ShutdownTime)
	}
	return nil
}

// variable is the name of the environment variable that stands for a flag of serve.
func variable(flag string) string {
	return "L4XDS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given but stand in the environment.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		value, ok := lookup(variable(flag.Name))
		if !ok || flag.Changed {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", variable(flag.Name), err))
		}
	})
	return errors.Join(errs...)
}

func (f *serveFlags) serve(c *cobra.Command, paths []string) error {
	ctx, stop := untilSignal(c.Context())
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	f.Paths, f.Hangup, f.NotifySocket = paths, hangup, os.Getenv("NOTIFY_SOCKET")
	f.Build, f.Log = build(), f.logger(c.ErrOrStderr())
	d, err := daemon.New(f.Options)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// untilSignal ends the context with the first signal to end. A second one then ends the process at once: the first is
// no longer waited for before anybody can see that it came.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

func (f *serveFlags) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: f.logLevel}
	if f.logFormat == logText || f.logFormat == logAuto && terminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
