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

// listenerSecrets are those that t, the TLS of a listener, needs; none if it is nil.
func listenerSecrets(owner string, t *config.ListenerTLS, origins []config.Place) []secretPlan {
	if t == nil {
		return nil
	}
	var plans []secretPlan
	for i := range t.Certs {
		plans = append(plans, certificatePlan(certName(owner, i), t.Certs[i], origins))
	}
	if t.ClientCA.Path != "" {
		plans = append(plans, validationPlan(clientCAName(owner), validation{t.ClientCA, t.CRL, t.Names, t.Pins}, origins))
	}
	return plans
}

// backendSecrets are those that t, the TLS to a backend, needs; none if it is nil.
func backendSecrets(owner string, t *config.BackendTLS, origins []config.Place) []secretPlan {
	if t == nil {
		return nil
	}
	var plans []secretPlan
	if t.Verify == config.VerifyPeer {
		plans = append(plans, validationPlan(serverCAName(owner), validation{t.CA.File, t.CRL, t.Names, t.Pins}, origins))
	}
	if t.Cert.Chain.Path != "" {
		plans = append(plans, certificatePlan(certName(owner, 0), t.Cert, origins))
	}
	return plans
}

func certificatePlan(name string, c config.Certificate, origins []config.Place) secretPlan {
	return secretPlan{name, origins, func(seen sight) proto.Message { return certificateSecret(name, c, seen) }}
}

// validation is what the certificates of the other side are checked by.
type validation struct {
	authorities, crl config.File
	names, pins      []string
}

func validationPlan(name string, v validation, origins []config.Place) secretPlan {
	return secretPlan{name, origins, func(seen sight) proto.Message { return validationSecret(name, v, seen) }}
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
