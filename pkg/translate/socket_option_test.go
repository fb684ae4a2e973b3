package translate

import (
	"net/netip"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/l4xds/l4xds/pkg/config"
)

// TestSplitting: a socket has the option of each family whose clients it takes, and of no other, which would be refused.
func TestSplitting(t *testing.T) {
	for address, want := range map[string][][2]int64{
		"0.0.0.0":     {{0, 10}},
		"10.0.0.1":    {{0, 10}},
		"::":          {{0, 10}, {41, 23}},
		"2001:db8::1": {{41, 23}},
	} {
		options := splitting(&config.Bind{Address: netip.MustParseAddr(address), Port: 53, Last: 53})
		if len(options) != len(want) {
			t.Errorf("%s has the options %v, want %v", address, options, want)
			continue
		}
		for i, o := range options {
			if o.GetLevel() != want[i][0] || o.GetName() != want[i][1] || o.GetIntValue() != 1 || o.GetState() != corev3.SocketOption_STATE_BOUND {
				t.Errorf("%s has the option %v, want level and name %v", address, o, want[i])
			}
		}
	}
}
