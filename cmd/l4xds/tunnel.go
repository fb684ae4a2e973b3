package main

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/doctor"
	"github.com/l4xds/l4xds/internal/report"
	"github.com/l4xds/l4xds/pkg/config"
)

func newTunnel() *cobra.Command {
	c := &cobra.Command{
		Use:   "tunnel",
		Short: "Look after the tunnels of the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newTunnelCheck())
	return c
}

// tunnelCheck is one call of tunnel check.
type tunnelCheck struct {
	doctor.Options
	target string
	output outputFormat
}

func newTunnelCheck() *cobra.Command {
	t := tunnelCheck{output: textOutput}
	c := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Send bytes through the tunnels of the configuration, and say what happened",
		Long: "Send bytes through the tunnels of the configuration at the paths, and say what happened. Each far end is\n" +
			"spoken to directly, in the place of a near end: its address, TLS, HTTP, and what the listeners of the file ask\n" +
			"it for. Near ends that serve on this machine are gone through as well.\n\n" +
			"The targets see the traffic: a line of text by TCP, datagrams of random bytes by UDP, and larger ones if they\n" +
			"give back what they get. The exit code is 0 if nothing failed, else 1.",
		Example: "  l4xds tunnel check l4xds.yaml --tunnel hub\n" +
			"  l4xds tunnel check l4xds.yaml --echo 10.0.0.5:7777",
		PreRunE: func(*cobra.Command, []string) error { return t.check() },
		RunE:    func(c *cobra.Command, args []string) error { return t.run(c, pathsOr(args)) },
	}
	flags := c.Flags()
	flags.StringVar(&t.Tunnel, "tunnel", "", "only the tunnel of this `NAME`")
	flags.StringVar(&t.target, "target", "", "ask far ends for `HOST:PORT` instead of what the listeners ask for")
	flags.StringSliceVar(&t.Echo, "echo", nil,
		"let a stand-in for targets give back, at this `IP:PORT` of this machine, what comes by TCP and UDP; may be given several times")
	flags.DurationVar(&t.Timeout, "timeout", 5*time.Second, "`TIME` that each step may take")
	flags.VarP(choice[outputFormat]{&t.output, []outputFormat{textOutput, jsonOutput}}, "output", "o", "how to write it")
	return c
}

// check refuses words that mean nothing.
func (t *tunnelCheck) check() error {
	if t.Timeout <= 0 {
		return fmt.Errorf("--timeout is %s, want more than 0", t.Timeout)
	}
	for _, address := range t.Echo {
		if host, port, err := net.SplitHostPort(address); err != nil || net.ParseIP(host) == nil || port == "0" {
			return fmt.Errorf("--echo is %q, want IP:PORT", address)
		}
	}
	if t.target == "" {
		return nil
	}
	var err error
	if t.Target, err = config.ParseAsk(t.target); err != nil || !t.Target.Literal() {
		return fmt.Errorf("--target is %q, want HOST:PORT", t.target)
	}
	return nil
}

func (t *tunnelCheck) run(c *cobra.Command, paths []string) error {
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
	text := doctor.NewWriter(c.OutOrStdout())
	if t.output == textOutput {
		t.Say = text.Say
	}
	findings, err := doctor.Check(c.Context(), compiled.Config, t.Options)
	if err != nil {
		return fail(err)
	}
	if t.output == textOutput {
		err = text.Close()
	} else {
		err = doctor.WriteJSON(c.OutOrStdout(), findings)
	}
	if err != nil {
		return fail(err)
	}
	if !doctor.Sound(findings) {
		return &failure{code: exitFailed}
	}
	return nil
}
