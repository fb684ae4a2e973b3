package translate

import (
	"net/netip"
	"path"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	quicv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/quic/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/l4xds/l4xds/pkg/config"
)

// handshakeTimeoutSeconds is how long a client may take for its TLS handshake. Envoy itself would wait for ever.
const handshakeTimeoutSeconds = 10

// tlsVersions are Envoy's words for the versions of TLS.
var tlsVersions = map[config.TLSVersion]tlsv3.TlsParameters_TlsProtocol{
	config.TLS12: tlsv3.TlsParameters_TLSv1_2,
	config.TLS13: tlsv3.TlsParameters_TLSv1_3,
}

// downstreamTLS is the transport socket of every filter chain of l; nil where TLS passes through.
func downstreamTLS(l *config.Listener) *corev3.TransportSocket {
	switch {
	case l.TLS == nil:
		return nil
	case l.Protocol == config.UDP:
		return quicSocket(&quicv3.QuicDownstreamTransport{
			DownstreamTlsContext: downstreamTLSContext(listenerOwner(l), l.TLS, nil),
		})
	}
	return transportSocket(tlsSocketName, downstreamTLSContext(listenerOwner(l), l.TLS, offered(l.Exit)))
}

// downstreamTLSContext ends TLS as t says, for these protocols unless t has its own. It names the secrets of its owner, so that a change of a certificate is no
// change of the listener.
func downstreamTLSContext(owner string, t *config.ListenerTLS, protocols []string) *tlsv3.DownstreamTlsContext {
	common := &tlsv3.CommonTlsContext{
		TlsParams:     tlsParameters(t.Min, t.Max, t.Ciphers, t.Curves),
		AlpnProtocols: alpn(t.ALPN, protocols),
	}
	for i := range t.Certs {
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs, sdsSecret(certName(owner, i)))
	}
	if t.ClientCA.Path != "" {
		common.ValidationContextType = sdsValidation(clientCAName(owner))
	}
	return &tlsv3.DownstreamTlsContext{
		CommonTlsContext:         common,
		RequireClientCertificate: wrapperspb.Bool(t.ClientCA.Path != "" && t.Client == config.RequireClient),
	}
}

// handshakeTimeout is nil where there is no handshake, or where it is QUIC's own, which has its time.
func handshakeTimeout(l *config.Listener) *durationpb.Duration {
	if l.TLS == nil || l.Protocol == config.UDP {
		return nil
	}
	return &durationpb.Duration{Seconds: handshakeTimeoutSeconds}
}

// upstreamTLS is the transport socket of a cluster; nil where it speaks no TLS. via is the tunnel whose far ends it is of,
// or nil.
func upstreamTLS(cluster string, t *config.BackendTLS, via *config.Tunnel) *corev3.TransportSocket {
	if t == nil {
		return nil
	}
	tls := upstreamTLSContext(clusterOwner(cluster), t, spoken(via))
	if via != nil && via.HTTP == config.HTTP3 {
		return quicSocket(&quicv3.QuicUpstreamTransport{UpstreamTlsContext: tls})
	}
	return transportSocket(tlsSocketName, tls)
}

// upstreamTLSContext speaks TLS as t says, for these protocols unless t has its own. It names the secrets of its owner, so that a change of a certificate is no change
// of the cluster.
func upstreamTLSContext(owner string, t *config.BackendTLS, protocols []string) *tlsv3.UpstreamTlsContext {
	common := &tlsv3.CommonTlsContext{
		TlsParams:     tlsParameters(t.Min, t.Max, t.Ciphers, t.Curves),
		AlpnProtocols: alpn(t.ALPN, protocols),
	}
	if t.Cert.Chain.Path != "" {
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{sdsSecret(certName(owner, 0))}
	}
	verify := t.Verify == config.VerifyPeer
	if verify {
		common.ValidationContextType = sdsValidation(serverCAName(owner))
	}
	return &tlsv3.UpstreamTlsContext{
		CommonTlsContext:     common,
		Sni:                  t.SNI,
		AutoHostSni:          t.SNI == "",
		AutoSniSanValidation: verify && len(t.Names) == 0,
	}
}

