//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/echo"
)

// TestIdleTimeout: a connection on which nothing moves is closed, and a quiet session is a new one when it speaks again.
func TestIdleTimeout(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		f.start(`listeners: {db: {tcp: $db, udp: $db, to: $blue, timeouts: {idle: 200ms}}}`)
		conn, session := f.dial("db"), f.session("db")
		f.must(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || os.IsTimeout(err) {
			t.Errorf("read %d bytes, %v, want the connection closed", n, err)
		}
		f.until(func(context.Context) error {
			time.Sleep(250 * time.Millisecond) // the session has to be quiet
			answer, err := session.Ask("hello again", time.Second)
			if err == nil && answer.Source == session.first.Source {
				err = fmt.Errorf("the session still comes from %s", answer.Source)
			}
			return err
		})
	})
}

// TestAccessLog: each connection and session leaves a line, and so does a client that no route takes.
func TestAccessLog(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.backends("blue")
		ca := f.authority()
		f.tlsBackend(ca, "exact", "a.example.com")
		log := filepath.Join(f.Dir, "access.json")
		f.start(fmt.Sprintf(`
defaults: {listeners: {access_log: %s, timeouts: {idle: 200ms}}}
listeners:
  db: {tcp: $db, udp: $db, to: $blue}
  edge: {tcp: $edge, sni: {a.example.com: $exact}}
`, log))
		f.dial("db")
		f.session("db")
		f.wantLogged(log, "tcp connection", `"listener":"db"`, f.addr("blue"))
		f.wantClosed(echo.Dialer{TLS: ca.Client("b.example.com")}, "edge")
		f.wantLogged(log, "refused client", "b.example.com")
	})
}

// wantLogged waits for a line of the file that holds all of the words.
func (f *fleet) wantLogged(path, what string, words ...string) {
	f.t.Helper()
	f.until(func(context.Context) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if containsAll(line, words) {
				return nil
			}
		}
		return fmt.Errorf("no line about the %s (%v) in:\n%s", what, words, text)
	})
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
