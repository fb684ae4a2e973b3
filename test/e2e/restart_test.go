//go:build e2e

package e2e

import (
	"testing"
)

// TestDaemonKilled: without the daemon the Envoys serve on; a daemon that comes back finds them as they are, disturbs
// nothing, and is followed again.
func TestDaemonKilled(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {db: {tcp: $db, udp: $db, to: $blue}}`)
		conn, session := f.dial("db"), f.session("db")
		load := f.shortConnections("db", 100)
		load.wantMore(20)

		f.must(f.daemon.Kill())
		load.wantMore(50)
		f.must(f.daemon.Start())
		f.wait(f.daemon.WaitReady)
		f.waitNodes(1)
		updates := f.updates()

		f.edit(`listeners: {db: {tcp: $db, udp: $db, to: $blue}, new: {tcp: $new, to: $green}}`)
		f.wantTCP("new", "green")
		load.wantNoFailure()
		session.wantUnmoved(f)
		f.must(conn.Ask("still here"))
		if after := f.updates(); after[0] != updates[0]+1 {
			f.t.Errorf("listener updates: %d before the edit, %d after", updates[0], after[0])
		}
	})
}

// TestDaemonEnds: asked to end, it ends by itself and soon, and an Envoy that serves goes on.
func TestDaemonEnds(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {db: {tcp: $db, to: $blue}}`)
		f.must(f.daemon.Close())
		code, err := f.daemon.ExitCode(f.ctx)
		f.must(err)
		if code != 0 {
			f.t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		f.wantTCP("db", "blue")
	})
}

// TestEnvoyRestarted: an Envoy that starts anew is given everything again.
func TestEnvoyRestarted(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {db: {tcp: $db, udp: $db, to: $blue}}`)
		f.wantTCP("db", "blue")
		f.must(f.envoy.Kill())
		f.wantRefused("db")
		f.must(f.envoy.Start())
		f.wait(f.envoy.WaitReady)
		f.wantTCP("db", "blue")
		f.wantUDP("db", "blue")
		f.waitNodes(1)
		f.edit(`listeners: {db: {tcp: $db, udp: $db, to: $green}}`)
		f.wantTCP("db", "green")
	})
}
