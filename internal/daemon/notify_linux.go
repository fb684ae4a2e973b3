package daemon

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// notifier tells systemd how the daemon does, by the protocol of sd_notify(3). The empty one tells nobody.
type notifier string

// send sends lines like READY=1. A failure is of no consequence for what the daemon is for.
func (n notifier) send(lines string) error {
	if n == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: string(n), Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(lines)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// reloading is what Type=notify-reload waits for after SIGHUP, with the time of the monotonic clock; READY=1 follows.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1"
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
