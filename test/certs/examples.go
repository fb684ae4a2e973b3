package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// exampleDir is where the examples that name certificates stand, below the root of the project. What they name is not kept
// in the repository, for there are private keys among it.
const exampleDir = "examples/tls"

// exampleNames are the certificates that the examples name, and the host names in them.
var exampleNames = map[string]string{
	"api":    "api.example.com",
	"edge":   "edge.example.com",
	"client": "l4xds.example.com",
}

// ForExamples makes the files that the examples name, unless they are there: the certificates and keys, and the authority
// of all of them, ca.crt, which has revoked none of them: revoked.crl. They are the same each time, so that several may
// make them at once. Those that a former version of this made are made anew. root is the root of the project.
func ForExamples(root string) error {
	dir := filepath.Join(root, exampleDir)
	ca, err := newAuthority(fixedKey("ca"), fixedLeaf("ca"), nil)
	if err != nil {
		return fmt.Errorf("certificates of the examples: %w", err)
	}
	there, _ := os.ReadFile(filepath.Join(dir, "ca.crt")) // what cannot be read is not there
	if _, err := os.Stat(filepath.Join(dir, "revoked.crl")); err == nil && bytes.Equal(there, ca.PEM()) {
		return nil
	}
	for name, host := range exampleNames {
		pair, err := ca.issue(fixedKey(name), fixedLeaf(name, host), nil)
		if err != nil {
			return fmt.Errorf("certificates of the examples: %w", err)
		}
		if err := pair.Write(dir, name); err != nil {
			return err
		}
	}
	if err := Replace(filepath.Join(dir, "ca.crt"), ca.PEM()); err != nil {
		return err
	}
	revoked, err := ca.revoke(fixedLeaf("ca"), nil)
	if err != nil {
		return fmt.Errorf("certificates of the examples: %w", err)
	}
	return Replace(filepath.Join(dir, "revoked.crl"), revoked) // the last one: it says that all are there
}

// fixedKey is a key that depends on the name alone. It protects nothing.
func fixedKey(name string) *ecdsa.PrivateKey {
	seed := sha256.Sum256([]byte("l4xds example " + name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(fmt.Sprintf("certs: no key comes of the name %q: %v", name, err))
	}
	return key
}

// fixedLeaf depends on the names alone.
func fixedLeaf(name string, hosts ...string) Leaf {
	seed := sha256.Sum256([]byte(name))
	return Leaf{
		Names:  hosts,
		From:   time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		Until:  time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		Serial: new(big.Int).SetBytes(seed[:8]),
	}
}
