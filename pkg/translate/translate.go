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

	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
)

// Translate makes the resources of c. What did not change since prev, which is nil for the first, is taken over from it,
// so that the cost is that of the change; the result is the same as without it.
// An error means that a resource breaks one of Envoy's own rules, which no file can cause.
func Translate(c *config.Config, prev *Resources) (*Resources, error) {
	if prev == nil {
		prev = &Resources{}
	}
	p, err := safePlan(c, prev.plan)
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

// build makes the listeners of s and their secrets, or takes them over from before.
func (s *stanzaPlan) build(before *stanzaPlan) error {
	if s == before {
		return nil
	}
	if before != nil && s.equal(before) {
		s.resources = before.resources
		return nil
	}
	l := s.stanza
	secrets := listenerSecrets(listenerOwner(l), l.TLS, tlsPlaces(l.TLSAt, l.At))
	refs, err := s.buildRoutes()
	if err != nil {
		return err
	}
	refs = append(refs, secretRefs(secrets)...)
	for i := range s.stanza.Binds {
		b := &s.stanza.Binds[i]
		r := &Resource{
			Type:     listenerType,
			Name:     listenerName(s.stanza.Protocol, *b),
			Origins:  []config.Place{b.At, s.stanza.At},
			Audience: s.stanza.Audience,
			Needs:    s.needs(),
			Refs:     refs,
		}
		if err := r.build(func() proto.Message { return listener(s, b) }); err != nil {
			return err
		}
		s.resources = append(s.resources, r)
	}
	made, err := buildSecrets(secrets)
	if err != nil {
		return err
	}
	s.resources = append(s.resources, made...)
	return s.buildInsides()
}

// buildRoutes makes the routes of an exit, which name its clusters, and returns what its listeners name: these routes. Other
// listeners name their clusters themselves.
func (s *stanzaPlan) buildRoutes() ([]Ref, error) {
	if s.stanza.Exit == nil {
		return s.refs(), nil
	}
	r := &Resource{Type: routesType, Name: exitName(s.stanza), Origins: []config.Place{s.stanza.At}, Refs: s.refs()}
	if err := r.build(func() proto.Message { return exitRoutes(s) }); err != nil {
		return nil, err
	}
	s.resources = append(s.resources, r)
	return []Ref{{Type: routesType, Name: r.Name}}, nil
}

// build makes the cluster of c, its secrets and its endpoint assignment, or takes them over from before.
func (c *clusterPlan) build(before *clusterPlan) error {
	if c == before {
		return nil
	}
	if before != nil && c.equal(before) {
		c.resources = before.resources
		return nil
	}
	if c.inside != nil {
		return c.buildInside()
	}
	if c.exit != nil {
		r := &Resource{Type: clusterType, Name: c.name, Origins: []config.Place{*c.exit}}
		c.resources = []*Resource{r}
		return r.build(func() proto.Message { return forwardCluster(c) })
	}
	r := &Resource{Type: clusterType, Name: c.name, Origins: c.origins(partPlace, backendPlace)}
	if err := r.build(func() proto.Message { return cluster(c) }); err != nil {
		return err
	}
	b := c.backend()
	secrets := backendSecrets(clusterOwner(c.owner()), b.TLS, tlsPlaces(b.TLSAt, b.At))
	r.Refs = secretRefs(secrets)
	made, err := buildSecrets(secrets)
	if err != nil {
		return err
	}
	c.resources = append([]*Resource{r}, made...)
	if c.usesDNS() || c.original {
		return nil // the endpoints stand in the cluster, or there are none
	}
	r.Refs = append(r.Refs, Ref{Type: endpointType, Name: c.owner()})
	endpoints := &Resource{Type: endpointType, Name: c.owner(), Origins: c.origins(endpointsPlace, partPlace)}
	c.resources = append(c.resources, endpoints)
	return endpoints.build(func() proto.Message { return loadAssignment(c) })
}

// build makes the message of r.
func (r *Resource) build(message func() proto.Message) error {
	err := catch(func() {
		r.Msg = message()
		check(r.Msg)
	})
	if err != nil {
		return fmt.Errorf("translate %s %q: %w", r.Type, r.Name, err)
	}
	return nil
}

// safePlan is newPlan, which makes the clusters that are named by their content.
func safePlan(c *config.Config, before plan) (p plan, err error) {
	if caught := catch(func() { p, err = newPlan(c, before) }); caught != nil {
		return plan{}, fmt.Errorf("plan: %w", caught)
	}
	return p, err
}

// catch runs f, and returns as an error that it made an invalid message.
func catch(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case invalid:
			err = p.error()
		default:
			panic(p)
		}
	}()
	f()
	return nil
}

// compareResources sorts by type, name, and place for listeners that share an address but no node.
func compareResources(a, b *Resource) int {
	if order := strings.Compare(a.Type, b.Type); order != 0 {
		return order
	}
	if order := strings.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return comparePlaces(a.Origins[0], b.Origins[0])
}

func comparePlaces(a, b config.Place) int {
	return cmp.Or(strings.Compare(a.Stanza, b.Stanza), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
