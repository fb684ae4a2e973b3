package rig

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPortsAreNotGivenTwice(t *testing.T) {
	seen := map[int]bool{}
	for range blockSize + 10 { // over the end of a block
		port, err := Port()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < firstPort || port > lastPort {
			t.Fatalf("got port %d, which is taken or out of range", port)
		}
		seen[port] = true
	}
}

// TestPortsStayFreeBesideForks: a port that was probed can be listened on at once, also while processes are started,
// which have copies of the probing sockets for a moment.
func TestPortsStayFreeBesideForks(t *testing.T) {
	var forks sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		forks.Go(func() { startAgainAndAgain(t, stop) })
	}
	for range 90 {
		port, err := Port()
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", address("127.0.0.1", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
	}
	close(stop)
	forks.Wait()
}

func startAgainAndAgain(t *testing.T, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			if _, err := output(exec.Command("true")); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCloseEndsProcesses: also one that does not listen to SIGTERM would be killed; this one ends by itself.
func TestCloseEndsProcesses(t *testing.T) {
	r := New(t.TempDir())
	p, err := r.Start("sleep", "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if code, err := p.ExitCode(t.Context()); err != nil || code != -1 {
		t.Errorf("exit code %d, %v, want -1 for a signal", code, err)
	}
}

// TestWaitingEndsWithTheProcess: what a dead process never does is not waited for, and its last words are told.
func TestWaitingEndsWithTheProcess(t *testing.T) {
	r := New(t.TempDir())
	p, err := r.Start("sh", "sh", "-c", "echo out of luck; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err = p.until(t.Context(), func() error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "out of luck") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want its last words", err)
	}
	if time.Since(start) > 10*time.Second {
		t.Errorf("waited %v", time.Since(start))
	}
}

func TestUntilTellsTheLastError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	missing := errors.New("still missing")
	if err := Until(ctx, func() error { return missing }); !errors.Is(err, missing) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want both the deadline and the last error", err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := Replace(path, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}
