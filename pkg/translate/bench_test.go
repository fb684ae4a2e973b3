package translate_test

import (
	"fmt"
	"strings"
	"testing"
)

// manyListeners is a file of n listeners with a backend each; the endpoint of the first one is last.
func manyListeners(n int, last string) string {
	var b strings.Builder
	b.WriteString("listeners:\n")
	for i := range n {
		fmt.Fprintf(&b, "  l%d: {tcp: \"10.0.%d.%d:443\", to: b%d}\n", i, i/250, i%250, i)
	}
	b.WriteString("backends:\n")
	for i := range n {
		endpoint := fmt.Sprintf("10.1.%d.%d:443", i/250, i%250)
		if i == 0 {
			endpoint = last
		}
		fmt.Fprintf(&b, "  b%d: {endpoints: [%s, 10.2.0.1:443]}\n", i, endpoint)
	}
	return b.String()
}

// BenchmarkTranslate makes everything anew, as at the start of the daemon.
func BenchmarkTranslate(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := load(b, manyListeners(n, "10.3.0.1:443"))
			for b.Loop() {
				mustTranslate(b, c, nil)
			}
		})
	}
}

// BenchmarkEdit is one endpoint that moves between two addresses.
func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			one, two := load(b, manyListeners(n, "10.3.0.1:443")), load(b, manyListeners(n, "10.3.0.2:443"))
			r := mustTranslate(b, two, nil)
			for b.Loop() {
				r = mustTranslate(b, one, r)
				one, two = two, one
			}
		})
	}
}