// alpn is what is written, or else what is spoken.
func alpn(written, spoken []string) []string {
	if len(written) > 0 {
		return written
	}
	return spoken
}

// quicSocket is TLS as QUIC has it: inside of the protocol, not below it.
func quicSocket(m proto.Message) *corev3.TransportSocket { return transportSocket(quicSocketName, m) }

// tlsParameters are always written: by its own default Envoy offers servers no more than TLS 1.2.
func tlsParameters(low, high config.TLSVersion, ciphers []config.Cipher, curves []config.Curve) *tlsv3.TlsParameters {
	p := &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: tlsVersions[low],
		TlsMaximumProtocolVersion: tlsVersions[high],
	}
	for _, c := range ciphers {
		p.CipherSuites = append(p.CipherSuites, string(c))
	}
	for _, c := range curves {
		p.EcdhCurves = append(p.EcdhCurves, string(c))
	}
	return p
}

func sdsValidation(name string) *tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig {
	return &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{ValidationContextSdsSecretConfig: sdsSecret(name)}
}

// sdsSecret is a secret by name. It travels by itself, beside the listener or cluster that needs it.
func sdsSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: overADS()}
}

// certificateSecret is a certificate and its key.
func certificateSecret(name string, c config.Certificate, seen sight) *tlsv3.Secret {
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: dataSource(seen(c.Chain)),
		PrivateKey:       dataSource(seen(c.Key)),
		WatchedDirectory: watchedDirectory(seen(c.Chain)),
	}}}
}

// validationSecret is what v says: a change of any of it leaves the listener or cluster alone.
func validationSecret(name string, v validation, seen sight) *tlsv3.Secret {
	m := &tlsv3.CertificateValidationContext{
		TrustedCa:             dataSource(seen(v.authorities)),
		VerifyCertificateSpki: v.pins,
		WatchedDirectory:      watchedDirectory(seen(v.authorities)),
	}
	if v.crl.Path != "" {
		crl := seen(v.crl)
		m.Crl = dataSource(crl)
		m.OnlyVerifyLeafCertCrl = true
		m.WatchedDirectory = watchedDirectories(seen(v.authorities), crl)
	}
	for _, n := range v.names {
		m.MatchTypedSubjectAltNames = append(m.MatchTypedSubjectAltNames, subjectAltName(n))
	}
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: m}}
}

// watchedDirectories is the one directory of both files; nil where there are two, and Envoy then watches each by itself.
func watchedDirectories(a, b config.File) *corev3.WatchedDirectory {
	first, second := watchedDirectory(a), watchedDirectory(b)
	switch {
	case first == nil:
		return second
	case second == nil || first.Path == second.Path:
		return first
	}
	return nil
}

// dataSource is the content of a file, or its path where the file is on the Envoy.
func dataSource(f config.File) *corev3.DataSource {
	if f.OnEnvoy {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: f.Path}}
	}
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: string(f.Text)}}
}

// watchedDirectory is where Envoy looks for a move; nil where l4xds watches the file.
func watchedDirectory(f config.File) *corev3.WatchedDirectory {
	if !f.OnEnvoy {
		return nil
	}
	return &corev3.WatchedDirectory{Path: path.Dir(f.Path)}
}

// subjectAltName matches a name of a certificate. The kind of name shows in its form.
func subjectAltName(name string) *tlsv3.SubjectAltNameMatcher {
	kind := tlsv3.SubjectAltNameMatcher_DNS
	switch {
	case strings.Contains(name, "://"):
		kind = tlsv3.SubjectAltNameMatcher_URI
	case strings.Contains(name, "@"):
		kind = tlsv3.SubjectAltNameMatcher_EMAIL
	case isIP(name):
		kind = tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	return &tlsv3.SubjectAltNameMatcher{SanType: kind, Matcher: stringMatcher(name)}
}

// stringMatcher takes a name as it is, "*.x" for every name that ends in ".x", and "x*" for every one that begins with x.
func stringMatcher(name string) *matcherv3.StringMatcher {
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: suffix}}
	}
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}}
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name}}
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}
