package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/internal/xds"
)

func newBootstrap() *cobra.Command {
	o := bootstrap.Options{Admin: bootstrap.DefaultAdmin, Variant: xds.Delta}
	c := &cobra.Command{
		Use:   "bootstrap --node-id ID --cluster NAME --xds HOST:PORT",
		Short: "Print the file that an Envoy starts from to follow l4xds",
		Example: "  l4xds bootstrap --node-id edge-1 --cluster edge --xds 10.0.0.1:18000 >envoy.yaml\n" +
			"  envoy -c envoy.yaml --drain-time-s 60",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var text bytes.Buffer
			if err := bootstrap.Write(&text, o); err != nil {
				return err // a buffer takes everything, so that it is about the flags
			}
			_, err := text.WriteTo(c.OutOrStdout())
			return fail(err)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.NodeID, "node-id", "", "`ID` of the Envoy; each one has its own")
	flags.StringVar(&o.Cluster, "cluster", "", "`NAME` of the kind of Envoy")
	flags.StringVar(&o.XDS, "xds", "", "`HOST:PORT` of l4xds")
	flags.StringVar(&o.Zone, "zone", "", "`ZONE` in which the Envoy runs")
	flags.StringToStringVar(&o.Metadata, "metadata", nil, "`KEY=VALUE` that groups can ask for; may be given several times")
	flags.StringVar(&o.Admin, "admin", o.Admin, "`IP:PORT` of Envoy's own admin interface")
	flags.Var(choice[xds.Variant]{&o.Variant, []xds.Variant{xds.Delta, xds.SotW}}, "variant", "form of the stream")
	for _, name := range []string{"node-id", "cluster", "xds"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(fmt.Sprintf("bootstrap: %v", err)) // the flag stands above
		}
	}
	return c
}
