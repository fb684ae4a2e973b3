package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/internal/render"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// filesystem is an Envoy without a control plane: it reads the very resources that l4xds would send from files, each in
// a watched directory of its own, because Envoy reads a file again for any change in its directory. The files are JSON,
// which Envoy reads several times as fast as YAML.
type filesystem struct {
	dir string
	// assignments is whether endpoints stand in files of their own, else inside the clusters.
	assignments bool
	// written is what the files hold, by path.
	written map[string]string
}

// startFilesystem starts an Envoy on files for w.
func (b *bench) startFilesystem(ctx context.Context, w *world, assignments bool) (*filesystem, error) {
	r, err := b.room("files")
	if err != nil {
		return nil, err
	}
	f := &filesystem{dir: r.Dir, assignments: assignments, written: map[string]string{}}
	e, err := f.stage(w)
	if err != nil {
		return nil, err
	}
	if _, err := e.commit(); err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, err = startEnvoy(ctx, r, admin, f.bootstrap(admin))
	return f, err
}

// stage implements plane. Endpoints come first and listeners last, so that nothing is named before it is there.
func (f *filesystem) stage(w *world) (edit, error) {
	texts, err := f.render(w)
	if err != nil {
		return nil, err
	}
	order := func(path string) int {
		return slices.Index([]string{"cds", "lds"}, filepath.Base(filepath.Dir(path)))
	}
	paths := slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return order(a) - order(b) })
	var e edit
	for _, path := range paths {
		if f.written[path] == texts[path] {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := e.add(path, texts[path]); err != nil {
			return nil, err
		}
	}
	f.written = texts
	return e, nil
}

// render is the text of every file for w, by path.
func (f *filesystem) render(w *world) (map[string]string, error) {
	view, err := compile(w)
	if err != nil {
		return nil, err
	}
	list := map[string][]*translate.Resource{}
	for _, r := range view.Resources() {
		list[r.Type] = append(list[r.Type], r)
	}
	texts := map[string]string{}
	if texts[f.path("lds")], err = text(list[snapshot.LDS.URL()]); err != nil {
		return nil, err
	}
	var clusters []*translate.Resource
	for i, r := range list[snapshot.CDS.URL()] {
		assignment := list[snapshot.EDS.URL()][i] // one for each cluster, and both lists are sorted by name
		clusters = append(clusters, f.cluster(r, assignment))
		if f.assignments {
			if texts[f.path("eds-"+r.Name)], err = text([]*translate.Resource{assignment}); err != nil {
				return nil, err
			}
		}
	}
	texts[f.path("cds")], err = text(clusters)
	return texts, err
}

// compile takes w down the way that a file takes, for a node of the group edge.
func compile(w *world) (*snapshot.View, error) {
	source := config.NewSource()
	source.Stdin(strings.NewReader(w.yaml()))
	c, messages := config.Load(source, nil, "-")
	if c == nil {
		return nil, fmt.Errorf("the generated file is invalid: %s", messages[0])
	}
	resources, err := translate.Translate(c, nil)
	if err != nil {
		return nil, err
	}
	generation, err := snapshot.Build(resources, nil)
	if err != nil {
		return nil, err
	}
	return generation.View(config.Node{ID: "bench-1", Cluster: edge}, 0), nil
}

func text(list []*translate.Resource) (string, error) {
	var b strings.Builder
	err := render.JSON(&b, list)
	return b.String(), err
}

// cluster is r with its endpoints from a file, or inside.
func (f *filesystem) cluster(r, assignment *translate.Resource) *translate.Resource {
	c := proto.CloneOf(r.Msg.(*clusterv3.Cluster))
	if f.assignments {
		c.EdsClusterConfig.EdsConfig = f.source("eds-" + r.Name)
	} else {
		c.EdsClusterConfig = nil
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		c.LoadAssignment = assignment.Msg.(*endpointv3.ClusterLoadAssignment)
	}
	changed := *r
	changed.Msg = c
	return &changed
}

func (f *filesystem) source(kind string) *corev3.ConfigSource {
	path := f.path(kind)
	return &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
			Path: path, WatchedDirectory: &corev3.WatchedDirectory{Path: filepath.Dir(path)},
		}},
	}
}

func (f *filesystem) path(kind string) string {
	return filepath.Join(f.dir, kind, "resources.json")
}

func (f *filesystem) bootstrap(admin string) string {
	const format = `node: {id: bench-1, cluster: %s}
admin: {address: {socket_address: {address: %s, port_value: %s}}}
dynamic_resources:
  cds_config: {resource_api_version: V3, path_config_source: {path: %[4]s, watched_directory: {path: %[5]s}}}
  lds_config: {resource_api_version: V3, path_config_source: {path: %[6]s, watched_directory: {path: %[7]s}}}
`
	host, port, _ := strings.Cut(admin, ":")
	cds, lds := f.path("cds"), f.path("lds")
	return fmt.Sprintf(format, edge, host, port, cds, filepath.Dir(cds), lds, filepath.Dir(lds))
}
