package config

import "slices"

// check reads the files of t, and says which keys make no sense together.
func (t *ListenerTLS) check(d *decoder, v *value) {
	cert := v.get("cert")
	if key := v.get("key"); key != nil && len(t.Certs) > 1 {
		d.errorf(idExclusive, key, "cannot stand beside several certificates; write each as {cert: …, key: …}")
	} else if len(t.Certs) == 1 {
		t.Certs[0].take(&t.Key)
	}
	for i := range t.Certs {
		d.pair(&t.Certs[i], cert.elements()[i], v.get("key"))
	}
	issuers := d.authorities(&t.ClientCA, v.get("client_ca"))
	d.revocations(&t.CRL, issuers, v.get("crl"))
	if t.ClientCA.Path == "" {
		d.useless(v, "without client_ca: nobody is asked for a certificate", "client", "names", "pins", "crl")
	}
	d.parameters(t.Min, t.Max, v)
}

// check reads the files of t, and says which keys make no sense together.
func (t *BackendTLS) check(d *decoder, v *value) {
	if cert := v.get("cert"); cert != nil {
		t.Cert.take(&t.Key)
		d.pair(&t.Cert, cert, v.get("key"))
	} else {
		d.useless(v, "without cert", "key")
	}
	if t.Verify == VerifyNone {
		d.useless(v, "beside verify: none", "ca", "names", "pins", "crl")
		t.CA, t.Names, t.Pins, t.CRL = ServerCA{}, nil, nil, File{}
	}
	issuers := d.authorities(&t.CA.File, v.get("ca"))
	d.revocations(&t.CRL, issuers, v.get("crl"))
	if sni := v.get("sni"); sni != nil && t.SNI != "" {
		t.SNI = d.serverName(sni)
	}
	d.parameters(t.Min, t.Max, v)
}

// elsewhere says of a key that it is one of TLS to a backend.
func (*ListenerTLS) elsewhere(key string) string {
	switch key {
	case "ca":
		return "unknown key; did you mean client_ca? TLS to a backend stands on the backend, or in to: {endpoints: …, tls: …}"
	case "sni", "verify":
		return "unknown key: here tls is the clients' side; TLS to a backend stands on the backend, or in to: {endpoints: …, tls: …}"
	}
	return ""
}

// elsewhere says of a key that it is one of a listener's TLS.
func (*BackendTLS) elsewhere(key string) string {
	switch key {
	case "client_ca":
		return "unknown key; did you mean ca? The clients' side is the tls of the listener"
	case "client":
		return "unknown key: here tls is the backend's side; the clients' is the tls of the listener"
	}
	return ""
}

// take makes key that of c, unless c has one.
func (c *Certificate) take(key *File) {
	if c.Key.Path == "" {
		c.Key = *key
	}
	*key = File{}
}

// useless says of keys that they have no effect, and why. What stands in `defaults` for others is let be.
func (d *decoder) useless(v *value, why string, keys ...string) {
	written := v
	if v.origin != nil {
		written = v.origin
	}
	for _, p := range v.pairs {
		if p.key.parent == written && slices.Contains(keys, p.key.text) {
			d.errorf(idNoEffect, p.key, "has no effect %s; leave it out", why)
		}
	}
}

// versions says that a range of versions is empty.
func (d *decoder) versions(low, high TLSVersion, v *value) {
	if low > high && high != "" {
		at := v.get("min")
		if at == nil {
			at = v.get("max")
		}
		d.errorf(idTLSVersions, at, "min %s is above max %s, so that no version is left", low, high)
	}
}

// serverName reads a host name that is asked for in TLS.
func (d *decoder) serverName(v *value) string {
	if _, err := parseIP(v.text); err == nil {
		d.errorf(idHost, v, "%s is an IP address, which is not asked for by name", quote(v.text))
		return ""
	}
	host, err := parseHost(v.text)
	if err != nil {
		d.wrong(v, err)
	}
	return host
}

// checkTLS says that nothing tells who the endpoints of a backend should be.
func (l *loader) checkTLS(b *Backend, v, endpoints *value) {
	t := b.TLS
	if t == nil || t.Verify == VerifyNone || t.SNI != "" || len(t.Names) > 0 {
		return
	}
	at := endpoints
	if tls := v.get("tls"); tls != nil {
		at = tls
	}
	for i := range b.Endpoints {
		if b.Endpoints[i].Host == "" {
			l.errorf(idNoName, at, "not every endpoint has a host name, so that nothing tells whose certificate to expect; write sni or names (or verify: none)")
			return
		}
	}
}
