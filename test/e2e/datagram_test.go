//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMaxDatagram: what is as large as was said passes, through a tunnel or straight; one byte more is dropped and
// counted, and so is an answer that is larger.
func TestMaxDatagram(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		f.measure("one")
		f.backends("two")
		f.startTunnel(`
listeners:
  small: {udp: $small, max_datagram: 1, to: $one, via: hub, nodes: {id: near}}
  usual: {udp: $usual, max_datagram: 1200, to: $one, via: hub, nodes: {id: near}}
  whole: {udp: $whole, max_datagram: 65535, to: $one, via: hub, nodes: {id: near}}
  straight: {udp: $straight, max_datagram: 1200, to: $one, nodes: {id: near}}
  largest: {udp: $largest, max_datagram: 65535, to: $one, nodes: {id: near}}
  answers: {udp: $answers, max_datagram: 1200, to: $two, nodes: {id: near}}
tunnels: {hub: {proxy: $hub, http: 2, buffer: {bytes: 128KiB}, exit: {nodes: {id: far}}}}
`)
		for listener, size := range map[string]int{"small": 1, "usual": 1200, "whole": 65507, "straight": 1200, "largest": 65507} {
			f.wantLargest(listener, size)
		}
		f.sendOnce("answers", 1200) // which comes back with the name of the backend in front
		f.untilStat("cluster.answers.udp.sess_rx_datagrams_dropped", 1)
	})
}

// measure starts a UDP server that answers with the size of what it was sent.
func (f *fleet) measure(name string) {
	f.t.Helper()
	conn, err := net.ListenPacket("udp", f.addr(name))
	f.must(err)
	f.Keep(conn)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte(strconv.Itoa(n)), from)
		}
	}()
}

// wantLargest wants a datagram of this size to arrive, and one that is larger by a byte to be dropped, if there is one.
func (f *fleet) wantLargest(listener string, size int) {
	f.t.Helper()
	f.until(func(context.Context) error { // a busy machine may lose one
		conn := f.sendOnce(listener, size)
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		answer := make([]byte, 10)
		n, err := conn.Read(answer)
		if got := string(answer[:n]); err != nil || got != strconv.Itoa(size) {
			return fmt.Errorf("%s: a datagram of %d bytes arrived as %q, %w", listener, size, got, err)
		}
		return nil
	})
	const largest = 65507
	if size < largest {
		f.sendOnce(listener, size+1)
		f.untilStat("listener.127.0.0.1_"+f.port(listener)+".udp.downstream_rx_datagram_dropped", 1)
	}
}

// sendOnce sends a datagram from a port of its own.
func (f *fleet) sendOnce(listener string, size int) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("udp", f.addr(listener))
	f.must(err)
	f.Keep(conn)
	_, err = conn.Write([]byte(strings.Repeat("x", size)))
	f.must(err)
	return conn
}
