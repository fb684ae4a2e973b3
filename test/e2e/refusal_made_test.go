//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/l4xds/l4xds/internal/bootstrap"
	"github.com/l4xds/l4xds/internal/status"
	"github.com/l4xds/l4xds/internal/xds"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
	"github.com/l4xds/l4xds/test/rig"
)

// TestRefusalOfNamespaces: texts about what no file of ours asks for, and a fragment of an Envoy resource may.
func TestRefusalOfNamespaces(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		resources := f.translate(`listeners: {foreign: {tcp: $foreign, to: $blue}, missing: {tcp: $missing, to: $blue}}`)
		for _, r := range resources.List {
			if l, ok := r.Msg.(*listenerv3.Listener); ok {
				path := "/proc/self/ns/net"
				if r.Name == "tcp/"+f.addr("missing") {
					path = "/proc/self/ns/missing"
				}
				l.GetAddress().GetSocketAddress().NetworkNamespaceFilepath = path
			}
		}
		nack := f.refusalOf(resources)
		for _, w := range []refusalWords{
			{
				"tcp/" + f.addr("foreign") + ": failed to set netns to /proc/self/ns/net (fd=",
				"the Envoy on edge-2 may not enter the network namespace /proc/self/ns/net. Start it inside",
			},
			{
				"tcp/" + f.addr("missing") + ": failed to open netns file /proc/self/ns/missing: No such file or directory",
				"the host of edge-2 has no network namespace /proc/self/ns/missing.",
			},
		} {
			f.must(w.in(nack.Message, nack.Advice))
		}
	})
}

// translate makes the resources of a file, which may be changed.
func (f *fleet) translate(text string) *translate.Resources {
	f.t.Helper()
	src := config.NewSource()
	src.Stdin(strings.NewReader(f.text(text)))
	c, messages := config.Load(src, nil, "-")
	if c == nil {
		f.t.Fatal(messages)
	}
	resources, err := translate.Translate(c, nil)
	f.must(err)
	return resources
}

// refusalOf lets an Envoy without privileges refuse listeners among the resources, which a server in this process serves.
func (f *fleet) refusalOf(resources *translate.Resources) *status.Nack {
	f.t.Helper()
	generation, err := snapshot.Build(resources, nil)
	f.must(err)
	store, registry := snapshot.NewStore(), prometheus.NewRegistry()
	store.Publish(generation)
	model := status.New(status.Build{}, registry)
	server := grpc.NewServer(xds.ServerOptions()...)
	xds.New(store, model, registry, slog.New(slog.DiscardHandler)).Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	f.must(err)
	go func() { _ = server.Serve(listener) }()
	f.t.Cleanup(server.Stop)

	f.startOn(bootstrap.Options{
		NodeID: "edge-2", Cluster: "edge", Variant: xds.Variant(f.variant), XDS: listener.Addr().String(), Admin: f.addr("admin"),
		Capabilities: []config.Capability{config.NetRaw},
	})
	var nack *status.Nack
	f.until(func(context.Context) error {
		nodes := model.Report().Nodes
		if len(nodes) != 1 || nodes[0].Types.LDS.Nacked == nil {
			return fmt.Errorf("nothing is refused: %+v", nodes)
		}
		nack = nodes[0].Types.LDS.Nacked
		return nil
	})
	return nack
}

// startOn starts an Envoy without privileges on a bootstrap.
func (f *fleet) startOn(o bootstrap.Options) {
	f.t.Helper()
	var text strings.Builder
	f.must(bootstrap.Write(&text, o))
	path, err := f.WriteFile(o.NodeID+".yaml", text.String())
	f.must(err)
	bin, err := rig.EnvoyPath()
	f.must(err)
	words := append(withoutPrivileges(), bin, "-c", path, "--concurrency", "2", "--use-dynamic-base-id", "--log-level", "warning")
	_, err = f.Start(o.NodeID, words[0], words[1:]...)
	f.must(err)
}
