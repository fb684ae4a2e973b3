// Package conversation holds the server to the rules of the protocol: scripts of requests and responses over real gRPC
// streams, in both variants. What needs more than a second of waiting is tried on the pure session, in internal/xds.
package conversation

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil { // conversations wait for silence most of their time
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
