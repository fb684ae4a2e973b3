package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/status"
)

// version is the release or commit; the Makefile sets it.
var version = "dev"

func newVersion() *cobra.Command {
	output := textOutput
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := build()
			if output == jsonOutput {
				return fail(json.NewEncoder(c.OutOrStdout()).Encode(b))
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "l4xds %s (%s, %s/%s)\n", b.Version, b.GoVersion, runtime.GOOS, runtime.GOARCH)
			return fail(err)
		},
	}
	c.Flags().VarP(choice[outputFormat]{&output, []outputFormat{textOutput, jsonOutput}}, "output", "o", "how to write it")
	return c
}

// outputFormat is how data is written.
type outputFormat string

const (
	textOutput outputFormat = "text"
	jsonOutput outputFormat = "json"
)

// build says which program this is.
func build() status.Build {
	b := status.Build{Version: version, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return b
}
