package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/internal/daemon"
	"github.com/l4xds/l4xds/internal/report"
	"github.com/l4xds/l4xds/pkg/config"
)

func newValidate() *cobra.Command {
	v := validation{format: report.Text}
	c := &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check the configuration, with the very code of a reload",
		Long: "Check the configuration at the paths, files or directories of *.yaml, or - for standard input; without a\n" +
			"path it is " + defaultPath + ". All mistakes are reported at once.\n\n" +
			"The exit code is 0 if it is valid, 1 if not, 3 with --strict if there are warnings only.",
		RunE: func(c *cobra.Command, args []string) error { return v.run(c, pathsOr(args)) },
	}
	c.Flags().BoolVar(&v.strict, "strict", false, "let warnings fail")
	c.Flags().VarP(choice[report.Format]{&v.format, report.Formats()}, "output", "o", "how to write the messages")
	c.Flags().StringVar(&v.envoy, "with-envoy", "", "also let this Envoy `BINARY` check what it would be given")
	return c
}

// validation is one call of validate.
type validation struct {
	strict bool
	format report.Format
	envoy  string // path of the binary, empty for none
}

func (v validation) run(c *cobra.Command, paths []string) error {
	compiled, messages, err := compile(c, paths)
	if err != nil {
		return fail(err)
	}
	if err := v.write(c, messages, compiled); err != nil {
		return fail(err)
	}
	switch {
	case compiled == nil:
		return &failure{code: exitFailed}
	case v.envoy != "":
		if err := bootstrap.Check(c.Context(), v.envoy, compiled.Resources); err != nil {
			return fail(err)
		}
	}
	if v.strict && len(messages) > 0 {
		return &failure{code: exitWarnings}
	}
	return nil
}

// write says what there is to say: text is for a person and stands where messages do, all else is data.
func (v validation) write(c *cobra.Command, messages config.Diagnostics, compiled *daemon.Compiled) error {
	o := report.Options{Format: v.format, Version: version}
	if v.format != report.Text {
		return report.Write(c.OutOrStdout(), messages, o)
	}
	o.Color = colored(c.ErrOrStderr())
	if err := report.Write(c.ErrOrStderr(), messages, o); err != nil || compiled == nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "valid: %s\n", summary(compiled.Config))
	return err
}

// summary is "2 listeners, 1 backend, 0 groups"; tunnels stand there if there are some.
func summary(c *config.Config) string {
	names := map[string]bool{}
	for _, l := range c.Listeners {
		if l.Exit == nil {
			names[l.Name] = true
		}
	}
	text := counted(len(names), "listener") + ", " + counted(len(c.Backends), "backend") + ", " + counted(len(c.Groups), "group")
	if len(c.Tunnels) > 0 {
		text += ", " + counted(len(c.Tunnels), "tunnel")
	}
	return text
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// compile runs the code of a reload on paths. Our own mistakes are errors; those of the files are messages.
func compile(c *cobra.Command, paths []string) (*daemon.Compiled, config.Diagnostics, error) {
	src := config.NewSource()
	src.Stdin(c.InOrStdin())
	compiled, messages, err := daemon.Compile(src, nil, paths...)
	if panicked, ok := errors.AsType[*daemon.PanicError](err); ok {
		err = fmt.Errorf("%w\n%s", err, panicked.Stack)
	}
	return compiled, messages, err
}
