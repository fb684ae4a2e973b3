package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Ask is what the far end of a tunnel is asked for.
type Ask struct {
	// Host is a host name, an IP address, or a text with Envoy's operators.
	Host string
	// Port is 1..65535; 0 where there is a PortOperator.
	Port uint16
	// PortOperator is the operator of Envoy that tells the port, TCP only; empty for a number.
	PortOperator string
}

// Literal reports whether a is the same for every connection.
func (a Ask) Literal() bool { return a.PortOperator == "" && !operator.MatchString(a.Host) }

// String is a as HOST:PORT, an IPv6 address in brackets.
func (a Ask) String() string {
	port := a.PortOperator
	if port == "" {
		port = strconv.Itoa(int(a.Port))
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil && ip.Is6() {
		return "[" + a.Host + "]:" + port
	}
	return a.Host + ":" + port
}

// ParseAsk reads HOST:PORT, whose host may hold operators of Envoy, and whose port may be one.
func ParseAsk(text string) (Ask, error) {
	host, port, found := cutAsk(text)
	if !found {
		return Ask{}, noPort(text)
	}
	dynamic := operator.FindString(port)
	if dynamic != "" {
		if dynamic != port {
			return Ask{}, wrongf(idPort, "%s is not a port; it is a number, or one operator", quote(port))
		}
		port = "1"
	}
	e, err := parseEndpoint(operator.ReplaceAllString(host, "x") + ":" + port)
	if err != nil {
		return Ask{}, err
	}
	a := Ask{Host: strings.TrimSuffix(e.Host, "."), Port: e.Port}
	if dynamic != "" {
		a.Port, a.PortOperator = 0, dynamic
	}
	switch {
	case e.Address.IsValid():
		a.Host = e.Address.String()
	case operator.MatchString(host):
		a.Host = host
	}
	return a, nil
}

// cutAsk splits text at its last colon, but for those within operators, if there is one.
func cutAsk(text string) (host, port string, found bool) {
	masked := operator.ReplaceAllStringFunc(text, func(o string) string { return strings.Repeat("x", len(o)) })
	colon := strings.LastIndexByte(masked, ':')
	if colon < 0 {
		return "", "", false
	}
	return text[:colon], text[colon+1:], true
}

// The operators that a far end can be asked by: those whose value is there when it is asked, and of which no client can make
// what would end the connection that all share, as a space in a host does. Of a host name that is none Envoy makes one.
var (
	addressOperators = []string{
		"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
		"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
	}
	portOperators = []string{
		"DOWNSTREAM_LOCAL_PORT", "DOWNSTREAM_DIRECT_LOCAL_PORT", "DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_DIRECT_REMOTE_PORT",
	}
)

// serverName is the operator for the host name that a TLS client asks for.
const serverName = "REQUESTED_SERVER_NAME"

// checkAsk says which operators of a would not tell the far end where to go.
func (r *reading) checkAsk(a Ask, l *Listener, at *value) {
	if a.PortOperator != "" && l.Protocol == UDP {
		r.errorf(idTunnel, at, "the port of what UDP is carried to is a number, for Envoy has no operator there; write a listener for each port")
		return
	}
	if name := operatorName(a.PortOperator); name != "" && !slices.Contains(portOperators, name) {
		r.errorf(idWord, at, "%s is no port; one of these is: %s", a.PortOperator, strings.Join(portOperators, ", "))
	}
	for _, written := range operator.FindAllString(a.Host, -1) {
		if why := l.unaskable(operatorName(written)); why != "" {
			r.errorf(idWord, at, "%s %s", written, why)
		}
	}
}

// operatorName is the name of an operator that is written without arguments; with some it is all of it.
func operatorName(written string) string { return strings.Trim(written, "%") }

// unaskable says why the far end cannot be asked by the operator of that name; empty if it can.
func (l *Listener) unaskable(name string) string {
	bare, _, _ := strings.Cut(name, "(")
	switch {
	case name == serverName && l.Protocol == UDP:
		return "is of TLS over TCP; UDP has none"
	case name == serverName && !l.Inspects:
		return `is read only where sni is; write sni: {"*.example.com": "%REQUESTED_SERVER_NAME%:443"}, with the names that may be asked for`
	case slices.Contains(addressOperators, name):
		return l.addressless(name)
	case name == serverName, slices.Contains(portOperators, name):
		return ""
	case bare == "FILTER_STATE":
		return `has no value: nothing here sets filter state, so that the far end would be asked for "-"`
	case bare == "DYNAMIC_METADATA":
		return `has no value: nothing here sets metadata of a connection, so that the far end would be asked for "-"`
	case !slices.Contains(operators, bare):
		if near := nearest(bare, operators); near != "" {
			return "is no operator of Envoy; did you mean " + quote(near) + "?"
		}
		return "is no operator of Envoy"
	}
	return "is no host; one of these is: " + serverName + ", " + strings.Join(addressOperators, ", ")
}

// addressless says why the operator of that name, for an address, would give none; empty if it does.
func (l *Listener) addressless(name string) string {
	if l.ProxyProtocol != nil && !strings.Contains(name, "_DIRECT_") {
		return "may be an IPv6 address by what a header says, and would stand in front of the port without brackets; write " +
			"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT or DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"
	}
	for _, b := range l.Binds {
		switch {
		case b.Path != "":
			return "has no value on a unix socket"
		case b.Address.Is6() && l.Protocol == TCP:
			return "would put an IPv6 address in front of the port without brackets; bind it to IPv4"
		}
	}
	return ""
}
