//go:build e2e

package e2e

import (
	"testing"

	"github.com/l4xds/l4xds/test/echo"
)

// TestPriority: endpoints of priority 1 are used while those of priority 0 are down, and not before or after.
func TestPriority(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("spare")
		first, err := echo.ListenTCP("first", f.addr("first"))
		f.must(err)
		f.start(`
listeners: {db: {tcp: $db, to: pool}}
backends:
  pool:
    endpoints: [$first, {address: $spare, priority: 1}]
    check: {tcp: 100ms, timeout: 100ms, fall: 1, rise: 1}
`)
		for range 8 {
			f.wantTCP("db", "first")
		}
		open := f.dial("db")
		f.must(first.Close())
		f.wantTCP("db", "spare")
		if err := open.Ask("gone"); err == nil {
			f.t.Error("a connection outlived its server")
		}
		f.keep(echo.ListenTCP("first", f.addr("first")))
		f.wantTCP("db", "first")
		for range 8 {
			f.wantTCP("db", "first")
		}
	})
}
