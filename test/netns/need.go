//go:build linux

package netns

import (
	"os"
	"testing"
)

// Need skips the test where networks cannot be made. In CI, which says that it is one by $CI, that is a failure: the
// test judges what nothing else does.
func Need(t testing.TB) {
	t.Helper()
	switch err := Able(); {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
