package daemon

import "testing"

func TestHeapGrowth(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0:         800,
		4 << 20:   800,
		32 << 20:  100,
		512 << 20: 100,
	} {
		if got := heapGrowth(live); got != want {
			t.Errorf("%d bytes may grow by %d percent, not %d", live, got, want)
		}
	}
}
