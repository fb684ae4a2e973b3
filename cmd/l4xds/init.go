package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
)

//go:embed starter.yaml
var starter string

func newInit() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a commented configuration to start from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), starter)
			return fail(err)
		},
	}
}
