package hostcheck

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace of this check's own. It is held by one thread and has no name, so that it ends with
// the program, however that ends, and its interfaces with it.
type namespace struct {
	// path is the file by which other programs find it.
	path string
	work chan func()
	done chan struct{}
}

// newNamespace makes a namespace with nothing in it but a loopback interface, which is down. Only root may.
func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), done: make(chan struct{})}
	made := make(chan error)
	go n.hold(made)
	if err := <-made; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return n, nil
}

// hold takes a thread for n, and lets it do what is asked for until n is closed. It never gives it back: the runtime ends
// a thread whose goroutine ends so.
func (n *namespace) hold(made chan<- error) {
	defer close(n.done)
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread of a program is what /proc/self shows, and outlives its goroutine: let another one do it.
		next := make(chan struct{})
		go func() {
			defer close(next)
			runtime.LockOSThread()
			n.enter(made)
		}()
		<-next
		runtime.UnlockOSThread()
		return
	}
	n.enter(made)
}

// enter makes the namespace for this thread and works in it.
func (n *namespace) enter(made chan<- error) {
	n.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", unix.Getpid(), unix.Gettid())
	err := unix.Unshare(unix.CLONE_NEWNET)
	made <- err
	if err != nil {
		return
	}
	for f := range n.work {
		f()
	}
}

// do runs f in n: programs that it starts run there, and sockets that it opens stay there.
func (n *namespace) do(f func() error) error {
	result := make(chan error, 1)
	n.work <- func() { result <- f() }
	return <-result
}

// close ends n.
func (n *namespace) close() {
	close(n.work)
	<-n.done
}
