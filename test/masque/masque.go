// Package masque is the ends of tunnels that are not Envoy's: a far end that tells what it was asked for, and a client.
//
// Both speak HTTP/1.1 and HTTP/2, in clear text and inside TLS, and HTTP/3. They know CONNECT for TCP, CONNECT-UDP
// (RFC 9298) and POST.
package masque

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// connectUDP is the protocol of a request for datagrams.
const connectUDP = "connect-udp"

// extendedConnect makes net/http's server take the CONNECT of other protocols over HTTP/2. It is read when a program
// starts, and by no other way.
const extendedConnect = "http2xconnect=1"

// Enable starts the program anew if its server would not take CONNECT-UDP over HTTP/2. It belongs at the start of
// TestMain, and returns only on an error or where there is nothing to do.
func Enable() error {
	debug := os.Getenv("GODEBUG")
	if strings.Contains(debug, extendedConnect) {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv("GODEBUG", strings.TrimPrefix(debug+","+extendedConnect, ",")); err != nil {
		return err
	}
	return syscall.Exec(program, os.Args, os.Environ())
}

// Stream is one end of what a request has opened.
type Stream struct {
	in    *bufio.Reader
	out   io.Writer
	close func() error
	quic  *datagrams // of HTTP/3, for datagrams; else nil
}

// Close ends the stream and its connection.
func (s *Stream) Close() error { return s.close() }

// Read reads what the other end sent.
func (s *Stream) Read(b []byte) (int, error) { return s.in.Read(b) }

// Write sends to the other end.
func (s *Stream) Write(b []byte) (int, error) { return s.out.Write(b) }

// ReadLine reads a line, without its end.
func (s *Stream) ReadLine() (string, error) {
	line, err := s.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// Send sends one datagram.
func (s *Stream) Send(text string) error {
	if s.quic != nil && !s.quic.capsules {
		return s.quic.send(text)
	}
	return writeDatagram(s.out, text)
}

// Receive waits for the next datagram.
func (s *Stream) Receive() (string, error) {
	if s.quic != nil {
		return s.quic.receive()
	}
	return readDatagram(s.in)
}

// The numbers that datagrams are marked with (RFC 9297 and RFC 9298).
const (
	datagramCapsule  = 0
	datagramsContext = 0
)

// maxCapsule is more than any datagram takes.
const maxCapsule = 1 << 17

// writeDatagram writes one datagram in its capsule, at once.
func writeDatagram(w io.Writer, text string) error {
	_, err := w.Write(capsule(text))
	return err
}

// capsule is one datagram as it stands on a stream.
func capsule(text string) []byte {
	b := appendVarint(nil, datagramCapsule)
	b = appendVarint(b, uint64(len(text)+1))
	b = appendVarint(b, datagramsContext)
	return append(b, text...)
}

// readDatagram reads the next datagram, and passes over capsules of other kinds.
func readDatagram(r *bufio.Reader) (string, error) {
	for {
		kind, err := readVarint(r)
		if err != nil {
			return "", err
		}
		size, err := readVarint(r)
		if err != nil {
			return "", err
		}
		if size > maxCapsule {
			return "", fmt.Errorf("a capsule of %d bytes", size)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return "", err
		}
		if kind != datagramCapsule {
			continue
		}
		if size == 0 || text[0] != datagramsContext {
			return "", errors.New("a datagram of another context")
		}
		return string(text[1:]), nil
	}
}

// appendVarint appends n, below 1<<30, as QUIC writes numbers (RFC 9000, section 16).
func appendVarint(b []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(b, byte(n))
	case n < 1<<14:
		return append(b, byte(n>>8)|1<<6, byte(n))
	default:
		return append(b, byte(n>>24)|2<<6, byte(n>>16), byte(n>>8), byte(n))
	}
}

// readVarint reads a number: the first two bits tell how many bytes it takes.
func readVarint(r io.ByteReader) (uint64, error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := uint64(first & 0x3f)
	for range 1<<(first>>6) - 1 {
		next, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n = n<<8 | uint64(next)
	}
	return n, nil
}
