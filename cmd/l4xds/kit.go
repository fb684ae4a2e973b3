package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/report"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

// kitCall is one call of kit.
type kitCall struct {
	kit.Options
	node   nodeFlag
	envoy  []string
	format kit.Format
	remove bool
}

func newKit() *cobra.Command {
	k := kitCall{Options: kit.Options{Side: kit.EnvoySide}}
	c := &cobra.Command{
		Use:   "kit [PATH...]",
		Short: "Print the kernel rules that listeners with source: client or transparent: need",
		Long: "Print the rules that the kernel of a host needs beside Envoy, for the listeners of one node in the configuration at\n" +
			"the paths: what captures traffic (transparent:), what brings answers back (source: client), and routes to addresses\n" +
			"that the host does not have (source: {address: …, freebind: true}). Nothing is changed here: run what is printed as\n" +
			"root, on the host, as often as you like. What it prints changes only with captured ports, modes, and the ports and\n" +
			"addresses of such listeners.\n\n" +
			"--side server is for the hosts of the servers, where these are not Envoy's own.",
		Example: "  l4xds kit l4xds.yaml --node id=edge-1,cluster=edge --format script | ssh edge-1 sudo sh\n" +
			"  l4xds kit l4xds.yaml --node id=edge-1 --format systemd >l4xds-kit.service\n" +
			"  l4xds kit --remove --format script | ssh edge-1 sudo sh",
		PreRunE: func(*cobra.Command, []string) error { return k.check() },
		RunE:    func(c *cobra.Command, args []string) error { return k.run(c, pathsOr(args)) },
	}
	flags := c.Flags()
	flags.StringToStringVar((*map[string]string)(&k.node), "node", nil,
		"the node `KEY=VALUE,...`: id, cluster, zone, metadata.KEY; needed if not all listeners are for all nodes")
	flags.Var(choice[kit.Format]{&k.format, kit.Formats()}, "format", "how to write it (default nft; for the server's side script)")
	flags.Var(choice[kit.Side]{&k.Side, []kit.Side{kit.EnvoySide, kit.ServerSide}}, "side", "the host that it is for")
	flags.StringSliceVar(&k.envoy, "envoy", nil,
		"`ADDRESS` of Envoy's host as the servers see it, one of each family at most; for the server's side")
	flags.StringVar(&k.EnvoyUser, "envoy-user", "",
		"the `USER` that Envoy runs as, a number or a name; for listeners that capture from: host")
	flags.BoolVar(&k.remove, "remove", false,
		"print what takes away whatever a kit made; needs neither the file nor the node")
	c.AddCommand(newKitVerify())
	return c
}

// check refuses words that mean nothing.
func (k *kitCall) check() error {
	if err := k.node.check(); err != nil {
		return err
	}
	for _, text := range k.envoy {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" || address.IsUnspecified() || address.Is4In6() {
			return fmt.Errorf("--envoy is %q, want an IP address", text)
		}
		for _, o := range k.Envoy {
			if o.Is4() == address.Is4() {
				return fmt.Errorf("--envoy has both %s and %s; want one of each family", o, address)
			}
		}
		k.Envoy = append(k.Envoy, address)
	}
	if len(k.envoy) > 0 && k.Side != kit.ServerSide {
		return errors.New("--envoy is for --side server")
	}
	table := k.format == kit.NFTables || k.format == kit.IPTables
	if table && k.Side == kit.ServerSide {
		return fmt.Errorf("--format %s: %w", k.format, kit.ErrNoTable)
	}
	if k.format == "" {
		k.format = kit.NFTables
		if k.Side == kit.ServerSide {
			k.format = kit.Script
		}
	}
	return nil
}

func (k *kitCall) run(c *cobra.Command, paths []string) error {
	if k.remove {
		return fail(kit.WriteRemoval(c.OutOrStdout(), k.format))
	}
	compiled, messages, err := compile(c, paths)
	if err != nil {
		return fail(err)
	}
	if err := report.Write(c.ErrOrStderr(), messages, report.Options{Color: colored(c.ErrOrStderr())}); err != nil {
		return fail(err)
	}
	if compiled == nil {
		return &failure{code: exitFailed}
	}
	made, err := k.kit(compiled.Config)
	if err != nil {
		return err
	}
	return fail(made.Write(c.OutOrStdout(), k.format))
}

// kit is what is needed; an error is one of the call.
func (k *kitCall) kit(c *config.Config) (*kit.Kit, error) {
	if len(k.node) == 0 {
		for _, l := range c.Listeners {
			if len(l.Audience.Terms) > 0 {
				return nil, fmt.Errorf("listener %s is for some nodes only; say with --node which one this is for", l.Name)
			}
		}
	}
	made, err := kit.For(c, k.node.node(), k.Options)
	var noEnvoy *kit.NoEnvoyError
	switch {
	case errors.Is(err, kit.ErrNoEnvoyUser):
		return nil, fmt.Errorf("%w; say with --envoy-user which it is", err)
	case errors.As(err, &noEnvoy):
		return nil, fmt.Errorf("%w; say with --envoy which it is", err)
	}
	return made, err
}
