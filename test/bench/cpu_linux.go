package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processClock marks a clock id as that of the CPU time of all threads of a process (CPUCLOCK_SCHED).
const processClock = 2

// cpuTime is the CPU time that a process has used so far, to the nanosecond.
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|processClock), &t); err != nil {
		return 0, fmt.Errorf("cpu clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// memory is the resident memory of a process in bytes, as it is and at its peak.
func memory(pid int) (resident, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	field := func(name string) int64 {
		_, rest, _ := strings.Cut(string(text), name+":")
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
		kib, _ := strconv.ParseInt(value, 10, 64) // 0 for a process that has ended
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM"), nil
}
