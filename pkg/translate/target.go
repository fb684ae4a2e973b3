package translate

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// targets are what may be asked for at an exit: the domains of a virtual host, as far as these can say it, and patterns
// of whole authorities for the rest.
func targets(allowed []config.Allowed) (domains, patterns []string) {
	for _, a := range allowed {
		switch {
		case a == config.Allowed{}:
			return []string{"*"}, nil
		case a.Host != "" && a.Port == a.Last:
			domains = append(domains, a.String())
		default:
			patterns = append(patterns, hostPattern(a)+":"+portPattern(a))
		}
	}
	return domains, patterns
}

// hostPattern matches the host of an authority, an IPv6 address in its brackets.
func hostPattern(a config.Allowed) string {
	if a.Network.IsValid() {
		return networkPattern(a)
	}
	if below, wild := strings.CutPrefix(a.Host, "*."); wild {
		return `(?i:[^:/]+\.` + regexp.QuoteMeta(below) + `)`
	}
	if a.Host == "" {
		return `.+`
	}
	host := strings.TrimSuffix(config.Allowed{Host: a.Host, Port: 1, Last: 1}.String(), ":1")
	return `(?i:` + regexp.QuoteMeta(host) + `)`
}

// networkPattern matches the IPv4 addresses of a network, octet by octet.
func networkPattern(a config.Allowed) string {
	octets, bits := a.Network.Addr().As4(), a.Network.Bits()
	patterns := make([]string, len(octets))
	for i, octet := range octets {
		free := min(8, max(0, 8*(i+1)-bits)) // bits of this octet behind the mask
		patterns[i] = numberPattern(int(octet), int(octet)+1<<free-1)
	}
	return strings.Join(patterns, `\.`)
}

func portPattern(a config.Allowed) string {
	if a.Port == 0 {
		return numberPattern(1, 65535)
	}
	return numberPattern(int(a.Port), int(a.Last))
}

// numberPattern matches the decimal numbers from low to high, without leading zeros. 0 <= low <= high.
func numberPattern(low, high int) string {
	var parts []string
	for first, last := 0, 9; first <= high; first, last = last+1, last*10+9 {
		if low <= last {
			parts = append(parts, digitsPattern(strconv.Itoa(max(low, first)), strconv.Itoa(min(high, last))))
		}
	}
	return `(?:` + strings.Join(parts, "|") + `)`
}

// digitsPattern matches the numbers from low to high, which have the same number of digits.
func digitsPattern(low, high string) string {
	rest := len(low) - 1
	nines, zeros := strings.Repeat("9", rest+1), strings.Repeat("0", rest+1)
	switch {
	case rest < 0:
		return ""
	case low == zeros && high == nines:
		return `[0-9]{` + strconv.Itoa(rest+1) + `}`
	case low[0] == high[0]:
		return low[:1] + digitsPattern(low[1:], high[1:])
	}
	parts := []string{low[:1] + digitsPattern(low[1:], nines[1:])}
	if between := low[0] + 1; between < high[0] {
		parts = append(parts, `[`+string(between)+`-`+string(high[0]-1)+`]`+digitsPattern(zeros[1:], nines[1:]))
	}
	parts = append(parts, high[:1]+digitsPattern(zeros[1:], high[1:]))
	return `(?:` + strings.Join(parts, "|") + `)`
}
