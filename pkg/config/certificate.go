package config

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// This file reads certificates and keys, and says what Envoy, or those who meet it, would find wrong with them.

// soon is how long before a certificate expires that is said; of one that lives less than three times as long, in the
// last third of its life.
const soon = 7 * 24 * time.Hour

// What a directory with a certificate holds, as a Kubernetes secret of type kubernetes.io/tls does.
const (
	directoryCert = "tls.crt"
	directoryKey  = "tls.key"
)

// pair reads the certificate and the key of c, which stands at v; beside is where its key may stand, or nil. A key that is
// not named is looked for beside the certificate.
func (d *decoder) pair(c *Certificate, v, beside *value) {
	at, keyAt := cmp.Or(v.get("cert"), v), cmp.Or(v.get("key"), beside, v)
	if c.Chain.Path == "" {
		return // an error was said
	}
	named := c.Key.Path != ""
	d.place(c, named)
	switch {
	case c.Chain.OnEnvoy != c.Key.OnEnvoy:
		d.errorf(idOnEnvoy, keyAt, "certificate and key must both be on the Envoy, or neither")
		return
	case c.Chain.OnEnvoy:
		return
	}
	chain, chainText := d.chain(c.Chain, at)
	hint := ""
	switch {
	case named:
	case chain == nil:
		return // where it is, there may be the key
	default:
		hint = "; write key: where it is elsewhere"
	}
	key, keyText := d.key(c.Key, keyAt, hint)
	c.Chain.Text, c.Key.Text = chainText, keyText
	if len(chain) > 0 {
		c.NotAfter = chain[0].NotAfter
	}
	if len(chain) > 0 && key != nil {
		d.fitting(chain, key, c, keyAt)
	}
}

// place finds the files of a certificate: those in a directory, and the key that is not named.
func (d *decoder) place(c *Certificate, named bool) {
	dir := c.Chain.Path
	inside := !c.Chain.OnEnvoy && d.disk.look(dir).directory
	if inside {
		c.Chain.Path = filepath.Join(dir, directoryCert)
	}
	switch {
	case named:
	case inside:
		c.Key = File{Path: filepath.Join(dir, directoryKey)}
	default:
		path := strings.TrimSuffix(c.Chain.Path, filepath.Ext(c.Chain.Path)) + ".key"
		c.Key = File{Path: path, OnEnvoy: c.Chain.OnEnvoy}
	}
}

// content is that of a file which is named at v; nil if it cannot be read, which is said with the hint.
func (d *decoder) content(path string, v *value, hint string) *look {
	l := d.disk.look(path)
	switch {
	case l.directory:
		d.errorf(idFile, v, "%s is a directory", quotePath(path))
	case l.err != nil:
		d.errorf(idFile, v, "%s %s%s", quotePath(path), l.err, hint)
	default:
		if warning := d.disk.src.mountWarning(path); warning != "" {
			d.warnf(idMounted, v, "%s: %s", quotePath(path), warning)
		}
		return l
	}
	return nil
}

// quotePath is a path for a message. It is not cut: its end tells most.
func quotePath(path string) string { return `"` + strings.Map(printable, path) + `"` }

// badContent says err about the content of a file which is named at v.
func (d *decoder) badContent(path string, v *value, err error) {
	w := err.(*wrong) //nolint:errorlint // it is made here, and never wrapped
	d.errorf(w.id, v, "%s %s", quotePath(path), w.text)
}

// chain reads a certificate and those that follow it; nil after it was said what is wrong.
func (d *decoder) chain(f File, v *value) ([]*x509.Certificate, PEM) {
	l := d.content(f.Path, v, "")
	if l == nil {
		return nil, nil
	}
	chain, clean, err := d.disk.certificates(l)
	if err != nil {
		d.badContent(f.Path, v, err)
		return nil, nil
	}
	if why := unusable(chain[0].PublicKey); why != "" {
		d.errorf(idKey, v, "%s: %s", quotePath(f.Path), why)
	}
	d.validity(chain[0], f, v)
	return chain, clean
}

// key reads a private key; nil after it was said what is wrong.
func (d *decoder) key(f File, v *value, hint string) (any, PEM) {
	l := d.content(f.Path, v, hint)
	if l == nil {
		return nil, nil
	}
	key, clean, err := d.disk.key(l)
	if err != nil {
		d.badContent(f.Path, v, err)
	}
	return key, clean
}

// unusable says why Envoy takes no certificate with this key; empty if it does.
func unusable(public any) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "the RSA key is shorter than 2048 bits, which Envoy does not take"
		}
		return ""
	case *ecdsa.PublicKey:
		if slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve) {
			return ""
		}
	case ed25519.PublicKey:
		return ""
	}
	return "Envoy takes keys of RSA, P-256, P-384, P-521 and Ed25519 only"
}

// validity says that a certificate is expired, soon will be, or is not valid yet.
func (d *decoder) validity(c *x509.Certificate, f File, v *value) {
	now := d.disk.src.at
	warnFrom := c.NotAfter.Add(-min(soon, c.NotAfter.Sub(c.NotBefore)/3))
	switch {
	case now.Before(c.NotBefore):
		d.disk.goodUntil(c.NotBefore)
		d.errorf(idExpired, v, "%s is not valid before %s", quotePath(f.Path), moment(c.NotBefore))
	case now.After(c.NotAfter):
		d.errorf(idExpired, v, "%s expired on %s", quotePath(f.Path), moment(c.NotAfter))
	case now.Before(warnFrom):
		d.disk.goodUntil(warnFrom)
	default:
		d.disk.goodUntil(c.NotAfter)
		d.warnf(idExpired, v, "%s expires on %s", quotePath(f.Path), moment(c.NotAfter))
	}
}

// moment is t as messages write it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// fitting says that a key is not that of the first certificate.
func (d *decoder) fitting(chain []*x509.Certificate, key any, c *Certificate, v *value) {
	signer, ok := key.(interface{ Public() crypto.PublicKey })
	if !ok {
		d.errorf(idKeyMismatch, v, "%s holds a key that cannot sign", quotePath(c.Key.Path))
		return
	}
	for i, cert := range chain {
		switch public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); {
		case !ok || !public.Equal(signer.Public()):
		case i == 0:
			return
		default:
			d.errorf(idKeyMismatch, v, "the key %s fits certificate %d of %s, which must stand first",
				quotePath(c.Key.Path), i+1, quotePath(c.Chain.Path))
			return
		}
	}
	d.errorf(idKeyMismatch, v, "the key %s does not fit the certificate %s", quotePath(c.Key.Path), quotePath(c.Chain.Path))
}

// authorities reads the certificates of f that others are checked against. nil where they are not known.
func (d *decoder) authorities(f *File, v *value) []*x509.Certificate {
	if f.Path == "" || f.OnEnvoy {
		return nil
	}
	l := d.content(f.Path, v, "")
	if l == nil {
		return nil
	}
	all, clean, err := d.disk.certificates(l)
	if err != nil {
		d.badContent(f.Path, v, err)
		return nil
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c *x509.Certificate) bool { return !c.IsCA && c.Version >= 3 })
	if len(all) == 0 {
		d.errorf(idNoCA, v, "%s holds no certificate of an authority", quotePath(f.Path))
		return nil
	}
	last := slices.MaxFunc(all, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	if d.disk.src.at.After(last.NotAfter) {
		d.errorf(idExpired, v, "%s expired on %s", quotePath(f.Path), moment(last.NotAfter))
		return nil
	}
	d.disk.goodUntil(last.NotAfter)
	f.Text = clean
	return all
}
