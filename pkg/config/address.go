package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// wrong is what is wrong with a text, and the kind of message that says so.
type wrong struct {
	id   id
	text string
}

// Error is what is wrong.
func (w *wrong) Error() string { return w.text }

func wrongf(id id, format string, args ...any) error {
	return &wrong{id, fmt.Sprintf(format, args...)}
}

// wrong says err, a [wrong], about v.
func (r *report) wrong(v *value, err error) {
	w, ok := errors.AsType[*wrong](err)
	if !ok {
		panic(fmt.Sprintf("config: an error without an id: %v", err))
	}
	r.errorf(w.id, v, "%s", w.text)
}

// parseBind reads an address to listen on: PORTS, ADDRESS:PORTS, [V6]:PORTS or unix:/path, where PORTS is a port or a
// range. Without an address the Addr is zero.
func parseBind(text string) (Bind, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return Bind{Path: path}, checkPath(path)
	}
	address, ports, err := cutAddress(text)
	if err != nil {
		return Bind{}, err
	}
	b := Bind{}
	if address != "" {
		if b.Address, err = parseIP(address); err != nil {
			return Bind{}, bindHint(text, address, ports, err)
		}
	}
	b.Port, b.Last, err = parsePorts(ports)
	return b, err
}

// bindHint is err, the mistake in the address of text, with what may have been meant.
func bindHint(text, address, ports string, err error) error {
	if allDigits(address) {
		return wrongf(idAddress, "%s is neither a port nor ADDRESS:PORT; for a range of ports write %s-%s", quote(text), address, ports)
	}
	if address == "*" {
		return wrongf(idAddress, "%s has no IP address; to listen on all write the port alone: %s", quote(text), ports)
	}
	if _, hostErr := parseHost(address); hostErr == nil {
		return wrongf(idAddress, "%s is a host name; a listener needs an IP address, such as 127.0.0.1", quote(address))
	}
	return err
}

// cutAddress splits the address off the front of ADDRESS:PORTS or [V6]:PORTS; it is empty where there is none.
func cutAddress(text string) (address, ports string, err error) {
	switch colons := strings.Count(text, ":"); {
	case strings.HasPrefix(text, "["):
		return cutBrackets(text)
	case strings.Contains(text, "://"):
		return "", "", wrongf(idAddress, "%s is a URL; write HOST:PORT", quote(text))
	case colons > 1:
		return "", "", noBrackets(text)
	case colons == 0:
		return "", text, nil
	}
	address, ports, _ = strings.Cut(text, ":")
	if address == "" {
		return "", "", wrongf(idAddress, "%s has no address in front of the colon", quote(text))
	}
	return address, ports, nil
}

func cutBrackets(text string) (address, ports string, err error) {
	address, rest, closed := strings.Cut(text[1:], "]")
	ports, colon := strings.CutPrefix(rest, ":")
	switch a, err := netip.ParseAddr(address); {
	case !closed || err != nil || !a.Is6():
		return "", "", wrongf(idAddress, "%s is not [IPV6]:PORT", quote(text))
	case !colon:
		return "", "", wrongf(idNoPort, "%s has no port; write \"[%s]:PORT\"", quote(text), address)
	}
	return address, ports, nil
}

// noBrackets says where an IPv6 address needs them.
func noBrackets(text string) error {
	last := strings.LastIndexByte(text, ':')
	if _, err := netip.ParseAddr(text[:last]); err == nil {
		return wrongf(idBrackets, "%s is an IPv6 address without brackets; write \"[%s]%s\"", quote(text), text[:last], text[last:])
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return wrongf(idBrackets, "%s is an IPv6 address without brackets and port; write \"[%s]:PORT\"", quote(text), text)
	}
	return wrongf(idAddress, "%s has more than one colon; write HOST:PORT", quote(text))
}

