//go:build e2e && linux

package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// network is a network that ends with the test.
func network(t *testing.T) *Network {
	t.Helper()
	Need(t)
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// TestBytesPass: a client reaches a server through the host, in both families, and is seen by its own address.
func TestBytesPass(t *testing.T) {
	n := network(t)
	for _, test := range []struct{ client, server string }{{Client, Server}, {Client6, Server6}} {
		var server *echo.Server
		err := n.Server.Do(func() (err error) {
			server, err = echo.ListenTCP("far", net.JoinHostPort(test.server, "9000"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		err = n.Client.Do(func() error {
			conn, err := echo.Dial(t.Context(), server.Addr)
			if err != nil {
				return err
			}
			host, _, err := net.SplitHostPort(conn.Source)
			if err == nil && host != test.client {
				err = fmt.Errorf("the server saw %s", host)
			}
			return errors.Join(err, conn.Ask("hello"), conn.Close())
		})
		if err != nil {
			t.Errorf("from %s to %s: %v", test.client, server.Addr, err)
		}
	}
}

// TestThreadsComeHome: what runs after Do is where it was before, and a command runs where it was told to.
func TestThreadsComeHome(t *testing.T) {
	n := network(t)
	before := where(t)
	inside, err := n.Host.Run(t.Context(), "", "readlink", "/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var during string
	if err := n.Host.Do(func() error { during = where(t); return errors.New("told") }); err == nil || err.Error() != "told" {
		t.Errorf("got %v, want what the function said", err)
	}
	if during != strings.TrimSpace(inside) || during == before || where(t) != before {
		t.Errorf("before %s, inside %s, then %s; a command is in %s", before, during, where(t), inside)
	}
}

// TestThreadsStayHome: while some are inside, and wait there, all others are where they were.
func TestThreadsStayHome(t *testing.T) {
	n := network(t)
	home := where(t)
	stop := make(chan struct{})
	var inside, outside sync.WaitGroup
	for range 20 {
		inside.Go(func() {
			for range 50 {
				if err := n.Client.Do(func() error { return wait(t) }); err != nil {
					t.Error(err)
				}
			}
		})
		outside.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if at := where(t); at != home {
					t.Errorf("a thread is in %s", at)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	inside.Wait()
	close(stop)
	outside.Wait()
}

// wait waits in the kernel and in the runtime, for both of which another thread may be started.
func wait(t *testing.T) error {
	if err := exec.CommandContext(t.Context(), "true").Run(); err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	err = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _, _ = conn.ReadFrom(make([]byte, 1)) // nothing comes
	return errors.Join(err, conn.Close())
}

func where(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestNothingIsLeft: closed, a network is gone.
func TestNothingIsLeft(t *testing.T) {
	n := network(t)
	other, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	names, err := filepath.Glob(filepath.Join(directory, fmt.Sprintf("l4xds-%d-*", os.Getpid())))
	if err != nil || len(names) != 3 {
		t.Errorf("there are %v, %v; want the three of %s", names, err, n.Host.Name)
	}
}

// TestUnprivileged: a command has the capabilities that are named and no others.
func TestUnprivileged(t *testing.T) {
	n := network(t)
	for _, test := range []struct {
		names []string
		want  string // the sets of /proc/self/status are hexadecimal
	}{{nil, "0000000000000000"}, {[]string{"net_raw"}, "0000000000002000"}} {
		words := append(Unprivileged(test.names...), "grep", "-E", "^(Cap|Uid)", "/proc/self/status")
		text, err := n.Host.Run(t.Context(), "", words...)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, test.want) != 5 || !strings.Contains(text, "Uid:\t"+Nobody) {
			t.Errorf("with %v:\n%s", test.names, text)
		}
	}
}

// TestSweep: namespaces of a process that is no more are removed.
func TestSweep(t *testing.T) {
	Need(t)
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("l4xds-%d-1-host", ended.ProcessState.Pid())
	if err := ip("", "netns", "add", name); err != nil {
		t.Fatal(err)
	}
	if err := sweepAll(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(directory, name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", name, err)
	}
}
