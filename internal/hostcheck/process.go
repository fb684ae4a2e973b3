package hostcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is one that holds a socket.
type process struct {
	pid  int
	name string
	// path is that of its program, empty if it cannot be read.
	path string
	// user is its effective user id.
	user int
	// capabilities are those in effect, a bit for each.
	capabilities uint64
}

// The capabilities of which one has to be there for IP_TRANSPARENT, as include/uapi/linux/capability.h numbers them.
const (
	capNetAdmin = 12
	capNetRaw   = 13
)

// mayBeTransparent reports whether p may open transparent sockets.
func (p *process) mayBeTransparent() bool {
	return p.capabilities&(1<<capNetAdmin|1<<capNetRaw) != 0
}

// String is p for people.
func (p *process) String() string {
	return fmt.Sprintf("%s (process %d, user %d)", p.name, p.pid, p.user)
}

// owners are the processes that hold sockets, by the sockets' inodes. Those that may not be looked into are left out, so
// that without root many are missing.
func (h host) owners() (map[uint64]*process, error) {
	entries, err := os.ReadDir(h.proc)
	if err != nil {
		return nil, err
	}
	owners := map[uint64]*process{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		inodes := h.socketsOf(pid)
		if len(inodes) == 0 {
			continue
		}
		p, err := h.process(pid)
		if err != nil {
			continue // it has ended
		}
		for _, inode := range inodes {
			if _, known := owners[inode]; !known { // a parent and its children may hold the same one
				owners[inode] = p
			}
		}
	}
	return owners, nil
}

// socketsOf are the inodes of the sockets that a process holds; none if it may not be looked into.
func (h host) socketsOf(pid int) []uint64 {
	dir := h.file(strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var inodes []uint64
	for _, entry := range entries {
		to, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // closed since
		}
		number, isSocket := strings.CutPrefix(to, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); isSocket && err == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes
}

// process is what the kernel says of a process.
func (h host) process(pid int) (*process, error) {
	text, err := os.ReadFile(h.file(strconv.Itoa(pid), "status"))
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid}
	p.path, _ = os.Readlink(h.file(strconv.Itoa(pid), "exe"))
	return p, p.parse(string(text))
}

// parse reads /proc/PID/status.
func (p *process) parse(text string) (err error) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			p.name = value
		case "Uid": // real, effective, saved, of files
			ids := strings.Fields(value)
			if len(ids) < 2 {
				return fmt.Errorf("%q are no user ids", value)
			}
			if p.user, err = strconv.Atoi(ids[1]); err != nil {
				return err
			}
		case "CapEff":
			if p.capabilities, err = strconv.ParseUint(value, 16, 64); err != nil {
				return err
			}
		}
	}
	return nil
}
