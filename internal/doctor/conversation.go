package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// bulk is how many bytes are sent by TCP to a target that gives them back.
const bulk = 64 << 10

// conversation sends bytes by TCP over s, and tells what came back. hello is what is sent at first. It ends s.
func conversation(ctx context.Context, s *stream, hello []byte) (r result) {
	done := make(chan struct{})
	defer close(done)
	defer s.close()
	chunk := make([]byte, 32<<10)
	inbox := pump(done, func() ([]byte, error) {
		n, err := s.body.Read(chunk)
		if n > 0 {
			err = nil // it comes again
		}
		return chunk[:n], err
	})
	start := time.Now()
	if _, r.err = s.out.Write(hello); r.err != nil {
		r.took = time.Since(start)
		r.other = drained(ctx, inbox)
		return r
	}
	var came []byte
	for wait := ctx; !bytes.Contains(came, hello); {
		a, ok := arrivalBy(wait, inbox)
		if !ok || a.err != nil {
			r.err, r.other = a.err, came
			return r
		}
		if r.took == 0 {
			r.took = time.Since(start)
			var cancel context.CancelFunc
			wait, cancel = context.WithTimeout(ctx, calm)
			defer cancel()
		}
		came = append(came, a.bytes...)
	}
	r.met = true
	r.bytes, r.err = giveAndTake(ctx, s.out, inbox)
	return r
}

// drained is what still comes.
func drained(ctx context.Context, inbox <-chan arrival) (came []byte) {
	ctx, cancel := context.WithTimeout(ctx, calm)
	defer cancel()
	for {
		a, ok := arrivalBy(ctx, inbox)
		if !ok || a.err != nil {
			return came
		}
		came = append(came, a.bytes...)
	}
}

func arrivalBy(ctx context.Context, inbox <-chan arrival) (arrival, bool) {
	select {
	case a := <-inbox:
		return a, true
	case <-ctx.Done():
		return arrival{}, false
	}
}

// errMangled is the error of bytes that came back other than they were sent.
var errMangled = errors.New("other bytes came back than were sent")

// giveAndTake sends many bytes and wants them back. It tells how many came.
func giveAndTake(ctx context.Context, out io.Writer, inbox <-chan arrival) (int, error) {
	sent := make([]byte, bulk)
	_, _ = rand.Read(sent) // never fails
	written := make(chan error, 1)
	go func() { // ends with the stream at the latest
		_, err := out.Write(sent)
		written <- err
	}()
	came := 0
	for came < len(sent) {
		a, ok := arrivalBy(ctx, inbox)
		switch {
		case !ok:
			return came, fmt.Errorf("the rest of %d bytes did not come back in time", len(sent))
		case a.err != nil:
			return came, fmt.Errorf("it ended before the rest of %d bytes came back: %w", len(sent), a.err)
		case came+len(a.bytes) > len(sent) || !bytes.Equal(a.bytes, sent[came:came+len(a.bytes)]):
			return came, errMangled
		}
		came += len(a.bytes)
	}
	return came, <-written
}

// greeting is what is sent to a TCP target at first: a line, or, where the listener goes by the name that a TLS client asks
// for, how such a client begins.
func greeting(serverName string) []byte {
	if serverName == "" {
		return []byte("l4xds tunnel check " + rand.Text() + "\r\n")
	}
	near, far := net.Pipe()
	go func() {
		c := tls.Client(near, &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12})
		_ = c.Handshake() // until the pipe is closed
	}()
	defer func() { _ = far.Close(); _ = near.Close() }()
	record := make([]byte, 5)
	if _, err := io.ReadFull(far, record); err != nil {
		return record // cannot be: the pipe is ours
	}
	rest := make([]byte, int(record[3])<<8|int(record[4]))
	_, _ = io.ReadFull(far, rest)
	return append(record, rest...)
}
