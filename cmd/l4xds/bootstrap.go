package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
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
	flags.Var(capabilities{&o.Capabilities}, "capability",
		"what its process may do, for listeners that need it; may be given several times")
	flags.StringVar(&o.Admin, "admin", o.Admin, "`IP:PORT` of Envoy's own admin interface")
	flags.Var(choice[xds.Variant]{&o.Variant, []xds.Variant{xds.Delta, xds.SotW}}, "variant", "form of the stream")
	for _, name := range []string{"node-id", "cluster", "xds"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(fmt.Sprintf("bootstrap: %v", err)) // the flag stands above
		}
	}
	return c
}

// capabilities is a flag that takes one more capability each time.
type capabilities struct{ list *[]config.Capability }

// Set implements pflag.Value.
func (c capabilities) Set(text string) error {
	one, known := config.ParseCapability(text)
	if !known {
		return fmt.Errorf("want %s", strings.Join(words(config.Capabilities()), " or "))
	}
	if !slices.Contains(*c.list, one) {
		*c.list = append(*c.list, one)
	}
	return nil
}

// String implements pflag.Value.
func (c capabilities) String() string {
	if c.list == nil {
		return "" // pflag asks a zero value
	}
	return strings.Join(words(*c.list), ",")
}

// Type implements pflag.Value: it is what help shows as the value.
func (capabilities) Type() string { return strings.Join(words(config.Capabilities()), "|") }
