package config

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// loadText loads one file that is not on disk.
func loadText(text string) (*Config, Diagnostics) {
	src := NewSource()
	src.Stdin(strings.NewReader(text))
	return Load(src, nil, "-")
}

// manyListeners is a file of n listeners on n ports, half of them with settings of their own.
func manyListeners(n int) string {
	var b bytes.Buffer
	b.WriteString("defaults: {listeners: {keepalive: {interval: 20s}}}\nlisteners:\n")
	for i := range n {
		extra := ""
		if i%2 == 0 {
			extra = ", timeouts: {idle: 10m}, nodes: even"
		}
		fmt.Fprintf(&b, "  l%d: {tcp: %d, to: [10.0.%d.%d:80, 10.1.0.2:80]%s}\n", i, i+1, i>>8, i&255, extra)
	}
	b.WriteString("groups: {even: {id: \"even-*\"}}\n")
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		text := manyListeners(n)
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ds := loadText(text); len(ds) > 0 {
					b.Fatal(ds[0])
				}
			}
		})
	}
}

// BenchmarkReload loads a file of which one stanza is new.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		text := manyListeners(n)
		edited := strings.Replace(text, "to: [10.0.0.7:80", "to: [10.9.0.7:80", 1)
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			c, _ := loadText(text)
			for b.Loop() {
				if c, _ = loadAfter(c, map[string]string{"-": edited}); c == nil {
					b.Fatal("refused")
				}
				text, edited = edited, text
			}
		})
	}
}
