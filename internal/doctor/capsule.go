package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/quic-go/quic-go/quicvarint"
)

// The numbers that datagrams are marked with (RFC 9297 and RFC 9298).
const (
	datagramCapsule = 0
	payloadContext  = 0
)

// maxCapsule is more than any datagram takes.
const maxCapsule = 1 << 17

// capsule is a datagram as it stands on a stream.
func capsule(payload []byte) []byte {
	b := quicvarint.Append(nil, datagramCapsule)
	b = quicvarint.Append(b, uint64(len(payload)+1))
	return append(quicvarint.Append(b, payloadContext), payload...)
}

// unframedError is the error of bytes that are no capsules.
type unframedError struct{ first []byte }

// Error implements error.
func (e *unframedError) Error() string { return fmt.Sprintf("no capsules but %s", looks(e.first)) }

// unpacker takes datagrams out of their capsules.
type unpacker struct {
	in quicvarint.Reader
	// pending are the first bytes since the last datagram, for what never becomes one.
	pending *prefix
}

// prefix keeps the first bytes that are written to it.
type prefix struct {
	mu    sync.Mutex // guards bytes
	bytes []byte
}

// Write implements io.Writer.
func (p *prefix) Write(b []byte) (int, error) {
	const enough = 64
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = append(p.bytes, b[:min(len(b), enough-len(p.bytes))]...)
	return len(b), nil
}

func (p *prefix) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = nil
}

func (p *prefix) held() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.bytes)
}

func newUnpacker(r io.Reader) *unpacker {
	pending := &prefix{}
	return &unpacker{in: quicvarint.NewReader(io.TeeReader(r, pending)), pending: pending}
}

// next is the next datagram. Capsules of other kinds are passed over, as the standard wants.
func (u *unpacker) next() ([]byte, error) {
	for {
		kind, err := quicvarint.Read(u.in)
		if err != nil {
			return nil, err
		}
		size, err := quicvarint.Read(u.in)
		if err != nil {
			return nil, err
		}
		if size > maxCapsule {
			return nil, &unframedError{u.pending.held()}
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(u.in, b); err != nil {
			return nil, err
		}
		if kind == datagramCapsule {
			u.pending.reset()
			return unwrapped(b)
		}
	}
}

// unwrapped is the payload of an HTTP datagram.
func unwrapped(b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != payloadContext {
		return nil, &unframedError{b}
	}
	return b[1:], nil
}

// carrier sends and receives what travels beside a stream.
type carrier interface {
	SendDatagram(b []byte) error
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}

// link carries datagrams.
type link struct {
	send    func([]byte) error
	receive []func() ([]byte, error) // each waits for the next one of its kind
	close   func()
	// pending are bytes that came and are no datagram, at least not yet; nil where there can be none.
	pending func() []byte
}

// link is s with datagrams on it, or beside it.
func (s *stream) link() link {
	u := newUnpacker(s.body)
	l := link{
		send: func(b []byte) error {
			_, err := s.out.Write(capsule(b))
			return err
		},
		receive: []func() ([]byte, error){u.next},
		close:   s.close,
		pending: u.pending.held,
	}
	if s.beside == nil {
		return l
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.close = func() { cancel(); s.close() }
	l.send = func(b []byte) error { return s.beside.SendDatagram(append([]byte{payloadContext}, b...)) }
	l.receive = append(l.receive, func() ([]byte, error) {
		b, err := s.beside.ReceiveDatagram(ctx)
		if err != nil {
			return nil, err
		}
		return unwrapped(b)
	})
	return l
}

// arrival is what came, or why nothing more will.
type arrival struct {
	bytes []byte
	err   error
}

// pump collects what the functions receive, until done is closed. Each of them has to end by then.
func pump(done <-chan struct{}, receive ...func() ([]byte, error)) <-chan arrival {
	inbox := make(chan arrival)
	for _, next := range receive {
		go func() {
			for {
				b, err := next()
				select {
				case inbox <- arrival{slices.Clone(b), err}:
				case <-done:
					return
				}
				if err != nil {
					return
				}
			}
		}()
	}
	return inbox
}
