package config

import (
	"net"
	"net/netip"
	"strings"
)

// targets are what may be asked for.
type targets []Allowed

func (t *targets) decode(d *decoder, v *value) {
	*t = targets{}
	for _, item := range v.elements() {
		text, ok := d.text(item)
		if !ok {
			continue
		}
		allowed, err := parseAllowed(text)
		if err != nil {
			d.wrong(item, err)
			continue
		}
		*t = append(*t, allowed)
	}
	if len(v.elements()) == 0 {
		d.errorf(idKind, v, "is empty; write HOST:PORT")
	}
}

// parseAllowed reads HOST:PORTS, *.DOMAIN:PORTS, *:PORTS, NETWORK, NETWORK:PORTS or any.
func parseAllowed(text string) (Allowed, error) {
	if text == "any" {
		return Allowed{}, nil
	}
	if strings.Contains(text, "/") {
		return parseAllowedNetwork(text)
	}
	a := Allowed{}
	var err error
	if ports, everyHost := strings.CutPrefix(text, "*:"); everyHost {
		a.Port, a.Last, err = parsePorts(ports)
		return a, err
	}
	name, wild := strings.CutPrefix(text, "*.")
	host, ports, err := cutAddress(name)
	switch {
	case err != nil:
		return Allowed{}, err
	case host == "":
		return Allowed{}, noPort(text)
	}
	if a.Port, a.Last, err = parsePorts(ports); err != nil {
		return Allowed{}, err
	}
	e, err := parseEndpoint(net.JoinHostPort(host, "1"))
	switch {
	case err != nil:
		return Allowed{}, err
	case wild && e.Host == "":
		return Allowed{}, wrongf(idTunnel, "%s: below an address stands no name", quote(text))
	case e.Host == "":
		a.Host = e.Address.String()
	case wild:
		a.Host = "*." + strings.TrimSuffix(e.Host, ".")
	default:
		a.Host = strings.TrimSuffix(e.Host, ".")
	}
	return a, nil
}

// parseAllowedNetwork reads NETWORK or NETWORK:PORTS.
func parseAllowedNetwork(text string) (Allowed, error) {
	slash := strings.IndexByte(text, '/')
	bits, ports, hasPorts := strings.Cut(text[slash:], ":")
	network, err := netip.ParsePrefix(text[:slash] + bits)
	switch {
	case err != nil:
		return Allowed{}, wrongf(idTunnel, "%s is not a network, such as 10.0.0.0/8", quote(text[:slash]+bits))
	case network.Addr().Is6():
		return Allowed{}, wrongf(idTunnel, "%s: an IPv6 address is asked for in many spellings; write the addresses one by one", quote(text))
	case network != network.Masked():
		return Allowed{}, wrongf(idTunnel, "%s has bits behind its mask; write %s", quote(text), network.Masked())
	}
	a := Allowed{Network: network}
	if hasPorts {
		a.Port, a.Last, err = parsePorts(ports)
	}
	return a, err
}
