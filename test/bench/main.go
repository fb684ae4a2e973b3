// Command bench measures what the product promises in time and memory, beside others on the same machine in the same
// run: Envoy's own filesystem xDS, and go-control-plane's stock cache and server. Ratios are what counts; the absolute
// figures are those of the machine.
//
//	go run ./test/bench [-edits N] [-profile DIR] [effect] [stages] [large] [fleet]
//
// Without a name it measures all. It prints tables in Markdown, listens on loopback only, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/l4xds/l4xds/test/rig"
)

func main() {
	// A second signal ends it at once, and its processes with it.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	*rig.Rig
	// edits is how many edits of a kind the series of effect and stages have.
	edits int
	// profile is the directory for CPU profiles of stages, empty for none.
	profile string
	// l4xds and stock are the paths of the two control planes.
	l4xds, stock string
	// blue and green are stand-in backends, each on one port of TCP and UDP.
	blue, green backend
}

// measurement is one group of tables.
type measurement struct {
	name string
	run  func(*bench, context.Context) error
}

var measurements = []measurement{
	{"effect", (*bench).effect},
	{"stages", (*bench).stages},
	{"large", (*bench).large},
	{"fleet", (*bench).fleet},
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.edits, "edits", 200, "how many edits of a kind are measured")
	flags.StringVar(&b.profile, "profile", "", "where to leave CPU profiles of stages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "l4xds-bench-")
	if err != nil {
		return err
	}
	b.Rig = rig.New(dir)
	defer func() {
		if err = errors.Join(err, b.Close()); err == nil {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(os.Stderr, "bench: the logs are in", dir)
	}()
	if err := b.prepare(); err != nil {
		return err
	}
	return b.measure(ctx, chosen)
}

// choose is the measurements of these names, all if there are none.
func choose(names []string) ([]measurement, error) {
	if len(names) == 0 {
		return measurements, nil
	}
	var chosen []measurement
	for _, name := range names {
		i := slices.IndexFunc(measurements, func(m measurement) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no measurement %q", name)
		}
		chosen = append(chosen, measurements[i])
	}
	return chosen, nil
}

// prepare builds the programs and starts the backends.
func (b *bench) prepare() (err error) {
	progress("building")
	if b.l4xds, err = b.build("./cmd/l4xds"); err != nil {
		return err
	}
	if b.stock, err = b.build("./test/bench/stock"); err != nil {
		return err
	}
	if b.blue, err = b.startBackend("blue"); err != nil {
		return err
	}
	b.green, err = b.startBackend("green")
	return err
}

func (b *bench) measure(ctx context.Context, chosen []measurement) error {
	bin, err := rig.EnvoyPath()
	if err != nil {
		return err // without Envoy there is nothing to compare with
	}
	version, err := envoyVersion(ctx, bin)
	if err != nil {
		return err
	}
	fmt.Println(machine(version))
	for _, m := range chosen {
		began := time.Now()
		if err := m.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("\n%s took %.0f s; load afterwards %s\n", m.name, time.Since(began).Seconds(), load())
	}
	return nil
}

// room is a rig in a directory of its own, for the parts of one control plane. It ends with b, if not before.
func (b *bench) room(name string) (*rig.Rig, error) {
	dir, err := os.MkdirTemp(b.Dir, name+"-")
	if err != nil {
		return nil, err
	}
	r := rig.New(dir)
	b.Keep(r)
	return r, os.Mkdir(filepath.Join(dir, "config"), 0o700)
}

// progress tells whoever waits what is going on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
