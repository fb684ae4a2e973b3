package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/l4xds/l4xds/internal/daemon"
	"github.com/l4xds/l4xds/internal/render"
	"github.com/l4xds/l4xds/internal/report"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// renderFormat is how Envoy resources are written.
type renderFormat string

const (
	renderYAML      renderFormat = "yaml"
	renderJSON      renderFormat = "json"
	renderBootstrap renderFormat = "bootstrap"
)

// rendering is one call of render.
type rendering struct {
	node   nodeFlag // empty: the resources of all nodes
	types  []string // empty: all
	format renderFormat
}

func newRender() *cobra.Command {
	r := rendering{format: renderYAML}
	c := &cobra.Command{
		Use:   "render [PATH...]",
		Short: "Print the Envoy resources that the configuration becomes",
		Long: "Print the Envoy resources that the configuration at the paths becomes, each with the line of the file that\n" +
			"it comes from. -o bootstrap makes one file for an Envoy that serves without l4xds.",
		Example: "  l4xds render l4xds.yaml --type lds\n" +
			"  l4xds render l4xds.yaml --node id=edge-1,cluster=edge,metadata.site=core -o bootstrap >envoy.yaml",
		PreRunE: func(*cobra.Command, []string) error { return r.check() },
		RunE:    func(c *cobra.Command, args []string) error { return r.run(c, pathsOr(args)) },
	}
	c.Flags().StringToStringVar((*map[string]string)(&r.node), "node", nil,
		"only what the node `KEY=VALUE,...` is given: id, cluster, zone, metadata.KEY")
	c.Flags().StringSliceVar(&r.types, "type", nil, "only resources of this `TYPE`: "+strings.Join(typeNames(), ", "))
	c.Flags().VarP(choice[renderFormat]{&r.format, []renderFormat{renderYAML, renderJSON, renderBootstrap}},
		"output", "o", "how to write them")
	return c
}

func typeNames() []string {
	names := make([]string, snapshot.NumTypes)
	for t := range snapshot.NumTypes {
		names[t] = t.String()
	}
	return names
}

// check refuses words that mean nothing.
func (r rendering) check() error {
	for _, name := range r.types {
		if !slices.Contains(typeNames(), name) {
			return fmt.Errorf("--type is %q, want one of %s", name, strings.Join(typeNames(), ", "))
		}
	}
	if r.format == renderBootstrap && len(r.types) > 0 {
		return fmt.Errorf("-o bootstrap needs resources of all types; leave --type out")
	}
	return r.node.check()
}

func (r rendering) run(c *cobra.Command, paths []string) error {
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
	if err := r.tellWithheld(c.ErrOrStderr(), compiled); err != nil {
		return fail(err)
	}
	return fail(r.write(c.OutOrStdout(), compiled))
}

// tellWithheld says which listeners are for the node and left out, because it does not declare what they need.
func (r rendering) tellWithheld(w io.Writer, compiled *daemon.Compiled) error {
	if len(r.node) == 0 {
		return nil
	}
	for _, held := range compiled.Generation.Withheld(r.view(compiled)) {
		at := ""
		if len(held.Places) > 0 {
			at = held.Places[0].String() + ": "
		}
		_, err := fmt.Fprintf(w, "%swarning: listener %s is left out (%s): it is for nodes that declare a capability, as in %s%s=%s\n",
			at, held.Listener, held.Reason, metadataPrefix, config.CapabilitiesKey, config.NetRaw)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r rendering) write(w io.Writer, compiled *daemon.Compiled) error {
	list := r.choose(compiled)
	switch r.format {
	case renderJSON:
		return render.JSON(w, list)
	case renderBootstrap:
		return render.Bootstrap(w, compiled.Config, list)
	default:
		return render.YAML(w, compiled.Config, list)
	}
}

// choose is the resources that were asked for.
func (r rendering) choose(compiled *daemon.Compiled) []*translate.Resource {
	list := compiled.Resources.List
	if len(r.node) > 0 {
		list = r.view(compiled).Resources()
	}
	if len(r.types) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(res *translate.Resource) bool {
		t, _ := snapshot.TypeOf(res.Type)
		return !slices.Contains(r.types, t.String())
	})
}

// view is what the node is given. Its stream, of whichever variant, can carry everything.
func (r rendering) view(compiled *daemon.Compiled) *snapshot.View {
	node := r.node.node()
	return compiled.Generation.View(node, translate.Lacks(node))
}
