// Package certs makes the authorities, certificates and keys of the tests, and those that the examples name.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Authority signs certificates, and makes clients that trust it alone.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its private key, both as PEM.
type Pair struct {
	Cert, Key []byte
}

// Leaf says what a certificate is for. The zero Leaf has no names, and is good for an hour.
type Leaf struct {
	// Names are host names, IP addresses and URIs.
	Names []string
	// From and Until are when it is valid; zero is an hour ago, and in an hour.
	From, Until time.Time
	// Serial is its number; nil is one that no other has.
	Serial *big.Int
}

// NewAuthority makes an authority with a key of its own, good for an hour.
func NewAuthority() (*Authority, error) { return Leaf{}.Authority() }

// Authority makes an authority with a key of its own, valid as long as l.
func (l Leaf) Authority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newAuthority(key, l, rand.Reader)
}

// newAuthority makes an authority with this key. Without random its certificate depends on key and leaf alone.
func newAuthority(key *ecdsa.PrivateKey, l Leaf, random io.Reader) (*Authority, error) {
	template := l.template()
	template.Subject = pkix.Name{CommonName: "authority of the tests"}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(random, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{cert: cert, key: key}, err
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// Issue makes a certificate with a key of its own.
func (a *Authority) Issue(l Leaf) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	return a.issue(key, l, rand.Reader)
}

func (a *Authority) issue(key *ecdsa.PrivateKey, l Leaf, random io.Reader) (Pair, error) {
	der, err := x509.CreateCertificate(random, l.template(), a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	return Pair{Cert: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", secret)}, err
}

// Revoke is a list of the authority's certificates that are revoked, valid as long as l.
func (a *Authority) Revoke(l Leaf, pairs ...Pair) ([]byte, error) {
	return a.revoke(l, rand.Reader, pairs...)
}

// revoke is Revoke. Without random the list depends on the authority, the leaf and the pairs alone.
func (a *Authority) revoke(l Leaf, random io.Reader, pairs ...Pair) ([]byte, error) {
	valid := l.template()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: valid.NotBefore, NextUpdate: valid.NotAfter}
	for _, p := range pairs {
		cert, err := p.parse()
		if err != nil {
			return nil, err
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: cert.SerialNumber, RevocationTime: valid.NotBefore,
		})
	}
	der, err := x509.CreateRevocationList(random, list, a.cert, a.key)
	return encode("X509 CRL", der), err
}

func (p Pair) parse() (*x509.Certificate, error) {
	block, _ := pem.Decode(p.Cert)
	return x509.ParseCertificate(block.Bytes)
}

// Pin is the SHA-256 of the public key of p, in base64.
func (p Pair) Pin() (string, error) {
	cert, err := p.parse()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Server is the configuration of a TLS server that is the host.
func (a *Authority) Server(host string) (*tls.Config, error) {
	pair, err := a.Issue(Leaf{Names: []string{host}})
	if err != nil {
		return nil, err
	}
	return pair.Server()
}

// Server is the configuration of a TLS server that shows p.
func (p Pair) Server() (*tls.Config, error) {
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, err
}

// Client is the configuration of a client that asks for the host by SNI, and takes no other server. It shows the first of
// the pairs, if there is one.
func (a *Authority) Client(host string, pairs ...Pair) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: a.Pool()}
	for _, p := range pairs {
		if cert, err := tls.X509KeyPair(p.Cert, p.Key); err == nil {
			c.Certificates = append(c.Certificates, cert)
		}
	}
	return c
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Anonymous is the configuration of a client that asks for no host, and still wants a server of this authority.
func (a *Authority) Anonymous() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // the check of the name; the certificate is checked here:
		VerifyConnection: func(state tls.ConnectionState) error {
			return state.PeerCertificates[0].CheckSignatureFrom(a.cert)
		},
	}
}

// Write puts p into dir as NAME.crt and NAME.key, each in one step, the certificate first.
func (p Pair) Write(dir, name string) error {
	if err := Replace(filepath.Join(dir, name+".crt"), p.Cert); err != nil {
		return err
	}
	return Replace(filepath.Join(dir, name+".key"), p.Key)
}

// Replace writes a file in one step.
func Replace(path string, text []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }()
	if _, err := part.Write(text); err != nil {
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

func (l Leaf) template() *x509.Certificate {
	now := time.Now()
	t := &x509.Certificate{SerialNumber: l.Serial, NotBefore: l.From, NotAfter: l.Until}
	if t.SerialNumber == nil {
		t.SerialNumber = big.NewInt(now.UnixNano())
	}
	if l.From.IsZero() {
		t.NotBefore = now.Add(-time.Hour)
	}
	if l.Until.IsZero() {
		t.NotAfter = now.Add(time.Hour)
	}
	for _, name := range l.Names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if u, err := url.Parse(name); err == nil && strings.Contains(name, "://") {
			t.URIs = append(t.URIs, u)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
