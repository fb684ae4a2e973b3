// Command l4xds is a control plane for layer-4 Envoys: it reads a file of listeners, backends and groups, checks it,
// and serves it to a fleet.
//
// This package holds flags, standard streams and exit codes, one file a command, and nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes, which are promises.
const (
	exitDone        = 0
	exitFailed      = 1 // an invalid file included
	exitUsage       = 2
	exitWarnings    = 3 // there are only warnings, and --strict
	exitUnreachable = 4 // the daemon cannot be reached
)

// defaultPath is the configuration that commands take when none is named.
const defaultPath = "/etc/l4xds"

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it carries out the command that args name, and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var failed *failure
	switch {
	case err == nil:
		return exitDone
	case !errors.As(err, &failed):
		// Only cobra itself returns other errors: about commands, flags and arguments.
		fmt.Fprintf(stderr, "l4xds: %s\nSee l4xds --help.\n", strings.TrimSpace(err.Error()))
		return exitUsage
	case failed.err != nil:
		fmt.Fprintf(stderr, "l4xds: %v\n", failed.err)
	}
	return failed.code
}

// failure ends the program with a code. A nil error means that everything has been said.
type failure struct {
	code int
	err  error
}

// Error implements error; people see the wrapped error only.
func (f *failure) Error() string { return fmt.Sprintf("exit %d: %v", f.code, f.err) }

// Unwrap is the error that is said, nil if everything has been said.
func (f *failure) Unwrap() error { return f.err }

// fail is the failure of a command that was called rightly. A nil error is no failure.
func fail(err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitFailed, err: err}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "l4xds",
		Short: "A control plane for layer-4 Envoys, driven by one file",
		Long: "l4xds reads a file of TCP and UDP listeners and backends, checks it, and serves it to a fleet of Envoys.\n" +
			"Edit the file: the Envoys follow, nothing else moves.",
		SilenceErrors: true, // run says them
		SilenceUsage:  true,
	}
	root.AddCommand(
		newServe(), newValidate(), newRender(), newBootstrap(), newProbe(), newTunnel(), newKit(), newInit(), newSchema(), newVersion(),
	)
	return root
}

// pathsOr is args, or the default path if there are none.
func pathsOr(args []string) []string {
	if len(args) == 0 {
		return []string{defaultPath}
	}
	return args
}

// terminal reports whether w is a terminal that a person looks at.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colored reports whether text on w may have colors: on a terminal, unless NO_COLOR is set to anything.
func colored(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal(w)
}
