package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopTime is how long a process has to end after SIGTERM.
const stopTime = 10 * time.Second

// Process is a program that a rig has started. Its output goes to a log file.
type Process struct {
	// Log is the path of the file that holds standard output and standard error.
	Log string

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of Wait; read after done
}

// Start runs a program until the rig is closed. Its log is NAME.log; a second start under the same name appends.
func (r *Rig) Start(name, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(r.Dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()       // the child has its own
	if err := log.Chmod(0o666); err != nil { // another user may open it once more, as /dev/stdout
		return nil, err
	}
	words := append([]string{program}, args...)
	if r.Network != nil {
		words = r.Network.Command(words...)
	}
	p := &Process{Log: log.Name(), cmd: exec.Command(words[0], words[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = r.Dir, log, log
	p.cmd.SysProcAttr = diesWithParent()
	if err := start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	r.Keep(p)
	return p, nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode waits for the process to end and tells its exit code, -1 if a signal ended it.
func (p *Process) ExitCode(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("process %d still runs: %w", p.Pid(), ctx.Err())
	}
}

// Signal sends a signal; one that has ended takes it as well.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill ends the process without letting it say goodbye, and waits until it is gone.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	<-p.done
	return err
}

// Close asks the process to end, kills it if it does not, and waits until it is gone.
func (p *Process) Close() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("process %d did not end within %v", p.Pid(), stopTime), p.Kill())
	}
}

// until is Until, given up when the process ends; the error then holds its last words.
func (p *Process) until(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := Until(ctx, try)
	select {
	case <-p.done:
		return fmt.Errorf("ended (%v): %s", p.cmd.ProcessState, p.lastWords())
	default:
		return err
	}
}

func (p *Process) lastWords() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
