package config

import (
	"slices"
	"testing"
)

func TestParseCapabilities(t *testing.T) {
	both := []Capability{NetRaw, NetAdmin}
	for _, c := range []struct {
		texts []string
		want  []Capability
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"net_raw"}, both[:1]},
		{[]string{"CAP_NET_ADMIN"}, both[1:]},
		{[]string{"cap_net_raw", "NET_RAW", "Cap_Net_Raw"}, both[:1]},
		{[]string{"net_admin", "net_raw"}, both},
		{[]string{"net_admin, net_raw"}, both},
		{[]string{"net_admin net_raw"}, both},
		{[]string{"sys_admin", "net_rawest", "cap_", "raw", "cap_cap_net_raw"}, nil},
		{[]string{"sys_admin", "net_raw"}, both[:1]},
	} {
		if got := ParseCapabilities(c.texts...); !slices.Equal(got, c.want) {
			t.Errorf("ParseCapabilities(%q) = %q, want %q", c.texts, got, c.want)
		}
	}
}
