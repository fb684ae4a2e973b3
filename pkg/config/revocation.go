package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
)

// crlBlock is the type of the PEM block of a list of revoked certificates.
const crlBlock = "X509 CRL"

// revocations are the lists of text, and the same as PEM.
func revocations(text []byte) ([]*x509.RevocationList, PEM, error) {
	all, err := blocks(text)
	if err != nil {
		return nil, nil, err
	}
	var found []*x509.RevocationList
	var clean bytes.Buffer
	for _, b := range all {
		if b.Type != crlBlock {
			continue
		}
		list, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return nil, nil, wrongf(idPEM, "holds a list of revoked certificates that is damaged")
		}
		found = append(found, list)
		clean.Write(pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes}))
	}
	if len(found) == 0 {
		return nil, nil, wrongf(idPEM, "holds no list of revoked certificates, which begins with -----BEGIN X509 CRL-----")
	}
	return found, clean.Bytes(), nil
}

// revocations reads the lists of f, which are of these authorities; nil where those are not known.
func (d *decoder) revocations(f *File, issuers []*x509.Certificate, v *value) {
	if f.Path == "" || f.OnEnvoy {
		return
	}
	l := d.content(f.Path, v, "")
	if l == nil {
		return
	}
	lists, clean, err := revocations(l.text)
	if err != nil {
		d.badContent(f.Path, v, err)
		return
	}
	for _, list := range lists {
		if issuers != nil && !issuedBy(list, issuers) {
			d.errorf(idNoCA, v, "%s holds a list that no authority beside it has signed", quotePath(f.Path))
		}
		if list.NextUpdate.IsZero() {
			continue
		}
		if d.disk.src.at.After(list.NextUpdate) {
			d.errorf(idExpired, v, "%s holds a list that ended on %s; Envoy would refuse everybody", quotePath(f.Path), moment(list.NextUpdate))
			return
		}
		d.disk.goodUntil(list.NextUpdate)
	}
	f.Text = clean
}

func issuedBy(list *x509.RevocationList, issuers []*x509.Certificate) bool {
	return slices.ContainsFunc(issuers, func(c *x509.Certificate) bool { return list.CheckSignatureFrom(c) == nil })
}
