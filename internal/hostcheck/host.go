package hostcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// host is the machine that is looked at: what its kernel shows as files, and what its programs say. Both are those of the
// network namespace that the check runs in.
type host struct {
	// proc is where the kernel shows itself: /proc, but in tests.
	proc string
	// run runs a program, with a text as its standard input, and returns what it wrote to standard output.
	run func(ctx context.Context, input string, words ...string) (string, error)
	// sandbox runs a script of sh in a network namespace of its own, where nothing is.
	sandbox func(ctx context.Context, input, script string) (string, error)
	// addresses are those of its interfaces.
	addresses func() ([]netip.Addr, error)
}

func thisHost() host {
	return host{proc: "/proc", run: runProgram, sandbox: sandbox, addresses: interfaceAddresses}
}

func interfaceAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range list {
		if network, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, network.Addr())
		}
	}
	return all, nil
}

// has reports whether an address is one of the host's.
func (h host) has(a netip.Addr) bool {
	list, err := h.addresses()
	return err == nil && (a.IsLoopback() || slices.Contains(list, a))
}

// file is the path of a file below proc.
func (h host) file(parts ...string) string {
	return filepath.Join(append([]string{h.proc}, parts...)...)
}

// programError is the error of a program that ran and failed. It says what the program said.
type programError struct {
	program string
	code    int
	said    string
}

// Error implements error.
func (e *programError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("%s: exit code %d", e.program, e.code)
	}
	return e.program + ": " + e.said
}

func runProgram(ctx context.Context, input string, words ...string) (string, error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the programs are named in this package
	return output(cmd, input)
}

// output runs cmd and returns what it wrote to standard output.
func output(cmd *exec.Cmd, input string) (string, error) {
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	err := cmd.Run()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		err = &programError{program: filepath.Base(cmd.Path), code: exit.ExitCode(), said: oneLine(said.String())}
	}
	return out.String(), err
}

// oneLine is a text of several lines as one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
