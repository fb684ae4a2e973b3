package dns_test

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/l4xds/l4xds/test/dns"
)

// TestServer: Go's own resolver gets what was set, and nothing for what was not.
func TestServer(t *testing.T) {
	s, err := dns.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}}
	s.Set("a.test", 60, "192.0.2.1", "2001:db8::1")
	got, err := resolver.LookupHost(t.Context(), "a.test.")
	slices.Sort(got)
	if want := []string{"192.0.2.1", "2001:db8::1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("a.test is %v, %v, want %v", got, err, want)
	}
	if n := s.Asked("a.test"); n != 2 {
		t.Errorf("a.test was asked for %d times, want once in each family", n)
	}
	if got, err := resolver.LookupHost(t.Context(), "b.test."); err == nil {
		t.Errorf("b.test is %v, want an error", got)
	}
	s.Set("a.test", 60)
	if got, err := resolver.LookupHost(t.Context(), "a.test."); err == nil {
		t.Errorf("a.test is %v, want an error", got)
	}
}
