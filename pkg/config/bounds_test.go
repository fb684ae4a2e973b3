package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// costly is an input that is meant to cost, with what it may cost.
type costly struct {
	name   string
	text   func() string
	time   time.Duration
	memory uint64 // in MiB, allocated in all
	valid  bool
}

const small, smallMemory = 100 * time.Millisecond, 64

var bounded = []costly{
	{"alias bomb", aliasBomb, small, smallMemory, false},
	{"merge bomb", mergeBomb, small, smallMemory, false},
	{"20,000 lists in each other", func() string { return "x-a: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) }, small, smallMemory, false},
	{"20,000 maps in each other", func() string { return "x-a: " + strings.Repeat("{a: ", 20_000) + strings.Repeat("}", 20_000) }, small, smallMemory, false},
	{"20,000 dashes", func() string { return strings.Repeat("- ", 20_000) + "a" }, small, smallMemory, false},
	{"9,000 lists not closed", func() string { return "x-a: " + strings.Repeat("[a, ", 9_000) }, small, smallMemory, false},
	{"5 million values", func() string { return "x-a: [" + strings.Repeat("1,", 5_000_000) + "1]" }, small, smallMemory, false},
	{"16 MiB without a line end", func() string { return strings.Repeat("x", maxFileSize) }, time.Second, 256, false},
	{"16 MiB of NUL", func() string { return strings.Repeat("\x00", maxFileSize) }, small, smallMemory, false},
	{"100,000 keys", func() string { return "x-a:\n" + keys(100_000, "  k%d: v\n") + "listeners: {}\n" }, time.Second, 256, true},
	{"100,000 unknown keys", func() string { return keys(100_000, "k%d: v\n") }, time.Second, 256, false},
	{"100,000 endpoints", func() string {
		return "listeners:\n  a:\n    tcp: 1\n    to:\n" + keys(100_000, "      - host-%d:80\n")
	}, time.Second, 256, true},
	{"10,000 listeners", func() string { return manyListeners(10_000) }, 500 * time.Millisecond, 256, true},
	{"10,000 unknown backends of 10,000", func() string {
		return "listeners:\n" + keys(10_000, "  l%[1]d: {tcp: 1, to: bakend-%[1]d, nodes: {id: n%[1]d}}\n") +
			"backends:\n" + keys(10_000, "  backend-%d: {endpoints: 10.0.0.1:1}\n")
	}, time.Second, 256, false},
}

func keys(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func aliasBomb() string {
	text := "x-a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		text += fmt.Sprintf("x-a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return text + "listeners: *a29\n"
}

func mergeBomb() string {
	return "x-a: &a {" + keys(1000, "k%d: v, ") + "z: z}\n" + keys(5000, "x-b%d: {<<: *a}\n") + "listeners: {}\n"
}

// measure loads text and tells what that cost.
func (b costly) measure() (*Config, Diagnostics, time.Duration, uint64) {
	text := b.text()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	c, ds := loadText(text)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return c, ds, took, (after.TotalAlloc - before.TotalAlloc) >> 20
}

// TestBounds holds what is meant to cost to ten times what it may: other tests run beside it. BenchmarkBounds shows the
// figures.
func TestBounds(t *testing.T) {
	slack := 10
	if raced {
		slack = 100
	}
	for _, b := range bounded {
		t.Run(b.name, func(t *testing.T) {
			c, ds, took, memory := b.measure()
			t.Logf("%v, %d MiB, %d messages", took, memory, len(ds))
			if (c != nil) != b.valid {
				t.Errorf("loaded: %v, want %v; %v", c != nil, b.valid, ds[:min(len(ds), 1)])
			}
			if took > time.Duration(slack)*b.time || memory > 10*b.memory {
				t.Errorf("took %v and %d MiB, may take %v and %d MiB", took, memory, b.time, b.memory)
			}
		})
	}
}

func BenchmarkBounds(b *testing.B) {
	for _, c := range bounded {
		b.Run(c.name, func(b *testing.B) {
			text := c.text()
			b.ReportAllocs()
			for b.Loop() {
				loadText(text)
			}
		})
	}
}

// TestLargeFileUnread holds that a file of 17 MiB is refused by its size.
func TestLargeFileUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, make([]byte, 17<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, ds := Load(NewSource(), nil, path)
	runtime.ReadMemStats(&after)
	if len(ds) != 1 || ds[0].ID != string(idUnreadable) || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%v, %d bytes allocated", ds, after.TotalAlloc-before.TotalAlloc)
	}
}
