package hostcheck

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// socket is one end of a connection, or takes connections or datagrams.
type socket struct {
	at netip.AddrPort
	// peer is the other end; the unspecified address and port 0 where there is none.
	peer netip.AddrPort
	// inode is the number by which the processes that hold it show it.
	inode uint64
}

// The states of sockets in /proc/net, as include/net/tcp_states.h numbers them.
const (
	stateEstablished = "01"
	stateClosed      = "07" // UDP that is connected to nobody
	stateListens     = "0A" // TCP
)

// listening are the sockets of a protocol that take what comes, of both families.
func (h host) listening(p config.Protocol) ([]socket, error) {
	if p == config.UDP {
		return h.sockets(p, stateClosed)
	}
	return h.sockets(p, stateListens)
}

// sockets are those of a protocol that are in a state, of both families.
func (h host) sockets(p config.Protocol, state string) ([]socket, error) {
	var all []socket
	for _, name := range []string{string(p), string(p) + "6"} {
		f, err := os.Open(h.file("net", name))
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(name, "6") {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		list, err := readSockets(bufio.NewScanner(f), state)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.file("net", name), err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// readSockets reads a table such as /proc/net/tcp: a head, then lines of `sl local remote state ... inode`.
func readSockets(lines *bufio.Scanner, state string) ([]socket, error) {
	const local, remote, status, inode = 1, 2, 3, 9
	var all []socket
	lines.Scan() // the head
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[status] != state {
			continue
		}
		at, err := parseSocketAddress(fields[local])
		if err != nil {
			return nil, err
		}
		peer, err := parseSocketAddress(fields[remote])
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(fields[inode], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, socket{at: at, peer: peer, inode: n})
	}
	return all, lines.Err()
}

// parseSocketAddress reads "0100007F:1F90": the address in words of 32 bits as this machine reads them from the network's
// bytes, and the port.
func parseSocketAddress(text string) (netip.AddrPort, error) {
	words, portText, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil || len(words) != 8 && len(words) != 32 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	var bytes []byte
	for ; words != ""; words = words[8:] {
		word, err := strconv.ParseUint(words[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
		}
		bytes = binary.NativeEndian.AppendUint32(bytes, uint32(word))
	}
	address, _ := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(address, uint16(port)), nil
}
