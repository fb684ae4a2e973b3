package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
)

// What is sent: small datagrams at first, and more only to a target that answers.
var (
	firstSizes = []int{100, needed}
	moreSizes  = []int{1, 100, needed, 1400, 1472, 2000, 8000, 60000}
)

// needed is the size of datagrams that every way has to carry.
const needed = 1200

// calm is how long nothing may come until it is taken that nothing more will.
const calm = 300 * time.Millisecond

// datagrams sends some over l, and tells what came back. It ends l.
func datagrams(ctx context.Context, l link) result {
	done := make(chan struct{})
	defer close(done)
	defer l.close()
	defer context.AfterFunc(ctx, l.close)() // a far end that does not read could hold the sending up
	d := &dialogue{ctx: ctx, link: l, inbox: pump(done, l.receive...)}
	if d.meet(); d.echoes() && d.err == nil {
		d.measure()
	}
	return d.result
}

// meet sends the first datagrams, and waits for an answer.
func (d *dialogue) meet() {
	start := time.Now()
	answered := d.send(firstSizes...) && d.until(d.ctx, func() bool { return d.answers() || d.nested })
	d.took = time.Since(start)
	if answered || d.err != nil || d.pending == nil {
		return
	}
	if b := d.pending(); len(b) > 0 {
		d.err = &unframedError{b}
	}
}

// measure finds out how long a datagram takes, and how large it may be.
func (d *dialogue) measure() {
	d.settle()
	start, before := time.Now(), len(d.back)
	if d.send(100) && d.until(d.ctx, func() bool { return len(d.back) > before }) {
		d.took = time.Since(start) // the first one had to wait for more than the way
	}
	d.settle()
	d.back, d.sent = nil, nil
	d.send(moreSizes...)
	if d.fits > 0 {
		d.send(d.fits)
	}
	d.settle()
	for _, b := range d.sent {
		d.lost = append(d.lost, len(b))
	}
	slices.Sort(d.back)
	slices.Sort(d.lost)
}

// dialogue is an exchange of datagrams while it goes on.
type dialogue struct {
	result
	link
	ctx   context.Context //nolint:containedctx // of one exchange
	inbox <-chan arrival
	sent  [][]byte // what is on its way
}

// send sends a datagram of each of the sizes, and reports whether all could be sent.
func (d *dialogue) send(sizes ...int) bool {
	for _, size := range sizes {
		b := make([]byte, size)
		_, _ = rand.Read(b) // never fails
		var large *quic.DatagramTooLargeError
		switch err := d.link.send(b); {
		case errors.As(err, &large):
			d.fits = int(large.MaxDatagramPayloadSize) - 2 // the numbers of the stream and of the context
			if !slices.Contains(d.lost, size) {
				d.lost = append(d.lost, size)
			}
		case isTooLong(err):
			d.sent = append(d.sent, b) // the kernel does not take it: as good as lost
		case err != nil:
			d.err = err
			return false
		default:
			d.sent = append(d.sent, b)
		}
	}
	return true
}

// until takes what comes until it is enough, and reports false if that never is.
func (d *dialogue) until(ctx context.Context, enough func() bool) bool {
	for !enough() {
		select {
		case a := <-d.inbox:
			if a.err != nil {
				if d.ctx.Err() == nil { // else it was cut because time is over
					d.err = a.err
				}
				return enough()
			}
			d.take(a.bytes)
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// settle takes what comes until nothing has for a while.
func (d *dialogue) settle() {
	for came := -1; came < len(d.back); {
		came = len(d.back)
		ctx, cancel := context.WithTimeout(d.ctx, max(calm, 10*d.took))
		d.until(ctx, func() bool { return len(d.back) > came || len(d.sent) == 0 })
		cancel()
		if len(d.sent) == 0 {
			return
		}
	}
}

// take is told what came.
func (d *dialogue) take(b []byte) {
	for i, payload := range slices.Backward(d.sent) { // the large ones are the surest
		switch {
		case bytes.Equal(b, capsule(payload)):
			d.nested = true
		case bytes.HasSuffix(b, payload): // a greeting in front does not matter
			d.back = append(d.back, len(payload))
		default:
			continue
		}
		d.sent = slices.Delete(d.sent, i, i+1)
		return
	}
	d.other = b
}
