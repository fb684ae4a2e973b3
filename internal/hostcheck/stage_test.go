//go:build linux

package hostcheck

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/netns"
)

// TestNamespace: what is done in a namespace is done there, and everything else stays where it was.
func TestNamespace(t *testing.T) {
	netns.Need(t)
	home := networkOf(t)
	n, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	var there string
	var interfaces []net.Interface
	err = n.do(func() (err error) {
		there = networkOf(t)
		interfaces, err = net.Interfaces()
		return err
	})
	if err != nil || len(interfaces) != 1 || interfaces[0].Name != "lo" {
		t.Errorf("inside there are %v, %v", interfaces, err)
	}
	if path, err := os.Readlink(n.path); path != there || there == home || err != nil {
		t.Errorf("%s is %s, %v; want %s, and not %s", n.path, path, err, there, home)
	}
	n.close()
	if first, err := os.Readlink("/proc/self/ns/net"); first != home || networkOf(t) != home || err != nil {
		t.Errorf("the program is in %s, %v; want %s", first, err, home)
	}
	const longest = 5 * time.Second // the kernel ends a thread in its own time
	for end := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		if path, err := os.Readlink(n.path); err != nil || path != there {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the thread of %s is still there", there)
		}
	}
}

func networkOf(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestStageOnce: a second stage is refused, and takes nothing of the first one away; closed, that leaves nothing.
func TestStageOnce(t *testing.T) {
	netns.Need(t)
	network, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	}()
	look := func() string {
		text, err := network.Host.Run(t.Context(), "", "sh", "-c", "ls /sys/class/net; ip rule; ip -6 rule")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := look()
	err = network.Host.Do(func() error {
		s, err := newStage(t.Context(), thisHost())
		if err != nil {
			return err
		}
		standing := look()
		if !strings.Contains(standing, "l4xds-server") || !strings.Contains(standing, "from 169.254.76.2 iif lo lookup 4405") {
			t.Errorf("the stage is not there:\n%s", standing)
		}
		if second, err := newStage(t.Context(), thisHost()); err == nil || !strings.Contains(err.Error(), "File exists") {
			t.Errorf("a second one: %v, %v", second, err)
		}
		if now := look(); now != standing {
			t.Errorf("before the second one:\n%s\nafter:\n%s", standing, now)
		}
		s.close()
		return nil
	})
	if after := look(); after != before || err != nil {
		t.Errorf("%v, before:\n%s\nafter:\n%s", err, before, after)
	}
}
