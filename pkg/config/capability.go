package config

import (
	"slices"
	"strings"
)

// Capability is what the kernel lets a process do that others may not, as far as listeners may need it. A node says in
// its metadata which its Envoy has.
type Capability string

// The capabilities. Either lets an Envoy take and use addresses that are not its host's.
const (
	NetRaw   Capability = "net_raw"
	NetAdmin Capability = "net_admin"
)

// CapabilitiesKey is where a node's metadata names its capabilities: a list, or a text with names between commas or blanks.
const CapabilitiesKey = "l4xds.capabilities"

// Capabilities are all of them.
func Capabilities() []Capability { return []Capability{NetRaw, NetAdmin} }

// ParseCapability reads the name of a capability as people and tools write it: net_raw, NET_RAW, CAP_NET_RAW.
func ParseCapability(text string) (c Capability, known bool) {
	c = Capability(strings.TrimPrefix(strings.ToLower(text), "cap_"))
	return c, slices.Contains(Capabilities(), c)
}

// ParseCapabilities reads texts with names between commas or blanks: the ones that are known, in the order of
// [Capabilities]. Others are passed over, for they may mean something to another version.
func ParseCapabilities(texts ...string) []Capability {
	var named []Capability
	for _, text := range texts {
		for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			if c, known := ParseCapability(name); known {
				named = append(named, c)
			}
		}
	}
	var known []Capability
	for _, c := range Capabilities() {
		if slices.Contains(named, c) {
			known = append(known, c)
		}
	}
	return known
}
