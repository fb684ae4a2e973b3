package config

import "time"

// ListenerTLS ends the clients' TLS at the listener. Without it, TLS passes through untouched.
// Envoy: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.
type ListenerTLS struct {
	// Certs are the certificates that the listener shows, each with its key. Of several a client is shown the one that has
	// the host name it asks for, else the first. Each is a PEM file with the certificate, and after it those that lead to its
	// authority; a directory with `tls.crt` and `tls.key`; or `{cert: …, key: …}`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.tls_certificate_sds_secret_configs
	Certs []Certificate `yaml:"cert,main" required:"true"`
	// Key is the file of the one certificate's private key.
	// Default: the file beside it, with `.key` in place of `.crt`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key
	Key File `yaml:"key" with:"cert"`
	// ClientCA is a file with the authorities whose clients are let in: a client has to show a certificate.
	// Default: none; nobody is asked for a certificate.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.trusted_ca
	ClientCA File `yaml:"client_ca"`
	// CRL is a file with lists of clients' certificates that were revoked, in PEM, one list of each authority that issues them:
	// a certificate of an authority without a list is refused. Only the first certificate of a chain is looked up.
	// Default: none.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.crl, with only_verify_leaf_cert_crl
	CRL File `yaml:"crl"`
	// Client says whether a client may come without a certificate. A wrong one is refused in either case.
	// Default: require, where there is a `client_ca`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.require_client_certificate
	Client ClientAuth `yaml:"client" default:"require"`
	// Names are those of which a client's certificate must have one: host names, `"*.x"` for any below x, IP addresses,
	// URIs (also with a `*` at the end), mail addresses.
	// Default: any.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.match_typed_subject_alt_names
	Names []string `yaml:"names" pattern:"^((\\*\\.)?[^ *]+|[a-z][a-z0-9+.-]*://[^ *]+\\*?)$" hint:"a name; a * stands for the labels in front of a host name, or for the end of a URI"`
	// Pins are public keys, of which a client's certificate must have one: the SHA-256 of each in base64, as
	// `openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` tells it.
	// The authority has to vouch for it as well.
	// Default: any.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.verify_certificate_spki
	Pins []string `yaml:"pins" pattern:"^[A-Za-z0-9+/]{43}=$" hint:"the SHA-256 of a public key in base64, 44 characters"`
	// ALPN are the application protocols that are offered, the preferred one first.
	// Default: none; on an exit h2 and http/1.1.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.alpn_protocols
	ALPN []string `yaml:"alpn" pattern:"^.{1,255}$" hint:"the name of a protocol, such as h2"`
	// Min is the lowest version of TLS.
	// Default: 1.2; those below are broken.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.tls_minimum_protocol_version
	Min TLSVersion `yaml:"min" default:"1.2"`
	// Max is the highest version of TLS.
	// Default: 1.3.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.tls_maximum_protocol_version
	Max TLSVersion `yaml:"max" default:"1.3"`
	// Ciphers are those of TLS 1.2 that may be agreed on, the preferred one first. Those of TLS 1.3 cannot be chosen.
	// Default: Envoy's own, all of which keep what was said before secret when a key becomes known later.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.cipher_suites
	Ciphers []Cipher `yaml:"ciphers"`
	// Curves are those that keys may be agreed by, the preferred one first.
	// Default: Envoy's own: X25519MLKEM768, X25519 and P-256.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.ecdh_curves
	Curves []Curve `yaml:"curves"`
}

