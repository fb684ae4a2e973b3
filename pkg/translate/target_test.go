package translate

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	"github.com/l4xds/l4xds/pkg/config"
)

// TestNumberPattern holds the patterns of ranges to the numbers in them, and to those next to them.
func TestNumberPattern(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		low := random.IntN(1 << (1 + random.IntN(16)))
		high := low + random.IntN(1<<(1+random.IntN(12)))
		pattern := regexp.MustCompile("^" + numberPattern(low, high) + "$")
		for _, n := range []int{low - 1, low, low + 1, (low + high) / 2, high - 1, high, high + 1, random.IntN(70000)} {
			if got, want := pattern.MatchString(strconv.Itoa(n)), low <= n && n <= high; got != want {
				t.Fatalf("%d..%d: %s matches %d: %t", low, high, pattern, n, got)
			}
		}
	}
	all := regexp.MustCompile("^" + numberPattern(1, 65535) + "$")
	for n := range 70000 {
		if all.MatchString(strconv.Itoa(n)) != (1 <= n && n <= 65535) {
			t.Fatalf("%s and %d", all, n)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		allowed  config.Allowed
		yes, not []string
	}{
		{
			config.Allowed{Network: netip.MustParsePrefix("10.8.0.0/13"), Port: 53, Last: 54},
			[]string{"10.8.0.0:53", "10.15.255.255:54"},
			[]string{"10.7.255.255:53", "10.16.0.0:53", "10.8.0.0:55", "x10.8.0.0:53", "10.8.0.0:533", "10.8.0.256:53", "10.08.0.1:53"},
		},
		{
			config.Allowed{Network: netip.MustParsePrefix("192.0.2.0/24")},
			[]string{"192.0.2.0:1", "192.0.2.255:65535"},
			[]string{"192.0.3.0:1", "192.0.2.1:0", "192.0.2.1", "192.0.2.1:65536", "192x0.2.1:1"},
		},
		{
			config.Allowed{Host: "*.a.example", Port: 1, Last: 9},
			[]string{"x.a.example:1", "X.y.A.example:9"},
			[]string{"a.example:1", ".a.example:1", "x.a.example:10", "xa.example:1", "x.axexample:1", "b:1/x.a.example:1"},
		},
		{
			config.Allowed{Port: 443, Last: 443},
			[]string{"a:443", "[::1]:443"},
			[]string{":443", "a:4430", "a:44"},
		},
		{
			config.Allowed{Host: "2001:db8::1", Port: 1, Last: 2},
			[]string{"[2001:db8::1]:1"},
			[]string{"2001:db8::1:1", "[2001:db8::1]:3"},
		},
	} {
		_, patterns := targets([]config.Allowed{test.allowed})
		if len(patterns) != 1 {
			t.Fatalf("%s has patterns %q", test.allowed, patterns)
		}
		pattern := regexp.MustCompile("^(?:" + patterns[0] + ")$") // Envoy matches the whole value
		for _, text := range test.yes {
			if !pattern.MatchString(text) {
				t.Errorf("%s: %s does not match %s", test.allowed, pattern, text)
			}
		}
		for _, text := range test.not {
			if pattern.MatchString(text) {
				t.Errorf("%s: %s matches %s", test.allowed, pattern, text)
			}
		}
	}
}
