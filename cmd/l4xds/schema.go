package main

import (
	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/docs"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(docs.Schema)
			return fail(err)
		},
	}
}
