package echo

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// Nobody is the address in a PROXY header that tells of no client, as that of a health check.
const Nobody = "nobody"

// ListenProxied starts a TCP server that wants a PROXY header of this version, 1 or 2, in front of each connection, and
// then speaks inside TLS unless the config is nil. The address that it tells is what the header says, CLIENT>SERVER, or Nobody,
// and then what else stands in it, each as TYPE="VALUE".
func ListenProxied(name, addr string, version int, config *tls.Config) (*Server, error) {
	return start(name, "tcp", addr, func(conn net.Conn) (net.Conn, string, error) {
		told := &headed{Conn: conn, reader: bufio.NewReader(conn)}
		header, err := told.header(version)
		if err != nil || config == nil {
			return told, header, err
		}
		return tls.Server(told, config), header, nil
	})
}

// Extra is one of the values that a header of version 2 has besides addresses: a TLV.
type Extra struct {
	Type  byte
	Value string
}

// String is e as a server tells it.
func (e Extra) String() string { return fmt.Sprintf("0x%02X=%q", e.Type, e.Value) }

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// HeaderV1 is the header of version 1 of a connection from from to to.
func HeaderV1(from, to string) string {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	family := map[bool]string{true: "TCP6", false: "TCP4"}[a.Addr().Is6()]
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, a.Addr(), b.Addr(), a.Port(), b.Port())
}

// HeaderV2 is that of version 2.
func HeaderV2(from, to string, extras ...Extra) string {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	family := byte(0x11)
	if a.Addr().Is6() {
		family = 0x21
	}
	body := append(a.Addr().AsSlice(), b.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, a.Port())
	body = binary.BigEndian.AppendUint16(body, b.Port())
	for _, e := range extras {
		body = binary.BigEndian.AppendUint16(append(body, e.Type), uint16(len(e.Value)))
		body = append(body, e.Value...)
	}
	head := binary.BigEndian.AppendUint16([]byte{0x21, family}, uint16(len(body)))
	return signature + string(head) + string(body)
}

// HeaderOfNobody is one of version 2 that tells of no client: LOCAL.
const HeaderOfNobody = signature + "\x20\x00\x00\x00"

// headed is a connection with a header in front.
type headed struct {
	net.Conn
	reader *bufio.Reader
}

// Read implements [net.Conn]: what comes behind the header.
func (h *headed) Read(p []byte) (int, error) { return h.reader.Read(p) }

// header reads the one of this version.
func (h *headed) header(version int) (string, error) {
	if version == 1 {
		return h.line()
	}
	return h.binary()
}

// line reads "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n".
func (h *headed) line() (string, error) {
	line, err := h.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(line, "PROXY UNKNOWN") {
		return Nobody, nil
	}
	words := strings.Fields(line)
	if len(words) != 6 || words[0] != "PROXY" || !strings.HasSuffix(line, "\r\n") {
		return "", fmt.Errorf("not a header of version 1: %q", line)
	}
	from, to := net.JoinHostPort(words[2], words[4]), net.JoinHostPort(words[3], words[5])
	if family := map[bool]string{true: "TCP6", false: "TCP4"}[strings.Contains(words[2], ":")]; words[1] != family {
		return "", fmt.Errorf("%s of %s", words[1], from)
	}
	return from + ">" + to, nil
}

// binary reads a header of version 2: 12 bytes of signature, command, family, length, addresses.
func (h *headed) binary() (string, error) {
	fixed := make([]byte, len(signature)+4)
	if _, err := io.ReadFull(h.reader, fixed); err != nil {
		return "", err
	}
	if string(fixed[:12]) != signature || fixed[12] != 0x20 && fixed[12] != 0x21 {
		return "", fmt.Errorf("not a header of version 2: %q", fixed)
	}
	rest := make([]byte, binary.BigEndian.Uint16(fixed[14:]))
	if _, err := io.ReadFull(h.reader, rest); err != nil {
		return "", err
	}
	size := map[byte]int{0x11: 4, 0x21: 16}[fixed[13]] // TCP over IPv4, over IPv6
	switch {
	case fixed[12] == 0x20:
		return Nobody, nil
	case size == 0 || len(rest) < 2*size+4:
		return "", fmt.Errorf("not the addresses of a TCP connection: %q %q", fixed, rest)
	}
	from, _ := netip.AddrFromSlice(rest[:size])
	to, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	told := netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)).String() + ">" +
		netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:])).String()
	extras, err := extras(ports[4:])
	return told + extras, err
}

// extras are what stands behind the addresses, each with a space in front.
func extras(rest []byte) (string, error) {
	var text strings.Builder
	for len(rest) > 0 {
		if len(rest) < 3 || len(rest)-3 < int(binary.BigEndian.Uint16(rest[1:])) {
			return "", fmt.Errorf("not a value with its type and length: %q", rest)
		}
		end := 3 + int(binary.BigEndian.Uint16(rest[1:]))
		text.WriteString(" " + Extra{rest[0], string(rest[3:end])}.String())
		rest = rest[end:]
	}
	return text.String(), nil
}
