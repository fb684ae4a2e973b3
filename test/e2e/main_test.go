//go:build e2e

// Package e2e pushes bytes through real Envoys that follow a real daemon. Each test has processes and ports of its own,
// and holds for both variants of ADS.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/l4xds/l4xds/test/masque"
	"github.com/l4xds/l4xds/test/rig"
)

// program is the path of the l4xds command: $L4XDS, else one built for this run with the race detector.
var program = os.Getenv("L4XDS")

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if err := masque.Enable(); err != nil {
		return 1, err
	}
	if _, err := rig.EnvoyPath(); err != nil {
		return 1, err // without Envoy nothing is proved: never a skip
	}
	dir, err := os.MkdirTemp("", "l4xds-e2e")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil { // else every command lasts a second longer
		return 1, err
	}
	if program == "" {
		if program, err = rig.Build(dir, "-race"); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}
