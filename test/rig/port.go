package rig

import (
	"fmt"
	"net"
	"strconv"
	"sync"
)

// Ports are handed out below the range that kernels choose client ports from, so that no connection of the test itself
// can sit on one.
const (
	firstPort = 20000
	lastPort  = 29999
	blockSize = 100
)

// ports hands out the ports of this process. It works through blocks, each claimed by listening on its first port for
// as long as the process lives: test binaries that run side by side do not meet.
var ports struct {
	mu     sync.Mutex
	claims []net.Listener
	block  int // the first port of the present block; 0 before the first
	next   int
}

// forking is held while a child is started, and while ports are probed: until it has become its program, a child has
// copies of all sockets, so that one which was open then stays so for a moment after it was closed.
var forking sync.Mutex

// Port is a port that nobody listens on, TCP or UDP, on any local address, and that this process has not got before.
func Port() (int, error) {
	return PortRange(1)
}

// PortRange is the first of n such ports in a row, at most 50.
func PortRange(n int) (int, error) {
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for {
		if ports.block == 0 || ports.next+n > ports.block+blockSize {
			if err := claimBlock(); err != nil {
				return 0, err
			}
		}
		first := ports.next
		ports.next += n
		if allFree(first, n) {
			return first, nil
		}
	}
}

// claimBlock moves on to the next block that nobody has. ports.mu is held.
func claimBlock() error {
	start := max(ports.block+blockSize, firstPort)
	for block := start; block+blockSize <= lastPort+1; block += blockSize {
		claim, err := net.Listen("tcp", address("127.0.0.1", block))
		if err != nil {
			continue
		}
		ports.claims = append(ports.claims, claim)
		ports.block, ports.next = block, block+1
		return nil
	}
	return fmt.Errorf("no free ports between %d and %d", start, lastPort)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		if !free(port) {
			return false
		}
	}
	return true
}

func free(port int) bool {
	forking.Lock()
	defer forking.Unlock()
	tcp, err := net.Listen("tcp", address("", port))
	if err != nil {
		return false
	}
	defer func() { _ = tcp.Close() }()
	udp, err := net.ListenPacket("udp", address("", port))
	if err != nil {
		return false
	}
	return udp.Close() == nil
}

func address(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
