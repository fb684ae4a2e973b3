//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/l4xds/l4xds/test/rig"
)

// TestLiveEdit: a saved edit moves new connections and sessions; what is open stays where it is.
func TestLiveEdit(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		const config = `
listeners: {db: {tcp: $db, udp: $db, to: pool}}
backends: {pool: {endpoints: [%s]}}
`
		f.start(fmt.Sprintf(config, "$blue"))
		conn := f.dial("db")
		f.edit(fmt.Sprintf(config, "$green"))
		f.wantTCP("db", "green")
		f.wantUDP("db", "green")
		f.must(conn.Ask("still blue"))
	})
}

// TestSwitchOfBackend: the listener is pointed at a backend that is new in the same edit.
func TestSwitchOfBackend(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		const config = `
listeners: {db: {tcp: $db, udp: $db, to: %[1]s}}
backends: {%[1]s: {endpoints: [$%[1]s]}}
`
		f.start(fmt.Sprintf(config, "blue"))
		f.wantTCP("db", "blue")
		f.edit(fmt.Sprintf(config, "green"))
		f.wantTCP("db", "green")
		f.wantUDP("db", "green")
	})
}

// TestListenersComeAndGo: a listener that is added answers, one that is removed refuses, and others notice nothing.
func TestListenersComeAndGo(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {one: {tcp: $one, udp: $one, to: $blue}}`)
		conn, session := f.dial("one"), f.session("one")
		f.edit(`listeners: {one: {tcp: $one, udp: $one, to: $blue}, two: {tcp: $two, to: $blue}}`)
		f.wantTCP("two", "blue")
		f.edit(`listeners: {one: {tcp: $one, udp: $one, to: $blue}}`)
		f.wantRefused("two")
		session.wantUnmoved(f)
		f.must(conn.Ask("still here"))
	})
}

// TestCommentChangesNothing: what a comment alone changes is not sent.
func TestCommentChangesNothing(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {db: {tcp: $db, to: $blue}}`)
		before := f.updates()
		f.edit("# a comment\nlisteners: {db: {tcp: $db, to: $blue}}")
		f.wantTCP("db", "blue")
		if after := f.updates(); after != before {
			f.t.Errorf("updates that Envoy took went from %v to %v", before, after)
		}
	})
}

// updates are how many updates of listeners and clusters the Envoy has taken.
func (f *fleet) updates() [2]int {
	f.t.Helper()
	listeners, err := f.envoy.Stat(f.ctx, "listener_manager.lds.update_success")
	f.must(err)
	clusters, err := f.envoy.Stat(f.ctx, "cluster_manager.cds.update_success")
	f.must(err)
	return [2]int{listeners, clusters}
}

// TestBadEditKeeps: an edit with a mistake changes nothing, says where the mistake is, and the next good save is taken.
func TestBadEditKeeps(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {db: {tcp: $db, to: $blue}}`)
		f.must(f.daemon.Save(f.text("listeners:\n  db: {tcp: $db, to: $green}\n  web: {tpc: 80, to: $green}\n")))
		f.waitStatus(func(s *rig.Status) error { return said(s, 3, `did you mean "tcp"`) })
		f.wantTCP("db", "blue")
		f.edit(`listeners: {db: {tcp: $db, to: $green}}`)
		f.wantTCP("db", "green")
	})
}

// said wants a message of the status on this line, with these words.
func said(s *rig.Status, line int, words string) error {
	for _, m := range s.Config.Messages {
		if m.Line == line && strings.Contains(m.Message, words) && s.Config.State == "invalid" {
			return nil
		}
	}
	return fmt.Errorf("no message with %q on line %d; state %s, messages %+v", words, line, s.Config.State, s.Config.Messages)
}

// TestNACK: a port that another process holds is refused by Envoy, shown with Envoy's words and the line of the file,
// and the rest of the edit takes effect.
func TestNACK(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue", "green")
		f.start(`listeners: {db: {tcp: $db, to: $blue}}`)
		held, err := net.Listen("tcp", f.addr("busy"))
		f.must(err)
		f.Keep(held)

		f.must(f.daemon.Save(f.text("listeners:\n  db: {tcp: $db, to: $blue}\n" +
			"  more: {tcp: $more, to: $green}\n  busy: {tcp: $busy, to: $blue}\n")))
		f.waitStatus(func(s *rig.Status) error { return refused(s, f.daemon.File, 4, "Address already in use") })
		f.wantTCP("db", "blue")
		f.wantTCP("more", "green")

		// Taken back, the refusal is history.
		f.edit("listeners:\n  db: {tcp: $db, to: $blue}\n  more: {tcp: $more, to: $blue}\n")
		f.wantTCP("more", "blue")
	})
}

// refused wants the refusal of a listener, with these words of Envoy and the line of the file.
func refused(s *rig.Status, file string, line int, words string) error {
	for _, node := range s.Nodes {
		nack := node.Types["lds"].Nacked
		if nack == nil || !strings.Contains(nack.Message, words) || node.State != "rejected" {
			continue
		}
		for _, place := range nack.Places {
			if place.File == file && place.Line == line {
				return nil
			}
		}
		return fmt.Errorf("refused at %+v, want %s:%d", nack.Places, file, line)
	}
	return fmt.Errorf("nothing refused with %q: %+v", words, s.Nodes)
}
