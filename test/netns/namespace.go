//go:build linux

package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// directory is where `ip netns` keeps what the namespaces are held by.
const directory = "/run/netns"

// Namespace is a network namespace.
type Namespace struct {
	// Name is the one that `ip netns` knows it by.
	Name string

	file *os.File
}

func open(name string) (*Namespace, error) {
	file, err := os.Open(filepath.Join(directory, name))
	if err != nil {
		return nil, err
	}
	return &Namespace{Name: name, file: file}, nil
}

// Do runs f inside. Sockets that f makes stay there, and so does what it opens below /proc/sys/net; goroutines that it
// starts do not begin there.
func (n *Namespace) Do(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
	}
	// The thread goes home rather than to its end: processes that a rig has started from it would end with it.
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("a thread is lost in network namespace %s: %v", n.Name, err))
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// DialContext connects from inside, to an address without names.
func (n *Namespace) DialContext(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Command is the command that runs the words as a command inside.
func (n *Namespace) Command(words ...string) []string {
	return append([]string{"ip", "netns", "exec", n.Name}, words...)
}

// Run runs a command inside, with this text as its input, and tells what it printed. An error holds what it said.
func (n *Namespace) Run(ctx context.Context, input string, words ...string) (string, error) {
	words = n.Command(words...)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &said
	text, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return string(text), err
}

// Sysctl sets one that belongs to the namespace: its path below /proc/sys/net, and the value.
func (n *Namespace) Sysctl(path, value string) error {
	return n.Do(func() error { return os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0) })
}

// close lets go of it and removes its name; it is gone when no process and no socket is in it any more.
func (n *Namespace) close() error {
	return errors.Join(n.file.Close(), remove(n.Name))
}
