package config

import "strings"

// Cipher is a cipher suite of TLS 1.2, by the name that BoringSSL has for it.
type Cipher string

// ciphers are those that the BoringSSL of Envoy knows.
var ciphers = strings.Fields(`
	ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384
	ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA
	ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA AES256-SHA
`)

func (Cipher) words() []string { return ciphers }

// Curve is a group by which keys are agreed.
type Curve string

// curves are those that the BoringSSL of Envoy knows.
var curves = strings.Fields("X25519MLKEM768 X25519 P-256 P-384 P-521")

func (Curve) words() []string { return curves }

// parameters says that a range of versions is empty, or that ciphers are chosen for none of its versions.
func (d *decoder) parameters(low, high TLSVersion, v *value) {
	d.versions(low, high, v)
	if at := v.pair("ciphers"); at != nil && low == TLS13 {
		d.errorf(idNoEffect, at.key, "has no effect with min: 1.3, whose ciphers cannot be chosen; leave it out")
	}
}
