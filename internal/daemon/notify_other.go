//go:build !linux

package daemon

// notifier tells systemd how the daemon does; there is none here.
type notifier string

func (notifier) send(string) error { return nil }

func reloading() string { return "" }
