//go:build linux

// Package netns makes networks for tests of what the kernel does with packets: a client, the host of an Envoy, and a
// server, each in a network namespace of its own. Nothing outside of them is touched. It needs root and iproute2.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Addresses of a network; each has one of the same last number in IPv6.
const (
	Client  = "10.77.1.2" // and .3
	Near    = "10.77.1.1" // the host's, on the client's side
	Far     = "10.77.2.1" // the host's, on the server's side
	Server  = "10.77.2.2" // and .3, .4
	Client6 = "fd77:1::2"
	Near6   = "fd77:1::1"
	Far6    = "fd77:2::1"
	Server6 = "fd77:2::2"
)

// Network is three namespaces in a row. What a client sends to a server's address passes through the host, which
// forwards, and so do the answers: both ends have their default route there.
//
//	client 10.77.1.2 .3   ---  10.77.1.1 [host] 10.77.2.1  ---  10.77.2.2 .3 .4   server
//	       fd77:1::2 ::3  ---  fd77:1::1        fd77:2::1  ---  fd77:2::2 ::3 ::4
//
// The interfaces are named after what is at their other end: to-host, to-client, to-server.
type Network struct {
	Client, Host, Server *Namespace
}

// topology is what `ip -batch` reads; the words in capitals are the names of the namespaces.
const topology = `
link add to-host netns CLIENT type veth peer name to-client netns HOST
link add to-host netns SERVER type veth peer name to-server netns HOST
`

// addresses are those of each namespace, and its routes. What is sent without a choice comes from the first IPv4 address,
// and from the last IPv6 address.
var addresses = map[string]string{
	"client": `
addr add 10.77.1.2/24 dev to-host
addr add 10.77.1.3/24 dev to-host
addr add fd77:1::3/64 dev to-host nodad
addr add fd77:1::2/64 dev to-host nodad
link set lo up
link set to-host up
route add default via 10.77.1.1
route add default via fd77:1::1
`,
	"host": `
addr add 10.77.1.1/24 dev to-client
addr add fd77:1::1/64 dev to-client nodad
addr add 10.77.2.1/24 dev to-server
addr add fd77:2::1/64 dev to-server nodad
link set lo up
link set to-client up
link set to-server up
`,
	"server": `
addr add 10.77.2.2/24 dev to-host
addr add 10.77.2.3/24 dev to-host
addr add 10.77.2.4/24 dev to-host
addr add fd77:2::4/64 dev to-host nodad
addr add fd77:2::3/64 dev to-host nodad
addr add fd77:2::2/64 dev to-host nodad
link set lo up
link set to-host up
route add default via 10.77.2.1
route add default via fd77:2::1
`,
}

// count tells the networks of this process apart.
var count atomic.Int64

// New makes a network. Its namespaces are named after the process, so that those of one that was killed are known: they
// are removed by the next that makes any.
func New() (*Network, error) {
	if err := sweep(); err != nil {
		return nil, err
	}
	n := new(Network)
	prefix := fmt.Sprintf("l4xds-%d-%d-", os.Getpid(), count.Add(1))
	err := n.each(func(role string, ns **Namespace) (err error) {
		*ns, err = add(prefix + role)
		return err
	})
	if err == nil {
		err = n.join()
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Close removes the network.
func (n *Network) Close() error {
	return n.each(func(_ string, ns **Namespace) error {
		if *ns == nil {
			return nil // it was not made
		}
		return (*ns).close()
	})
}

// each does it with all three, and tells all errors.
func (n *Network) each(do func(role string, ns **Namespace) error) error {
	return errors.Join(do("client", &n.Client), do("host", &n.Host), do("server", &n.Server))
}

// join puts the cables in, and what the namespaces know of each other.
func (n *Network) join() error {
	names := strings.NewReplacer("CLIENT", n.Client.Name, "HOST", n.Host.Name, "SERVER", n.Server.Name)
	if err := ip(names.Replace(topology), "-batch", "-"); err != nil {
		return err
	}
	err := n.each(func(role string, ns **Namespace) error {
		return ip(addresses[role], "-n", (*ns).Name, "-batch", "-")
	})
	for _, path := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/rp_filter"} {
		err = errors.Join(err, n.Host.Sysctl(path, "1"))
	}
	return err
}

// add makes a namespace in which link-local addresses, too, can be used at once: nobody else could have them.
func add(name string) (*Namespace, error) {
	if err := ip("", "netns", "add", name); err != nil {
		return nil, err
	}
	ns, err := open(name)
	if err != nil {
		return nil, errors.Join(err, remove(name))
	}
	return ns, errors.Join(
		ns.Sysctl("ipv6/conf/default/accept_dad", "0"), ns.Sysctl("ipv6/conf/default/dad_transmits", "0"))
}

func remove(name string) error {
	return ip("", "netns", "del", name)
}

var sweep = sync.OnceValue(sweepAll)

// sweepAll removes what processes left behind that are no more.
func sweepAll() error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil // there has never been one
	}
	for _, entry := range entries {
		words := strings.Split(entry.Name(), "-")
		if words[0] != "l4xds" || len(words) != 4 {
			continue
		}
		pid, notNumber := strconv.Atoi(words[1])
		if notNumber != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		failed := remove(entry.Name())
		if _, gone := os.Stat(filepath.Join(directory, entry.Name())); errors.Is(gone, os.ErrNotExist) {
			continue // be it by us or by another test
		}
		err = errors.Join(err, failed)
	}
	return err
}

// ip runs the command of that name.
func ip(input string, args ...string) error {
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(input)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return nil
}
