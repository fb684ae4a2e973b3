// Package hostcheck looks at what stands beneath an Envoy that works with its clients' addresses: the kernel's rules, its
// routes and parameters, and the process. It says in words what is not as the configuration needs it, and what mends it.
//
//	*config.Config, *kit.Kit -> hostcheck -> nft, ip, /proc, Envoy's admin address -> findings
//
// It runs in the network namespace of the Envoy, and changes nothing there. Only [Options.Send] adds something for the
// time that it takes: two namespaces with a client and a server in them, and the routes to them.
package hostcheck

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/kit"
)

// Options say what to check, and how.
type Options struct {
	// Kit is what the host should have.
	Kit *kit.Kit
	// Node is the Envoy, as the command line describes it.
	Node config.Node
	// Command is the command that writes the kit, as one would type it, without its format.
	Command string
	// Admin is the address of its admin interface, host:port.
	Admin string
	// Send sends a connection or a datagram through each listener.
	Send bool
	// Timeout bounds each look, and each wait for an answer.
	Timeout time.Duration
	// Say is told each finding as it is made; nil for nobody.
	Say func(Finding)
}

// Finding is how one part is.
type Finding struct {
	// Part is what kind of thing it is, Name which one.
	Part Part   `json:"part"`
	Name string `json:"name"`
	// Result is how it is.
	Result finding.Result `json:"result"`
	// Message says it in words.
	Message string `json:"message"`
	// Found and Expected are what is there and what should be, as the kernel or the Envoy writes it; empty where there is
	// nothing, or where the message says it all.
	Found    string `json:"found,omitempty"`
	Expected string `json:"expected,omitempty"`
	// Why is what the part is for.
	Why string `json:"why,omitempty"`
	// Mend is the command that makes it right, and Advice what to do where no command does; empty where there is nothing to
	// do.
	Mend   string `json:"mend,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// Part is a kind of thing that a host has.
type Part string

// The parts, in their order.
const (
	Rules     Part = "rules"
	Routes    Part = "routes"
	Sysctls   Part = "sysctls"
	Addresses Part = "addresses"
	Envoy     Part = "envoy"
	Traffic   Part = "traffic"
)

// Check checks this host for a configuration. What is wrong with it, or cannot be seen, is a finding; the error is that of
// ctx.
func Check(ctx context.Context, c *config.Config, o Options) ([]Finding, error) {
	i := &inspection{Options: o, ctx: ctx, config: c, host: thisHost()}
	for _, part := range []func(){i.rules, i.routes, i.sysctls, i.addresses, i.envoy, i.traffic} {
		if ctx.Err() == nil {
			part()
		}
	}
	if ctx.Err() == nil && len(i.findings) == 0 {
		i.say(Finding{
			Part: Rules, Name: "node " + o.Node.ID, Result: finding.OK, Message: "its listeners need nothing of this host",
		})
	}
	return i.findings, ctx.Err()
}

// Sound reports whether nothing failed.
func Sound(findings []Finding) bool {
	for _, f := range findings {
		if f.Result == finding.Failed {
			return false
		}
	}
	return true
}

// inspection is one call of Check.
type inspection struct {
	Options
	ctx      context.Context //nolint:containedctx // of one call of Check
	config   *config.Config
	host     host
	findings []Finding
}

// say notes a finding.
func (i *inspection) say(f Finding) {
	i.findings = append(i.findings, f)
	if i.Say != nil {
		i.Say(f)
	}
}

// limited is a context for one look.
func (i *inspection) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(i.ctx, i.Timeout)
}

// run runs a program of the host within the time for one look.
func (i *inspection) run(words ...string) (string, error) {
	ctx, cancel := i.limited()
	defer cancel()
	return i.host.run(ctx, "", words...)
}

// Writer writes findings for people, one after the other, as they are made.
type Writer struct{ *finding.Printer }

// NewWriter writes to out.
func NewWriter(out io.Writer) Writer { return Writer{finding.NewPrinter(out)} }

// Say writes one finding.
func (w Writer) Say(f Finding) {
	w.Under(string(f.Part))
	w.Printer.Say(f.Result, f.Name+": "+f.Message,
		labelled("found", f.Found), labelled("expected", f.Expected), labelled("why", f.Why), f.Advice, labelled("mend", f.Mend))
}

func labelled(label, text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%-10s%s", label+":", text)
}

// WriteJSON writes all findings for programs.
func WriteJSON(out io.Writer, findings []Finding) error {
	return finding.WriteJSON(out, Sound(findings), findings)
}