// parseIP reads an IP address.
func parseIP(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return netip.Addr{}, wrongf(idAddress, "%s is not an IP address", quote(text))
	case a.Zone() != "":
		return netip.Addr{}, wrongf(idAddress, "%s has a zone, which Envoy cannot use", quote(text))
	}
	return a.Unmap(), nil
}

// parsePorts reads a port or a range of ports.
func parsePorts(text string) (first, last uint16, err error) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		first, err = parsePort(text)
		return first, first, err
	}
	if !allDigits(from) || !allDigits(to) {
		return 0, 0, wrongf(idPort, "%s is not a range of ports; write it like 27000-27015", quote(text))
	}
	if first, err = parsePort(from); err != nil {
		return 0, 0, err
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
	if _, ipErr := netip.ParseAddr(text); ipErr == nil {
		return 0, wrongf(idNoPort, "%s has no port; write %s:PORT", quote(text), text)
	}
	if err != nil {
		return 0, wrongf(idPort, "%s; a port is 1..65535", err)
	}
	if n < 1 || n > 65535 {
		return 0, wrongf(idPort, "port %d is outside 1..65535", n)
	}
	return uint16(n), nil
}

// checkPath says what is wrong with what follows "unix:": a file, or an abstract name that starts with @.
func checkPath(path string) error {
	const longest = 107 // sun_path, without its NUL
	switch {
	case !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@"):
		return wrongf(idUnix, "%s is not an absolute path; write unix:/run/NAME.sock", quote("unix:"+path))
	case len(path) == 1:
		return wrongf(idUnix, "%s names no file", quote("unix:"+path))
	case strings.ContainsAny(path, ",\n") || strings.Contains(path, ": "):
		// The path is part of the listener's name, and Envoy's refusals put these between names.
		return wrongf(idUnix, "%s has a comma, a line break or a colon before a space, which the name of a listener cannot have", quote("unix:"+path))
	case len(path) > longest:
		return wrongf(idUnix, "the path of a unix socket has at most %d bytes; this one has %d", longest, len(path))
	}
	return nil
}

// parseEndpoint reads HOST:PORT, ADDRESS:PORT, [V6]:PORT or unix:/path.
func parseEndpoint(text string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return Endpoint{Path: path}, checkPath(path)
	}
	host, port, err := cutAddress(text)
	if err != nil {
		return Endpoint{}, err
	}
	if host == "" {
		return Endpoint{}, noPort(text)
	}
	e := Endpoint{}
	if _, ipErr := netip.ParseAddr(host); ipErr == nil {
		e.Address, err = parseIP(host)
	} else {
		e.Host, err = parseHost(host)
	}
	if err != nil {
		return Endpoint{}, err
	}
	if e.Address.IsValid() && e.Address.IsUnspecified() {
		return Endpoint{}, wrongf(idEndpoint, "%s is no address to connect to; for this host write 127.0.0.1:%s", quote(text), port)
	}
	e.Port, err = parsePort(port)
	return e, err
}

func noPort(text string) error {
	if allDigits(text) {
		return wrongf(idEndpoint, "endpoint %s has no host; write HOST:%s", quote(text), text)
	}
	return wrongf(idNoPort, "endpoint %s has no port; write %s:PORT", quote(text), text)
}

// parseHost reads a DNS name and gives it in lower case. A dot at its end keeps search domains away.
func parseHost(text string) (string, error) {
	name := strings.ToLower(text)
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if !validLabel(l) || len(name) > 253 {
			return "", wrongf(idHost, "%s is not a host name", quote(text))
		}
	}
	// Names do not end in a number, and a digit in the last label of what begins with a number is a slip in an address.
	last := labels[len(labels)-1]
	if allDigits(last) || len(labels) > 1 && allDigits(labels[0]) && strings.ContainsAny(last, "0123456789") {
		return "", wrongf(idHost, "%s is neither an IP address nor a host name", quote(text))
	}
	return name, nil
}

// validLabel reports whether l may stand between the dots of a host name in lower case.
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
