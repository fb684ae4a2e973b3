// Package doctor sends bytes through the tunnels of a configuration, and says in words what happened.
//
//	*config.Config -> doctor -> the far ends, and the near ends that can be reached -> findings
//
// It goes two ways. Directly, it plays the near end itself: it speaks to each far end as the file says that an Envoy
// should, one step after the other, so that the first step which fails is the one to mend. And it is a client of the
// listeners that go through the tunnel, where they can be reached: what comes back from there has passed both ends.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// Options say what to check, and how.
type Options struct {
	// Tunnel is the only one that is checked; empty for all.
	Tunnel string
	// Target is what far ends are asked for in the place of what the file's listeners ask for; zero for that.
	Target config.Ask
	// Echo are the addresses of this machine, host:port, at which a stand-in for the targets gives back what comes, by TCP
	// and UDP, for as long as the check takes.
	Echo []string
	// Timeout bounds each step.
	Timeout time.Duration
	// Say is told each finding as it is made; nil for nobody.
	Say func(Finding)
}

// Finding is what one step has shown.
type Finding struct {
	// Tunnel is the name of the tunnel, File and Line where it stands.
	Tunnel string `json:"tunnel"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	// Way is how its far end was reached.
	Way Way `json:"way"`
	// Listener is the name of the listener, for that way.
	Listener string `json:"listener,omitempty"`
	// Address is that of the far end, or of the listener.
	Address string `json:"address"`
	// Step is what was tried.
	Step Step `json:"step"`
	// Result is how it went.
	Result finding.Result `json:"result"`
	// Message says it in words, Advice what to do; empty where there is nothing to do.
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// Way is how a far end is reached.
type Way string

// The ways.
const (
	// Direct is to it, in the place of a near end.
	Direct Way = "direct"
	// Near is by a listener of a near end.
	Near Way = "near_end"
)

// Step is one thing that is tried.
type Step string

// The steps, in their order. Not every way has all.
const (
	Connect  Step = "connect"
	TLS      Step = "tls"
	HTTP     Step = "http"
	Request  Step = "request"
	Exchange Step = "exchange"
)

// errNothing is the error of a configuration without near ends.
var errNothing = errors.New("there is no tunnel with a proxy, so that there is nothing to check")

// Check checks the tunnels of c. The error is about what was asked, or about the stand-ins: what is wrong with a tunnel is
// a finding.
func Check(ctx context.Context, c *config.Config, o Options) ([]Finding, error) {
	tunnels, err := chosen(c, o.Tunnel)
	if err != nil {
		return nil, err
	}
	stop, err := standIns(o.Echo)
	if err != nil {
		return nil, err
	}
	defer stop()
	var findings []Finding
	for _, t := range tunnels {
		p := &patient{Options: o, ctx: ctx, config: c, tunnel: t, seen: map[string]bool{}}
		p.check()
		findings = append(findings, p.findings...)
		if err := ctx.Err(); err != nil {
			return findings, err
		}
	}
	return findings, nil
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

// chosen are the tunnels of c with near ends, or the one of that name.
func chosen(c *config.Config, name string) ([]*config.Tunnel, error) {
	all := nearEnds(c)
	if len(all) == 0 {
		return nil, errNothing
	}
	if name == "" {
		return all, nil
	}
	var names []string
	for _, t := range all {
		if t.Name == name {
			return []*config.Tunnel{t}, nil
		}
		names = append(names, t.Name)
	}
	return nil, fmt.Errorf("no tunnel with a proxy is named %q; there are: %s", name, strings.Join(names, ", "))
}

// patient is one tunnel while it is checked.
type patient struct {
	Options
	ctx      context.Context //nolint:containedctx // of one call of Check
	config   *config.Config
	tunnel   *config.Tunnel
	findings []Finding
	// where is what the next findings are about.
	where Finding
	// seen are the wants that were answered directly, by their texts.
	seen map[string]bool
}

func (p *patient) check() {
	at := p.config.Position(p.tunnel.At)
	p.where = Finding{Tunnel: p.tunnel.Name, File: at.File, Line: at.Line}
	wants := p.wants()
	for _, e := range p.tunnel.Proxy.Endpoints {
		if p.ctx.Err() != nil {
			return
		}
		p.direct(e, wants)
	}
	for _, l := range p.config.Listeners {
		p.listener(l)
	}
}

// say notes a finding.
func (p *patient) say(step Step, w word) {
	f := p.where
	f.Step, f.Result, f.Message, f.Advice = step, w.result, w.message, w.advice
	p.findings = append(p.findings, f)
	if p.Say != nil {
		p.Say(f)
	}
}

// limited is a context for one step.
func (p *patient) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, p.Timeout)
}

// word is what there is to say of a step.
type word struct {
	result          finding.Result
	message, advice string
}

func ok(format string, args ...any) word {
	return word{result: finding.OK, message: fmt.Sprintf(format, args...)}
}

func unsure(format string, args ...any) word {
	return word{result: finding.Unsure, message: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) word {
	return word{result: finding.Skipped, message: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) word {
	return word{result: finding.Failed, message: fmt.Sprintf(format, args...)}
}

// but is w with an advice.
func (w word) but(advice string) word {
	w.advice = advice
	return w
}

// span is a duration as people read it.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
