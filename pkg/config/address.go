package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// wrong is what is wrong with a text, and the kind of message that says so.
type wrong struct {
	id   id
	text string
}

func (w *wrong) Error() string { return w.text }

func wrongf(id id, format string, args ...any) error {
	return &wrong{id, fmt.Sprintf(format, args...)}
}

// errorOf says err about v; its id is that of a [wrong], or id.
func (d *decoder) errorOf(id id, v *value, err error) {
	if w := (*wrong)(nil); errors.As(err, &w) {
		id = w.id
	}
	d.errorf(id, v, "%s", err)
}

// parseBind reads an address to listen on: a port, a range, ADDRESS:PORT, ADDRESS:RANGE, [V6]:PORT or unix:/path.
// A bare port has the zero Addr.
func parseBind(text string) (Bind, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path, err := parsePath(path)
		return Bind{Path: path}, err
	}
	address, ports, err := cutAddress(text)
	if err != nil {
		return Bind{}, err
	}
	b := Bind{}
	if b.Port, b.Last, err = parsePorts(ports); err != nil {
		return Bind{}, err
	}
	if address != "" {
		b.Address, err = parseIP(address)
	}
	return b, err
}

// cutAddress splits an address off the front of ADDRESS:PORTS or [V6]:PORTS.
func cutAddress(text string) (address, ports string, err error) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		address, ports, ok = strings.Cut(rest, "]:")
		if !ok {
			return "", "", wrongf(idNoPort, "%s has no port; write [ADDRESS]:PORT", quote(text))
		}
		return address, ports, nil
	}
	if strings.Count(text, ":") > 1 {
		return "", "", noBrackets(text)
	}
	address, ports, ok := strings.Cut(text, ":")
	if !ok {
		return "", text, nil
	}
	if address == "" {
		return "", "", wrongf(idAddress, "%s has no address; for all of them write the port alone: %s", quote(text), ports)
	}
	return address, ports, nil
}

// noBrackets says where an IPv6 address needs them.
func noBrackets(text string) error {
	if _, err := netip.ParseAddr(text); err == nil {
		return wrongf(idBrackets, "%s is an IPv6 address without brackets and port; write \"[%s]:PORT\"", quote(text), text)
	}
	last := strings.LastIndexByte(text, ':')
	if _, err := netip.ParseAddr(text[:last]); err == nil {
		return wrongf(idBrackets, "%s is an IPv6 address without brackets; write \"[%s]%s\"", quote(text), text[:last], text[last:])
	}
	return wrongf(idAddress, "%s is not ADDRESS:PORT", quote(text))
}

// parseIP reads an IP address to listen on. A host name is none: which of its addresses would be meant?
func parseIP(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return netip.Addr{}, wrongf(idAddress, "%s is not an IP address", quote(text))
	case a.Zone() != "":
		return netip.Addr{}, wrongf(idAddress, "%s has a zone, which Envoy cannot bind", quote(text))
	}
	return a.Unmap(), nil
}

// parsePorts reads a port or a range of ports.
func parsePorts(text string) (first, last uint16, err error) {
	from, to, ranged := strings.Cut(text, "-")
	if first, err = parsePort(from); err != nil || !ranged {
		return first, first, err
	}
	if last, err = parsePort(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, wrongf(idRange, "range %s runs backwards; write %d-%d", text, last, first)
	}
	return first, last, nil
}

func parsePort(text string) (uint16, error) {
	n, err := parseNumber(text)
	if err != nil {
		return 0, wrongf(idPort, "%s is not a port", quote(text))
	}
	if n < 1 || n > 65535 {
		return 0, wrongf(idPort, "port %d is outside 1..65535", n)
	}
	return uint16(n), nil
}

// parsePath reads what follows "unix:".
func parsePath(path string) (string, error) {
	const longest = 107 // sun_path, without its NUL
	switch {
	case !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@"):
		return "", wrongf(idUnix, "unix:%s is not an absolute path; write unix:/run/NAME.sock", path)
	case len(path) < 2:
		return "", wrongf(idUnix, "unix:%s names no file", path)
	case len(path) > longest:
		return "", wrongf(idUnix, "the path of a unix socket has %d bytes; the kernel takes %d", len(path), longest)
	}
	return path, nil
}

// parseEndpoint reads HOST:PORT, ADDRESS:PORT, [V6]:PORT or unix:/path.
func parseEndpoint(text string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path, err := parsePath(path)
		return Endpoint{Path: path}, err
	}
	host, port, err := cutAddress(text)
	if err != nil {
		return Endpoint{}, err
	}
	if host == "" {
		return Endpoint{}, wrongf(idNoPort, "endpoint %s has no port; write %s:PORT", quote(text), text)
	}
	e := Endpoint{}
	if e.Port, err = parsePort(port); err != nil {
		return Endpoint{}, err
	}
	if e.Address, err = parseIP(host); err != nil {
		e.Host, err = parseHost(host)
	}
	return e, err
}

// parseHost reads a DNS name, and gives it in lower case.
func parseHost(text string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if name == "" || len(name) > 253 {
		return "", wrongf(idHost, "%s is not a host name", quote(text))
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if !validLabel(l) {
			return "", wrongf(idHost, "%s is not a host name", quote(text))
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		return "", wrongf(idHost, "%s is neither an IP address nor a host name", quote(text))
	}
	return name, nil
}

func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for _, c := range []byte(l) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
