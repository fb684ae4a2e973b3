// Package translate turns a checked configuration into Envoy resources.
//
//	*config.Config -> plan (which resources exist, their names) -> build each once -> *translate.Resources
//
// It knows config's model and Envoy's protos; no YAML, no files, no caches, no gRPC. One file builds one Envoy noun: a
// function makes one message as one expression, a nil block makes a nil message, and nothing alters what another
// function built.
package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// Translate makes the resources of c. What did not change since prev, which is nil for the first, is taken over from it,
// so that the cost is that of the change; the result is the same as without it.
// An error means that a resource breaks one of Envoy's own rules, which no file can cause.
func Translate(c *config.Config, prev *Resources) (*Resources, error) {
	if prev == nil {
		prev = &Resources{plan: &plan{}}
	}
	p, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	r := &Resources{Config: c, plan: p}
	for key, stanza := range p.stanzas {
		if err := stanza.build(prev.plan.stanzas[key]); err != nil {
			return nil, err
		}
		r.List = append(r.List, stanza.resources...)
	}
	for name, cluster := range p.clusters {
		if err := cluster.build(prev.plan.clusters[name]); err != nil {
			return nil, err
		}
		r.List = append(r.List, cluster.resources...)
	}
	slices.SortFunc(r.List, compareResources)
	return r, nil
}

// build makes the listeners of s, or takes them over from before.
func (s *stanzaPlan) build(before *stanzaPlan) error {
	if before != nil && s.equal(before) {
		s.resources = before.resources
		return nil
	}
	for i := range s.stanza.Binds {
		r := &Resource{
			Type:     listenerType,
			Name:     listenerName(s.stanza.Protocol, s.stanza.Binds[i]),
			Msg:      listener(s, &s.stanza.Binds[i]),
			Origins:  []config.Place{s.stanza.Binds[i].At, s.stanza.At},
			Audience: s.stanza.Audience,
			Refs:     s.refs(),
		}
		if err := validate(r); err != nil {
			return err
		}
		s.resources = append(s.resources, r)
	}
	return nil
}

// build makes the cluster of c and its endpoint assignment, or takes them over from before.
func (c *clusterPlan) build(before *clusterPlan) error {
	if before != nil && c.equal(before) {
		c.resources = before.resources
		return nil
	}
	cluster, assignment := c.cluster(), c.assignment()
	c.resources = []*Resource{cluster}
	if assignment != nil {
		cluster.Refs = []Ref{{Type: assignment.Type, Name: assignment.Name}}
		c.resources = append(c.resources, assignment)
	}
	for _, r := range c.resources {
		if err := validate(r); err != nil {
			return err
		}
	}
	return nil
}

// cluster is the cluster of c.
func (c *clusterPlan) cluster() *Resource {
	return &Resource{Type: clusterType, Name: c.name, Msg: cluster(c), Origins: c.origins(partPlace, backendPlace)}
}

// assignment is the endpoints of c, nil if they stand in the cluster.
func (c *clusterPlan) assignment() *Resource {
	if c.usesDNS() {
		return nil
	}
	return &Resource{Type: endpointType, Name: c.name, Msg: loadAssignment(c), Origins: c.origins(partPlace, endpointsPlace)}
}

// compareResources sorts by type, name, and place for listeners that share an address but no node.
func compareResources(a, b *Resource) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name), comparePlaces(a.Origins[0], b.Origins[0]))
}

func comparePlaces(a, b config.Place) int {
	return cmp.Or(strings.Compare(a.Stanza, b.Stanza), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// fail says that r is not what Envoy would accept.
func fail(r *Resource, err error) error {
	return fmt.Errorf("translate %s %q: %w", r.Type, r.Name, err)
}
