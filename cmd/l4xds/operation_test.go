package main

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/watch"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/snapshot"
)

// manual is docs/operation.md, which tells people of every command, flag and metric.
func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// foreignFlags are flags in the manual that are not ours alone: of Envoy, and of what starts it.
var foreignFlags = []string{
	"help", "drain-time-s", "cap-add", "reuid", "regid", "clear-groups", "inh-caps", "ambient-caps", "bounding-set",
}

func TestManualHasEveryCommandAndFlag(t *testing.T) {
	text := manual(t)
	for _, c := range commands(newRoot()) {
		if !strings.Contains(text, "`"+c.CommandPath()) {
			t.Errorf("the manual does not tell of %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(text, "--"+f.Name) && !strings.Contains(text, "`-"+f.Shorthand+" ") {
				t.Errorf("the manual does not tell of %s --%s", c.CommandPath(), f.Name)
			}
		})
	}
	for _, flag := range regexp.MustCompile("--([a-z][a-z-]*)").FindAllStringSubmatch(text, -1) {
		if !isFlag(flag[1]) && !slices.Contains(foreignFlags, flag[1]) {
			t.Errorf("the manual tells of --%s, which no command has", flag[1])
		}
	}
}

// commands are all commands below c.
func commands(c *cobra.Command) (all []*cobra.Command) {
	for _, sub := range c.Commands() {
		all = append(append(all, sub), commands(sub)...)
	}
	return all
}

// isFlag reports whether some command has a flag of that name.
func isFlag(name string) bool {
	for _, c := range commands(newRoot()) {
		if c.Flag(name) != nil {
			return true
		}
	}
	return false
}

// names collects the names of what is registered.
type names []string

func (n *names) Register(c prometheus.Collector) error {
	described := make(chan *prometheus.Desc, 100)
	c.Describe(described)
	close(described)
	for d := range described {
		*n = append(*n, regexp.MustCompile(`fqName: "([^"]*)"`).FindStringSubmatch(d.String())[1])
	}
	return nil
}

func (n *names) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = n.Register(c)
	}
}

func (n *names) Unregister(prometheus.Collector) bool { return false }

func TestManualHasEveryMetric(t *testing.T) {
	var registered names
	status.New(status.Build{}, &registered)
	watch.New(watch.Options{Mode: watch.Off, Log: slog.New(slog.DiscardHandler), Registerer: &registered})
	xds.New(snapshot.NewStore(), nil, &registered, slog.New(slog.DiscardHandler))
	text := manual(t)
	for _, name := range registered {
		if !strings.Contains(text, "`"+name) {
			t.Errorf("the manual does not tell of %s", name)
		}
	}
	if len(registered) < 20 {
		t.Errorf("only %d metrics are registered", len(registered))
	}
}
