package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

const metadataPrefix = "metadata."

// nodeFlag is a node as people type it: id=edge-1,cluster=edge,zone=a,metadata.site=core. Empty if none is named.
type nodeFlag map[string]string

// check refuses keys that mean nothing.
func (n nodeFlag) check() error {
	for key := range n {
		if !slices.Contains([]string{"id", "cluster", "zone"}, key) && !strings.HasPrefix(key, metadataPrefix) {
			return fmt.Errorf("--node has the key %q, want id, cluster, zone or metadata.KEY", key)
		}
	}
	return nil
}

func (n nodeFlag) node() config.Node {
	node := config.Node{ID: n["id"], Cluster: n["cluster"], Zone: n["zone"], Metadata: map[string]string{}}
	for key, value := range n {
		if name, ok := strings.CutPrefix(key, metadataPrefix); ok {
			node.Metadata[name] = value
		}
	}
	node.Capabilities = config.ParseCapabilities(node.Metadata[config.CapabilitiesKey])
	return node
}
