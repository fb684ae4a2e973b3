package config

import (
	"crypto/sha256"
	"crypto/x509"
	"path/filepath"
	"time"
)

// disk reads what stanzas name besides their text, and notes what the next Load must find unchanged to take a stanza over.
type disk struct {
	src *Source
	evidence
	// chains and keys are what was parsed already: many stanzas may name one file.
	chains map[*look]parsedChain
	keys   map[*look]parsedKey
}

// parsedChain is what [certificates] made of a file.
type parsedChain struct {
	all   []*x509.Certificate
	clean PEM
	err   error
}

// parsedKey is what [readKey] made of a file.
type parsedKey struct {
	key   any
	clean PEM
	err   error
}

func newDisk(src *Source) *disk {
	return &disk{src: src, chains: map[*look]parsedChain{}, keys: map[*look]parsedKey{}}
}

// certificates are those of a file, and the same as PEM. They are shared and must not be changed.
func (k *disk) certificates(l *look) ([]*x509.Certificate, PEM, error) {
	p, ok := k.chains[l]
	if !ok {
		p.all, p.clean, p.err = certificates(l.text)
		k.chains[l] = p
	}
	return p.all, p.clean, p.err
}

// key is that of a file, and the same as PEM.
func (k *disk) key(l *look) (any, PEM, error) {
	p, ok := k.keys[l]
	if !ok {
		p.key, p.clean, p.err = readKey(l.text)
		k.keys[l] = p
	}
	return p.key, p.clean, p.err
}

// evidence is what the meaning of a stanza rests on besides its text. The zero evidence is nothing.
type evidence struct {
	// sums are those of the files that were read, by path; a directory has none.
	sums map[string][sha256.Size]byte
	// until is when something is to be said of them that was not; zero for never.
	until time.Time
}

// look reads path, and notes that the stanza rests on it.
func (k *disk) look(path string) *look {
	l := k.src.lookNamed(path)
	if k.sums == nil {
		k.sums = map[string][sha256.Size]byte{}
	}
	k.sums[path] = l.sum
	return l
}

// goodUntil notes that what was read is to be read again at t.
func (k *disk) goodUntil(t time.Time) {
	k.until = earlier(k.until, t)
	k.src.goodUntil(t)
}

// holds reports whether src sees what e rests on as it was.
func (e evidence) holds(src *Source) bool {
	for path, sum := range e.sums {
		if l := src.lookNamed(path); l.err != nil || l.sum != sum {
			return false
		}
	}
	if !e.until.IsZero() && !src.at.Before(e.until) {
		return false
	}
	src.goodUntil(e.until)
	return true
}

// onEnvoyForm is the long form of a file.
type onEnvoyForm struct {
	// OnEnvoy is the absolute path of a file that lies beside the Envoy. Envoy reads it, and again when a file is moved into
	// its directory; l4xds sees and checks nothing of it.
	// Envoy: envoy.config.core.v3.DataSource.filename, with a watched_directory
	OnEnvoy string `yaml:"on_envoy" required:"true" pattern:"^/[^/].*$" hint:"an absolute path"`
}

func (f *File) decode(d *decoder, v *value) {
	if v.kind == mapping {
		var form onEnvoyForm
		d.mapping(v, &form)
		*f = File{Path: form.OnEnvoy, OnEnvoy: true}
		return
	}
	if text, ok := d.text(v); ok {
		*f = File{Path: besideOf(v, text)}
	}
}

// besideOf is path as seen from the file in which v stands.
func besideOf(v *value, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(v.doc.path), path)
}

func (c *ServerCA) decode(d *decoder, v *value) {
	if v.is("system") {
		c.File = File{Path: systemCA, OnEnvoy: true}
		return
	}
	c.File.decode(d, v)
}

// certificateForm is the long form of a certificate.
type certificateForm struct {
	// Cert is what the short form would be.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.certificate_chain
	Cert File `yaml:"cert" required:"true"`
	// Key is the file of its private key.
	// Default: the file beside it, with `.key` in place of `.crt`.
	// Envoy: envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key
	Key File `yaml:"key"`
}

func (c *Certificate) decode(d *decoder, v *value) {
	if v.kind != mapping || v.get("on_envoy") != nil {
		*c = Certificate{}
		c.Chain.decode(d, v)
		return
	}
	var form certificateForm
	d.mapping(v, &form)
	*c = Certificate{Chain: form.Cert, Key: form.Key}
}
