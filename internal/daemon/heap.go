package daemon

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// spare is how much the heap may at least grow before it is collected, in bytes. Go's own measure, as much again as
	// is in use, would make the heap of a small configuration be collected with every other edit, while Envoys wait.
	spare = 32 << 20
	// usual is Go's own measure, in percent.
	usual = 100
)

// paceHeap leaves room to spare on a small heap. A measure that the environment sets stays.
func paceHeap() {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(heapGrowth(live[0].Value.Uint64()))
}

// heapGrowth is by how many percent a heap of so many bytes may grow; live is 0 before the first collection.
func heapGrowth(live uint64) int {
	const smallest = 4 << 20 // the least that Go collects for
	return max(usual, int(spare*100/max(live, smallest)))
}
