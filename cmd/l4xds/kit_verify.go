package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/internal/hostcheck"
	"github.com/l4xds/l4xds/internal/report"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

// kitVerify is one call of kit verify.
type kitVerify struct {
	hostcheck.Options
	node   nodeFlag
	user   string
	output outputFormat
}

func newKitVerify() *cobra.Command {
	v := kitVerify{output: textOutput, Options: hostcheck.Options{Admin: bootstrap.DefaultAdmin}}
	c := &cobra.Command{
		Use:   "verify [PATH...] --node id=ID",
		Short: "Look whether this host has what the node's listeners need",
		Long: "Look whether this host has what the listeners of a node need: the rules, routes and kernel parameters of its\n" +
			"kit, the addresses that it sends from, and an Envoy that listens and has the capabilities. Each part is one\n" +
			"finding, with the command that mends it. The exit code is 0 if nothing failed, else 1.\n\n" +
			"It runs on the Envoy's host, as root; for an Envoy in a container, in the container's network namespace\n" +
			"(nsenter -t PID -n). It reads, and changes nothing.\n\n" +
			"--send also sends a connection or a datagram through each listener that captures, or has source: client. For as long as\n" +
			"this takes the host has two more interfaces, l4xds-client and l4xds-server, to namespaces with a client and a\n" +
			"stand-in for servers, with addresses of 169.254.76.0/29 and fd4c:4404::/32; and rules of routing with priority\n" +
			"4405, which lead to the stand-in what Envoy sends from the client's address, or to 192.0.2.1 and 2001:db8::1, which\n" +
			"nobody has. All of it is taken away at the end, also after an interrupt. The servers of listeners without\n" +
			"source: client, and those on this host, get the traffic themselves: a connection in which nothing is said, or a\n" +
			"datagram with one line of text.",
		Example: "  l4xds kit verify l4xds.yaml --node id=edge-1\n" +
			"  l4xds kit verify l4xds.yaml --node id=edge-1,cluster=edge --send",
		PreRunE: func(*cobra.Command, []string) error { return v.check() },
		RunE:    func(c *cobra.Command, args []string) error { return v.run(c, pathsOr(args)) },
	}
	flags := c.Flags()
	flags.StringToStringVar((*map[string]string)(&v.node), "node", nil, "the node `KEY=VALUE,...` that the Envoy of this host is: id, cluster, zone, metadata.KEY")
	flags.StringVar(&v.user, "envoy-user", "", "`USER` that the Envoy runs as, where it captures what this host sends")
	flags.StringVar(&v.Admin, "admin", v.Admin, "`HOST:PORT` of the Envoy's admin interface")
	flags.BoolVar(&v.Send, "send", false, "send a connection or a datagram through each listener")
	flags.DurationVar(&v.Timeout, "timeout", 5*time.Second, "`TIME` that each look may take, and that an answer is waited for")
	flags.VarP(choice[outputFormat]{&v.output, []outputFormat{textOutput, jsonOutput}}, "output", "o", "how to write it")
	return c
}

// check refuses words that mean nothing.
func (v *kitVerify) check() error {
	if v.node["id"] == "" {
		return fmt.Errorf("--node must say which Envoy runs on this host: id=ID")
	}
	if _, _, err := net.SplitHostPort(v.Admin); err != nil {
		return fmt.Errorf("--admin is %q, want HOST:PORT", v.Admin)
	}
	if v.Timeout <= 0 {
		return fmt.Errorf("--timeout is %s, want more than 0", v.Timeout)
	}
	return v.node.check()
}

func (v *kitVerify) run(c *cobra.Command, paths []string) error {
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
	v.Node, v.Command = v.node.node(), v.command(paths)
	call := kitCall{Options: kit.Options{EnvoyUser: v.user}, node: v.node}
	if v.Kit, err = call.kit(compiled.Config); err != nil {
		return err
	}
	return v.verify(c, compiled.Config)
}

// verify looks at the host and writes what it finds.
func (v *kitVerify) verify(c *cobra.Command, model *config.Config) error {
	text := hostcheck.NewWriter(c.OutOrStdout())
	if v.output == textOutput {
		v.Say = text.Say
	}
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	findings, err := hostcheck.Check(ctx, model, v.Options)
	if err != nil {
		return fail(err)
	}
	if v.output == textOutput {
		err = text.Close()
	} else {
		err = hostcheck.WriteJSON(c.OutOrStdout(), findings)
	}
	if err != nil {
		return fail(err)
	}
	if !hostcheck.Sound(findings) {
		return &failure{code: exitFailed}
	}
	return nil
}

// command is the command that prints the kit of this host, as one would type it.
func (v *kitVerify) command(paths []string) string {
	var node []string
	for _, key := range slices.Sorted(maps.Keys(v.node)) {
		node = append(node, key+"="+v.node[key])
	}
	words := append([]string{"l4xds", "kit"}, paths...)
	words = append(words, "--node", strings.Join(node, ","))
	for i, word := range words {
		words[i] = shellWord(word)
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

// shellWord is a word as a shell reads it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
