package snapshot

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// versionBytes is how much of a SHA-256 sum a version keeps: 128 bits, 22 characters. A shorter one would save bytes of
// every response and reconnect, but two contents with one version would be served as one.
const versionBytes = 16

// digest makes a version of a list of texts. Each goes in with its length, so that no two lists read the same.
type digest struct {
	sum hash.Hash
	buf []byte
}

func newDigest() *digest {
	return &digest{sum: sha256.New()}
}

func (d *digest) add(texts ...string) {
	for _, text := range texts {
		d.buf = binary.AppendUvarint(d.buf[:0], uint64(len(text)))
		d.buf = append(d.buf, text...)
		d.sum.Write(d.buf) // a hash never fails
	}
}

func (d *digest) version() string {
	return base64.RawURLEncoding.EncodeToString(d.sum.Sum(nil)[:versionBytes])
}

// contentVersion is the version of one encoded resource.
func contentVersion(wire []byte) string {
	sum := sha256.Sum256(wire)
	return base64.RawURLEncoding.EncodeToString(sum[:versionBytes])
}

// setVersion is the version of a set with these entries, which are sorted by name.
func setVersion(entries []*Entry) string {
	d := newDigest()
	for _, e := range entries {
		d.add(e.Name, e.Version)
	}
	return d.version()
}
