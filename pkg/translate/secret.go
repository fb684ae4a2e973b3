package translate

import (
	"google.golang.org/protobuf/proto"

	"github.com/l4xds/l4xds/pkg/config"
)

// secretPlan is one Envoy secret.
type secretPlan struct {
	name    string
	origins []config.Place
	// message is the secret, of which files are seen as this.
	message func(seen sight) proto.Message
}

// sight is how a file is seen: as it is, or as one that lies on the Envoy.
type sight func(config.File) config.File

func asIs(f config.File) config.File { return f }

func onEnvoy(f config.File) config.File {
	f.OnEnvoy = true
	return f
}

// listenerSecrets are those that the TLS of l needs.
func listenerSecrets(l *config.Listener) []secretPlan {
	t := l.TLS
	if t == nil {
		return nil
	}
	var plans []secretPlan
	origins := tlsPlaces(l.TLSAt, l.At)
	for i := range t.Certs {
		name := listenerCertName(l, i)
		plans = append(plans, secretPlan{name, origins, func(seen sight) proto.Message { return certificateSecret(name, t.Certs[i], seen) }})
	}
	if t.ClientCA.Path != "" {
		name := clientCAName(l)
		plans = append(plans, secretPlan{name, origins, func(seen sight) proto.Message { return validationSecret(name, seen(t.ClientCA), t.Names) }})
	}
	return plans
}

// clusterSecrets are those that the TLS of a cluster needs.
func clusterSecrets(c *clusterPlan) []secretPlan {
	b := c.backend()
	t := b.TLS
	if t == nil {
		return nil
	}
	var plans []secretPlan
	origins := tlsPlaces(b.TLSAt, b.At)
	if t.Verify == config.VerifyPeer {
		name := backendCAName(c.name)
		plans = append(plans, secretPlan{name, origins, func(seen sight) proto.Message { return validationSecret(name, seen(t.CA.File), t.Names) }})
	}
	if t.Cert.Chain.Path != "" {
		name := backendCertName(c.name)
		plans = append(plans, secretPlan{name, origins, func(seen sight) proto.Message { return certificateSecret(name, t.Cert, seen) }})
	}
	return plans
}

// tlsPlaces are where a secret comes from: `tls`, unless that stands in the defaults, and what it is for.
func tlsPlaces(tls, owner config.Place) []config.Place {
	if tls == (config.Place{}) {
		return []config.Place{owner}
	}
	return []config.Place{tls, owner}
}

// secretRefs are the names of plans.
func secretRefs(plans []secretPlan) []Ref {
	var refs []Ref
	for _, p := range plans {
		refs = append(refs, Ref{Type: secretType, Name: p.name})
	}
	return refs
}

// buildSecrets makes the resources of plans.
func buildSecrets(plans []secretPlan) ([]*Resource, error) {
	var made []*Resource
	for _, p := range plans {
		r := &Resource{Type: secretType, Name: p.name, Origins: p.origins}
		if err := r.build(func() proto.Message { return p.message(asIs) }); err != nil {
			return nil, err
		}
		r.Shown = p.message(onEnvoy)
		made = append(made, r)
	}
	return made, nil
}
