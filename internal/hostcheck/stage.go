package hostcheck

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/pkg/kit"
)

// stage is what a host has for as long as traffic is sent: a namespace with a client, one with a stand-in for servers, and
// the way to both. No traffic but that of the client comes to the stand-in.
type stage struct {
	host           host
	client, server *namespace
	// v6 is whether there is IPv6.
	v6 bool
	// undo takes away what namespaces do not take with them, the last first.
	undo [][]string
}

// link joins the host and a namespace.
type link struct {
	// name is that of both ends.
	name string
	// here and there are the addresses of the host's end and of the other, IPv4 and IPv6.
	here, there [2]netip.Prefix
}

// The links have addresses that no network routes: IPv4's for one wire, and IPv6's for one site.
var (
	clientLink = link{
		"l4xds-client",
		[2]netip.Prefix{netip.MustParsePrefix("169.254.76.1/30"), netip.MustParsePrefix("fd4c:4404:0:1::1/64")},
		[2]netip.Prefix{netip.MustParsePrefix("169.254.76.2/30"), netip.MustParsePrefix("fd4c:4404:0:1::2/64")},
	}
	serverLink = link{
		"l4xds-server",
		[2]netip.Prefix{netip.MustParsePrefix("169.254.76.5/30"), netip.MustParsePrefix("fd4c:4404:0:2::1/64")},
		[2]netip.Prefix{netip.MustParsePrefix("169.254.76.6/30"), netip.MustParsePrefix("fd4c:4404:0:2::2/64")},
	}
)

// standInTable is the routing table that leads to the stand-in, and the priority of the rules that say so: behind that of
// the kit.
const standInTable = kit.RouteTable + 1

// foreign are addresses that nobody has, of the ranges for documentation.
var foreign = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}

// families are the words of ip for them.
var families = [2]string{"-4", "-6"}

// newStage makes a stage; with an error, nothing of it is left.
func newStage(ctx context.Context, h host) (*stage, error) {
	s := &stage{host: h}
	if disabled, err := h.sysctl("net.ipv6.conf.all.disable_ipv6"); err == nil && disabled == "0" {
		s.v6 = true
	}
	if err := s.build(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) build(ctx context.Context) (err error) {
	if s.client, err = newNamespace(); err != nil {
		return err
	}
	if s.server, err = newNamespace(); err != nil {
		return err
	}
	if err := s.join(ctx, clientLink, s.client); err != nil {
		return err
	}
	if err := s.join(ctx, serverLink, s.server); err != nil {
		return err
	}
	for f := range s.numFamilies() {
		there := clientLink.there[f].Addr().String()
		if err := s.lead(ctx, f, "from", there); err != nil {
			return err
		}
		if err := s.lead(ctx, f, "to", foreign[f].String()); err != nil {
			return err
		}
		err := s.run(ctx, "ip", families[f], "route", "add", "default", "via", serverLink.there[f].Addr().String(),
			"dev", serverLink.name, "table", strconv.Itoa(standInTable))
		if err != nil {
			return err
		}
	}
	return nil
}

// numFamilies is how many there are, of families.
func (s *stage) numFamilies() int {
	if s.v6 {
		return 2
	}
	return 1
}

// join makes a link between the host and n. It goes with n.
func (s *stage) join(ctx context.Context, l link, n *namespace) error {
	if err := s.run(ctx, "ip", "link", "add", l.name, "type", "veth", "peer", "name", l.name, "netns", n.path); err != nil {
		return err
	}
	s.undo = append(s.undo, []string{"ip", "link", "delete", l.name})
	if err := s.raise(ctx, l.name, l.here); err != nil {
		return err
	}
	return n.do(func() error {
		if err := s.run(ctx, "ip", "link", "set", "lo", "up"); err != nil {
			return err
		}
		if err := s.raise(ctx, l.name, l.there); err != nil {
			return err
		}
		for f := range s.numFamilies() {
			if err := s.run(ctx, "ip", families[f], "route", "add", "default", "via", l.here[f].Addr().String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// raise gives an interface its addresses, usable at once: without that of IPv6's link, which else is probed for a second
// or two, nothing is sent from a client's address.
func (s *stage) raise(ctx context.Context, name string, addresses [2]netip.Prefix) error {
	if s.v6 {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0); err != nil {
			return err
		}
	}
	if err := s.run(ctx, "ip", "link", "set", name, "up"); err != nil {
		return err
	}
	for f, address := range addresses[:s.numFamilies()] {
		words := []string{"ip", families[f], "address", "add", address.String(), "dev", name}
		if f == 1 {
			words = append(words, "nodad")
		}
		if err := s.run(ctx, words...); err != nil {
			return err
		}
	}
	return nil
}

// lead leads what the host itself sends, from or to an address, to the stand-in.
func (s *stage) lead(ctx context.Context, f int, direction, address string) error {
	rule := []string{direction, address, "iif", "lo", "priority", strconv.Itoa(standInTable), "lookup", strconv.Itoa(standInTable)}
	if err := s.run(ctx, append([]string{"ip", families[f], "rule", "add"}, rule...)...); err != nil {
		return err
	}
	s.undo = append(s.undo, append([]string{"ip", families[f], "rule", "delete"}, rule...))
	return nil
}

// run runs a program, in the namespace of the thread that it is called on.
func (s *stage) run(ctx context.Context, words ...string) error {
	if _, err := s.host.run(ctx, "", words...); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
	}
	return nil
}

// close takes all of it away, also after ctx has ended.
func (s *stage) close() {
	for _, words := range slices.Backward(s.undo) {
		_ = s.run(context.Background(), words...) // what is gone already is no loss
	}
	for _, n := range []*namespace{s.client, s.server} {
		if n != nil {
			n.close()
		}
	}
}