// BackendTLS speaks TLS to the endpoints, and makes sure that they are who they should be.
// Envoy: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.
type BackendTLS struct {
	// CA is a file with the authorities that may vouch for the endpoints, or `system`: those that the Envoy's machine trusts,
	// in /etc/ssl/certs/ca-certificates.crt as on Debian, Ubuntu, Alpine and in Envoy's own images.
	// Default: system.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.trusted_ca
	CA ServerCA `yaml:"ca,main" default:"system"`
	// CRL is a file with lists of the endpoints' certificates that were revoked, in PEM, one list of each authority that issues them:
	// a certificate of an authority without a list is refused. Only the first certificate of a chain is looked up.
	// Default: none.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.crl, with only_verify_leaf_cert_crl
	CRL File `yaml:"crl"`
	// SNI is the host name that is asked for.
	// Default: the endpoint's own host name; of an IP address none.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.sni, or auto_host_sni
	SNI string `yaml:"sni"`
	// Verify says whether the endpoint's certificate is checked. `none` takes whoever answers there.
	// Default: peer, the certificate and its name.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.validation_context_sds_secret_config
	Verify Verification `yaml:"verify" default:"peer"`
	// Names are those of which the endpoint's certificate must have one; written as those of a listener.
	// Default: the host name that is asked for.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.match_typed_subject_alt_names, or UpstreamTlsContext.auto_sni_san_validation
	Names []string `yaml:"names" pattern:"^((\\*\\.)?[^ *]+|[a-z][a-z0-9+.-]*://[^ *]+\\*?)$" hint:"a name; a * stands for the labels in front of a host name, or for the end of a URI"`
	// Pins are public keys, of which the endpoint's certificate must have one: the SHA-256 of each in base64, as
	// `openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` tells it.
	// The authority has to vouch for it as well.
	// Default: any.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.verify_certificate_spki
	Pins []string `yaml:"pins" pattern:"^[A-Za-z0-9+/]{43}=$" hint:"the SHA-256 of a public key in base64, 44 characters"`
	// Cert is the certificate that is shown to the endpoints, written as one of a listener.
	// Default: none.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.tls_certificate_sds_secret_configs
	Cert Certificate `yaml:"cert"`
	// Key is the file of its private key.
	// Default: the file beside it, with `.key` in place of `.crt`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key
	Key File `yaml:"key" with:"cert"`
	// ALPN are the application protocols that are asked for.
	// Default: none; on a tunnel that of its `http`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.alpn_protocols
	ALPN []string `yaml:"alpn" pattern:"^.{1,255}$" hint:"the name of a protocol, such as h2"`
	// Min is the lowest version of TLS.
	// Default: 1.2; those below are broken.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.tls_minimum_protocol_version
	Min TLSVersion `yaml:"min" default:"1.2"`
	// Max is the highest version of TLS.
	// Default: 1.3.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.tls_maximum_protocol_version
	Max TLSVersion `yaml:"max" default:"1.3"`
	// Ciphers are those of TLS 1.2 that may be agreed on, the preferred one first. Those of TLS 1.3 cannot be chosen.
	// Default: Envoy's own, all of which keep what was said before secret when a key becomes known later.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.cipher_suites
	Ciphers []Cipher `yaml:"ciphers"`
	// Curves are those that keys may be agreed by, the preferred one first.
	// Default: Envoy's own: X25519MLKEM768, X25519 and P-256.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsParameters.ecdh_curves
	Curves []Curve `yaml:"curves"`
}

// Certificate is a certificate and its private key, both read by l4xds, or both on the Envoy. The zero Certificate is none.
// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.
type Certificate struct {
	// Chain is the certificate, and after it those that lead to its authority.
	Chain File
	// Key is its private key.
	Key File
	// NotAfter is when the certificate expires; zero for one on the Envoy.
	NotAfter time.Time
}

// Expiry is when the first of the certificates that l4xds delivers expires; zero if it delivers none.
func (c *Config) Expiry() time.Time {
	var first time.Time
	add := func(cert Certificate) {
		if at := cert.NotAfter; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, l := range c.Listeners {
		if l.TLS != nil {
			for _, cert := range l.TLS.Certs {
				add(cert)
			}
		}
		for _, r := range l.Routes {
			for _, p := range r.To.Parts {
				if t := p.Backend.TLS; t != nil {
					add(t.Cert)
				}
			}
			if r.Inside != nil && r.Inside.TLS != nil {
				add(r.Inside.TLS.Cert)
			}
		}
	}
	for _, t := range c.Tunnels {
		if t.Proxy != nil && t.Proxy.TLS != nil {
			add(t.Proxy.TLS.Cert)
		}
	}
	return first
}

// File is a file of certificates, or of a key, that a stanza names. The zero File is none.
type File struct {
	// Path is where it is. l4xds reads it from its own working directory, and adds the directory of the file that names it;
	// on an Envoy the path is absolute.
	Path string
	// OnEnvoy is whether the file lies beside the Envoy, which reads it, and watches its directory.
	OnEnvoy bool
	// Text is what belongs there of the file's content, as PEM blocks and nothing else. Empty for a file on the Envoy.
	Text PEM
}

// ServerCA is the file of the authorities that vouch for endpoints.
type ServerCA struct{ File }

// systemCA is where an Envoy has the authorities that its machine trusts. Envoy itself knows of none.
const systemCA = "/etc/ssl/certs/ca-certificates.crt"

// ClientAuth says whether a client may come without a certificate.
type ClientAuth string

// The ways to ask clients for a certificate.
const (
	RequireClient  ClientAuth = "require"
	OptionalClient ClientAuth = "optional"
)

func (ClientAuth) words() []string { return []string{string(RequireClient), string(OptionalClient)} }

// Verification says whether an endpoint's certificate is checked.
type Verification string

// The ways to check an endpoint's certificate.
const (
	VerifyPeer Verification = "peer"
	VerifyNone Verification = "none"
)

func (Verification) words() []string { return []string{string(VerifyPeer), string(VerifyNone)} }

// TLSVersion is a version of TLS.
type TLSVersion string

// The versions of TLS.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

func (TLSVersion) words() []string { return []string{string(TLS12), string(TLS13)} }
