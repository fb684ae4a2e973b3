package snapshot

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The field numbers of envoy.service.discovery.v3 and google.protobuf.Any that are written here. Responses are put
// together from bytes that were encoded before; a test decodes them with the library.
const (
	anyTypeURL = 1
	anyValue   = 2

	sotwVersion   = 1
	sotwResources = 2
	sotwTypeURL   = 4

	deltaVersion   = 1
	deltaResources = 2
	deltaTypeURL   = 4
	deltaRemoved   = 6

	resourceVersion = 1
	resourceAny     = 2
	resourceName    = 3
)

// EncodeSotW is a DiscoveryResponse of entries, without nonce and control plane.
func EncodeSotW(t Type, version string, entries []*Entry) []byte {
	size := sizeString(sotwVersion, version) + sizeString(sotwTypeURL, t.URL())
	for _, e := range entries {
		size += sizeBytes(sotwResources, len(e.Wire))
	}
	b := make([]byte, 0, size)
	b = appendString(b, sotwVersion, version)
	for _, e := range entries {
		b = appendBytes(b, sotwResources, e.Wire)
	}
	return appendString(b, sotwTypeURL, t.URL())
}

// EncodeDelta is a DeltaDiscoveryResponse of changed entries and removed names, without nonce and control plane.
func EncodeDelta(t Type, version string, changed []*Entry, removed []string) []byte {
	size := sizeString(deltaVersion, version) + sizeString(deltaTypeURL, t.URL())
	for _, e := range changed {
		size += sizeBytes(deltaResources, sizeResource(e))
	}
	for _, name := range removed {
		size += sizeString(deltaRemoved, name)
	}
	b := make([]byte, 0, size)
	b = appendString(b, deltaVersion, version)
	for _, e := range changed {
		b = appendResource(b, e)
	}
	b = appendString(b, deltaTypeURL, t.URL())
	for _, name := range removed {
		b = appendString(b, deltaRemoved, name)
	}
	return b
}

// appendResource appends e as an envoy.service.discovery.v3.Resource.
func appendResource(b []byte, e *Entry) []byte {
	b = appendLength(b, deltaResources, sizeResource(e))
	b = appendString(b, resourceVersion, e.Version)
	b = appendBytes(b, resourceAny, e.Wire)
	return appendString(b, resourceName, e.Name)
}

func sizeResource(e *Entry) int {
	return sizeString(resourceVersion, e.Version) + sizeBytes(resourceAny, len(e.Wire)) + sizeString(resourceName, e.Name)
}

// encodeAny is m as an encoded google.protobuf.Any, the same bytes for the same content.
func encodeAny(typeURL string, m proto.Message) ([]byte, error) {
	options := proto.MarshalOptions{Deterministic: true}
	size := options.Size(m)
	b := make([]byte, 0, sizeString(anyTypeURL, typeURL)+sizeBytes(anyValue, size))
	b = appendString(b, anyTypeURL, typeURL)
	b = appendLength(b, anyValue, size)
	b, err := options.MarshalAppend(b, m)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b, nil
}

// appendLength begins a field of that many bytes.
func appendLength(b []byte, field protowire.Number, length int) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(length))
}

func appendString(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func sizeString(field protowire.Number, text string) int {
	return sizeBytes(field, len(text))
}

func sizeBytes(field protowire.Number, length int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(length)
}
