package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
)

// PEM is certificates, or a private key, as text. It does not show itself: neither in logs nor in messages.
type PEM []byte

// concealed stands where content would.
const concealed = "[PEM]"

// Format writes a word in place of the content, for every verb.
func (PEM) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, concealed) }

// MarshalText is a word in place of the content.
func (PEM) MarshalText() ([]byte, error) { return []byte(concealed), nil }

// The types of PEM blocks.
const (
	certificateBlock  = "CERTIFICATE"
	keySuffix         = "PRIVATE KEY"
	encryptedKeyBlock = "ENCRYPTED PRIVATE KEY"
)

// blocks are the PEM blocks of text. What stands between them is for people, and passed over.
func blocks(text []byte) ([]*pem.Block, error) {
	var found []*pem.Block
	rest := text
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		found = append(found, b)
	}
	begun := bytes.Count(text, []byte("-----BEGIN "))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, wrongf(idPEM, "is empty")
	case begun == 0:
		return nil, wrongf(idPEM, "is not PEM, the text that begins with -----BEGIN")
	case begun > len(found):
		return nil, wrongf(idPEM, "holds a PEM block that does not end, or is damaged; was it written to its end?")
	}
	return found, nil
}

// certificates are those of text, and the same as PEM.
func certificates(text []byte) ([]*x509.Certificate, PEM, error) {
	all, err := blocks(text)
	if err != nil {
		return nil, nil, err
	}
	var found []*x509.Certificate
	var clean bytes.Buffer
	for _, b := range all {
		if b.Type != certificateBlock {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, nil, wrongf(idPEM, "holds a certificate that is damaged")
		}
		found = append(found, c)
		clean.Write(pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes}))
	}
	if len(found) == 0 {
		return nil, nil, wrongf(idPEM, "holds no certificate")
	}
	return found, clean.Bytes(), nil
}

// readKey is that of text, and the same as PEM.
func readKey(text []byte) (any, PEM, error) {
	all, err := blocks(text)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		switch {
		case !bytes.HasSuffix([]byte(b.Type), []byte(keySuffix)):
			continue
		case b.Type == encryptedKeyBlock, b.Headers["DEK-Info"] != "":
			return nil, nil, wrongf(idKey, "holds a key that is encrypted; l4xds has no password for it: openssl pkey -in IN -out OUT decrypts it")
		}
		key, err := parseKey(b.Bytes)
		if err != nil {
			return nil, nil, wrongf(idPEM, "holds a private key that is damaged, or of an unknown kind")
		}
		return key, pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes}), nil
	}
	return nil, nil, wrongf(idPEM, "holds no private key")
}

func parseKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}
