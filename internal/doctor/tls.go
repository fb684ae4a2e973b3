package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/l4xds/l4xds/pkg/config"
)

// client is the TLS that the file asks for, towards a far end of that host name, which may be empty. The remarks say what
// cannot be done here as Envoy does it; without a result it cannot be done at all.
func (f *farEnd) client(t *config.BackendTLS, host string) (*tls.Config, []word) {
	v := verifier{wanted: t.Names, ca: t.CA.Path}
	c := &tls.Config{
		MinVersion: tlsVersions[t.Min], MaxVersion: tlsVersions[t.Max],
		ServerName: t.SNI, NextProtos: t.ALPN,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection checks, and can tell what is wrong
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if len(c.NextProtos) == 0 {
		c.NextProtos = alpn[f.tunnel.HTTP]
	}
	if len(v.wanted) == 0 {
		v.wanted = []string{c.ServerName}
	}
	var remarks []word
	if t.Verify == config.VerifyPeer {
		var err error
		if v.roots, err = authorities(t.CA.File); err == nil {
			c.VerifyConnection = v.verify
		} else {
			remarks = append(remarks, skipped("the certificate is not checked: the authorities are on the Envoy, and not here: %v", err))
		}
	}
	cert, err := keyPair(t.Cert)
	if err != nil {
		return nil, append(remarks, skipped("the client certificate is on the Envoy, and not here: %v", err).but("run the check beside the Envoy"))
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		f.demands = true
		return cert, nil
	}
	return c, remarks
}

var tlsVersions = map[config.TLSVersion]uint16{config.TLS12: tls.VersionTLS12, config.TLS13: tls.VersionTLS13}

// alpn are the protocols that are asked for in TLS.
var alpn = map[config.HTTPVersion][]string{
	config.HTTP1: {"http/1.1"}, config.HTTP2: {"h2"}, config.HTTP3: {"h3"}, config.HTTPAuto: {"h2", "http/1.1"},
}

// authorities are those of a file. One that is on the Envoy may be on this machine as well.
func authorities(f config.File) (*x509.CertPool, error) {
	text := []byte(f.Text)
	if f.OnEnvoy {
		var err error
		if text, err = os.ReadFile(f.Path); err != nil {
			return nil, err
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool, nil
}

// keyPair is what is shown to a far end that asks for a certificate.
func keyPair(c config.Certificate) (*tls.Certificate, error) {
	var pair tls.Certificate
	var err error
	switch {
	case c.Chain.Path == "":
	case c.Chain.OnEnvoy:
		pair, err = tls.LoadX509KeyPair(c.Chain.Path, c.Key.Path)
	default:
		pair, err = tls.X509KeyPair([]byte(c.Chain.Text), []byte(c.Key.Text))
	}
	return &pair, err
}

// greeted tells of a handshake that succeeded.
func (f *farEnd) greeted() word {
	leaf := f.shown.PeerCertificates[0]
	text := fmt.Sprintf("%s, certificate of %s, good until %s", tls.VersionName(f.shown.Version), namesOf(leaf), moment(leaf.NotAfter))
	if f.tls.VerifyConnection == nil {
		text += ", not checked"
	}
	if f.demands && f.tunnel.Proxy.TLS.Cert.Chain.Path != "" {
		text += "; it asked for ours"
	}
	return ok("%s", text)
}

// awaitVerdict lets a far end that asked for our certificate say that it does not take it, before something is sent: in
// TLS 1.3 the handshake is over by then, and what it says would be lost with a connection that it has closed.
func (f *farEnd) awaitVerdict(conn *tls.Conn, handshake time.Duration) net.Conn {
	if !f.demands || f.shown.Version < tls.VersionTLS13 {
		return conn
	}
	_ = conn.SetReadDeadline(time.Now().Add(calm/6 + handshake)) // it fails for a connection that is closed, and so does reading
	early := make([]byte, 1)
	n, err := conn.Read(early)
	_ = conn.SetReadDeadline(time.Time{})
	if late(err) {
		err = nil
	}
	return &heardBefore{conn, early[:n], err}
}

// heardBefore is a connection of which something was read already.
type heardBefore struct {
	net.Conn
	early []byte
	err   error
}

// Read implements net.Conn.
func (h *heardBefore) Read(b []byte) (int, error) {
	if len(h.early) == 0 && h.err == nil {
		return h.Conn.Read(b)
	}
	n := copy(b, h.early)
	h.early = h.early[n:]
	return n, h.err
}

// Write implements net.Conn. What ended the connection is more telling than that it has ended.
func (h *heardBefore) Write(b []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	return h.Conn.Write(b)
}

// verifier checks the certificate of a far end as Envoy does.
type verifier struct {
	roots  *x509.CertPool
	ca     string   // where the roots come from
	wanted []string // the certificate has to have one of these names
}

// certificateError is what is wrong with a certificate.
type certificateError struct{ word }

// Error implements error.
func (e *certificateError) Error() string { return e.message }

func (v verifier) verify(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: v.roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		return &certificateError{v.untrusted(leaf, err)}
	}
	for _, name := range v.wanted {
		if has(leaf, name) {
			return nil
		}
	}
	return &certificateError{failed("the certificate has another name: it is of %s, and wanted is %s", namesOf(leaf), strings.Join(v.wanted, " or ")).
		but("write the name that it has as sni, or as names, in the tunnel's tls; or give the far end another certificate")}
}

// untrusted says why nobody vouches for a certificate.
func (v verifier) untrusted(leaf *x509.Certificate, err error) word {
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
		late := invalid.Cert
		if time.Now().Before(late.NotBefore) {
			return failed("the certificate of %s is not valid before %s", namesOf(late), moment(late.NotBefore)).
				but("wait, or set the clocks: that of this machine says " + moment(time.Now()))
		}
		return failed("the certificate of %s expired on %s", namesOf(late), moment(late.NotAfter)).
			but("give the far end a new certificate")
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return failed("the certificate of %s is vouched for by %q, which is not among the authorities in %s", namesOf(leaf), leaf.Issuer, v.ca).
			but("write the authority of the far end as ca in the tunnel's tls; the far end has to show the certificates between, too")
	}
	return failed("the certificate of %s is not good: %v", namesOf(leaf), err)
}

// has reports whether a certificate has a name as the file writes it: "*.x" is any name below x, "x*" is for URIs.
func has(c *x509.Certificate, name string) bool {
	if suffix, below := strings.CutPrefix(name, "*"); below {
		return slices.ContainsFunc(c.DNSNames, func(n string) bool { return strings.HasSuffix(n, suffix) })
	}
	switch {
	case strings.Contains(name, "://"):
		prefix, open := strings.CutSuffix(name, "*")
		for _, u := range c.URIs {
			if u.String() == name || open && strings.HasPrefix(u.String(), prefix) {
				return true
			}
		}
		return false
	case strings.Contains(name, "@"):
		return slices.Contains(c.EmailAddresses, name)
	}
	return c.VerifyHostname(name) == nil
}

// namesOf are the names of a certificate, for people.
func namesOf(c *x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		if addr, is := netip.AddrFromSlice(ip); is {
			names = append(names, addr.Unmap().String())
		}
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	names = append(names, c.EmailAddresses...)
	const enough = 5
	switch {
	case len(names) == 0:
		return fmt.Sprintf("no name (%q)", c.Subject)
	case len(names) > enough:
		return strings.Join(names[:enough], ", ") + fmt.Sprintf(" and %d more", len(names)-enough)
	}
	return strings.Join(names, ", ")
}

// moment is t as messages write it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
