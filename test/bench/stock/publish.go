package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
)

// file is the JSON file.
type file struct {
	Listeners []listener `json:"listeners"`
}

// listener is one TCP port, the cluster behind it, and the cluster's one endpoint.
type listener struct {
	Name     string  `json:"name"`
	Bind     address `json:"bind"`
	Endpoint address `json:"endpoint"`
}

type address struct {
	Host string `json:"host"`
	Port uint32 `json:"port"`
}

// key is the one key of the cache: every node is given the same.
const key = "all"

// everyNode puts every node under that key.
type everyNode struct{}

// ID implements cachev3.NodeHash.
func (everyNode) ID(*corev3.Node) string { return key }

// publisher turns the file into snapshots.
type publisher struct {
	file  string
	cache cachev3.SnapshotCache

	before []listener
	// ports and endpoints count the changes of what listeners and clusters are made from, and of what endpoints are.
	ports, endpoints int
}

// publish reads the file and puts it in force.
func (p *publisher) publish(ctx context.Context) error {
	text, err := os.ReadFile(p.file)
	if err != nil {
		return err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	p.count(f.Listeners)
	snapshot, err := p.snapshot(f.Listeners)
	if err != nil {
		return err
	}
	return p.cache.SetSnapshot(ctx, key, snapshot)
}

// count moves the versions of what is different.
func (p *publisher) count(after []listener) {
	if !slices.EqualFunc(p.before, after, func(a, b listener) bool { return a.Name == b.Name && a.Bind == b.Bind }) {
		p.ports++
	}
	if !slices.Equal(p.before, after) {
		p.endpoints++
	}
	p.before = after
}

// snapshot makes the resources of all listeners.
func (p *publisher) snapshot(listeners []listener) (*cachev3.Snapshot, error) {
	var resources [types.UnknownType][]types.Resource
	for _, l := range listeners {
		resources[types.Cluster] = append(resources[types.Cluster], makeCluster(l.Name))
		resources[types.Endpoint] = append(resources[types.Endpoint], makeAssignment(l.Name, l.Endpoint))
		resources[types.Listener] = append(resources[types.Listener], makeListener(l))
	}
	s := &cachev3.Snapshot{}
	for t, list := range resources {
		version := p.ports
		if types.ResponseType(t) == types.Endpoint {
			version = p.endpoints
		}
		s.Resources[t] = cachev3.NewResources(strconv.Itoa(version), list)
	}
	return s, s.Consistent()
}
