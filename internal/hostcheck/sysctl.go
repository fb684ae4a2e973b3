package hostcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/l4xds/l4xds/internal/finding"
	"github.com/l4xds/l4xds/pkg/config"
)

// sysctl is the value of a kernel parameter as the kernel writes it, with single blanks; name has dots.
func (h host) sysctl(name string) (string, error) {
	text, err := os.ReadFile(h.file("sys", strings.ReplaceAll(name, ".", "/")))
	return oneLine(string(text)), err
}

// sysctls compares the parameters of the kernel with those that the kit sets, and with those that the file takes for
// granted.
func (i *inspection) sysctls() {
	for _, s := range i.Kit.Sysctls() {
		i.sysctl(s.Key, s.Value, s.Why, func(found string) bool { return found == s.Value })
	}
	i.reserved()
	if l, idle := i.longestIdle(); l != nil {
		seconds := fmt.Sprint(int64(idle+time.Second-1) / int64(time.Second))
		why := fmt.Sprintf("the kernel forgets a flow after this time, and a server that speaks later is not heard; sessions of listener %s last %s", l.Name, idle)
		for _, name := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
			i.sysctl("net.netfilter."+name, seconds, why, func(found string) bool { return atLeast(found, seconds) })
		}
	}
}

// sysctl says how a parameter is. good tells whether a value will do.
func (i *inspection) sysctl(name, want, why string, good func(found string) bool) {
	found, err := i.host.sysctl(name)
	f := Finding{Part: Sysctls, Name: name, Result: finding.OK, Message: found}
	switch {
	case err != nil:
		f.Result, f.Message, f.Expected, f.Why = finding.Failed, "cannot be read: "+err.Error(), want, why
		if errors.Is(err, fs.ErrNotExist) {
			f.Advice = "the kernel has it once there are rules that need it; mend those first"
		}
	case !good(found):
		f.Result, f.Message, f.Found, f.Expected, f.Why = finding.Failed, "has another value", found, want, why
		f.Mend = fmt.Sprintf("sysctl -w %s=%q", name, want)
		if !strings.Contains(want, " ") {
			f.Mend = fmt.Sprintf("sysctl -w %s=%s", name, want)
		}
	}
	i.say(f)
}

// reserved looks whether sessions of Envoy may have a port that is captured: datagrams to those are not guarded.
func (i *inspection) reserved() {
	if !i.Kit.Guard {
		return
	}
	var captured []string
	const rangeName, reservedName = "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"
	used, err := i.host.sysctl(rangeName)
	kept, keptErr := i.host.sysctl(reservedName)
	if err = errors.Join(err, keptErr); err != nil {
		i.say(Finding{Part: Sysctls, Name: rangeName, Result: finding.Failed, Message: "cannot be read: " + err.Error()})
		return
	}
	for _, c := range i.Kit.Captures {
		if c.Protocol != config.UDP || c.Mode != config.TProxy {
			continue
		}
		for _, p := range c.Ports {
			if overlaps(used, p) && !isReserved(kept, p) && !slices.Contains(captured, p.String()) {
				captured = append(captured, p.String())
			}
		}
	}
	f := Finding{Part: Sysctls, Name: rangeName, Result: finding.OK, Message: used + ", without ports that are captured"}
	if len(captured) > 0 {
		if kept != "" {
			captured = append(strings.Split(kept, ","), captured...)
		}
		f.Name, f.Result, f.Message = reservedName, finding.Failed, "lacks captured ports"
		f.Found, f.Expected = kept, strings.Join(captured, ",")
		f.Why = "sessions of Envoy may have any port of " + strings.Replace(used, " ", "-", 1) + ", and those with a captured one are not guarded"
		f.Mend = "sysctl -w " + reservedName + "=" + f.Expected
	}
	i.say(f)
}

// overlaps reports whether some port of p is in a range as ip_local_port_range has it.
func overlaps(used string, p config.Ports) bool {
	var first, last uint16
	n, _ := fmt.Sscan(used, &first, &last)
	return n == 2 && p.First <= last && first <= p.Last
}

// isReserved reports whether one entry of ip_local_reserved_ports has all of p.
func isReserved(kept string, p config.Ports) bool {
	for entry := range strings.SplitSeq(kept, ",") {
		from, to, isRange := strings.Cut(entry, "-")
		first, err := strconv.ParseUint(from, 10, 16)
		last, lastErr := first, error(nil)
		if isRange {
			last, lastErr = strconv.ParseUint(to, 10, 16)
		}
		if err == nil && lastErr == nil && uint16(first) <= p.First && p.Last <= uint16(last) {
			return true
		}
	}
	return false
}

// atLeast reports whether a number is not below another one.
func atLeast(text, least string) bool {
	var n, m int
	if read, _ := fmt.Sscan(text, &n); read != 1 {
		return false
	}
	_, _ = fmt.Sscan(least, &m) // written by ourselves
	return n >= m
}

// longestIdle is the listener of the node whose sessions, with the client's address, may be idle for longest, and that
// time; nil if there is none.
func (i *inspection) longestIdle() (listener *config.Listener, idle time.Duration) {
	for _, l := range i.listeners() {
		if l.Protocol != config.UDP || l.Source != config.SourceClient {
			continue
		}
		for _, r := range l.Routes {
			if d := time.Duration(r.Timeouts.Idle); listener == nil || d > idle {
				listener, idle = l, d
			}
		}
	}
	return listener, idle
}
