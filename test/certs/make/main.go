// Command make makes the certificates and keys that the examples name. It is run at the root of the project.
package main

import (
	"fmt"
	"os"

	"github.com/l4xds/l4xds/test/certs"
)

func main() {
	if err := certs.ForExamples("."); err != nil {
		fmt.Fprintln(os.Stderr, "certs:", err)
		os.Exit(1)
	}
}
