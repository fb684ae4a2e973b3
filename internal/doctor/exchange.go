package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is what came back of what was sent.
type result struct {
	// took is from sending to the first answer.
	took time.Duration
	// back are the sizes of datagrams that came back, lost of those that did not.
	back, lost []int
	// fits is the largest datagram that the way itself takes; 0 for no such bound.
	fits int
	// met is whether what was sent first by TCP came back, bytes how much came back of what was sent then.
	met   bool
	bytes int
	// other is an answer that is not what was sent.
	other []byte
	// nested is whether the target was sent capsules, and not what they hold.
	nested bool
	// err is how it ended, if it did.
	err error
}

// echoes reports whether the target gives back what it gets.
func (r result) echoes() bool { return len(r.back) > 0 || r.met }

// answers reports whether anything came from there.
func (r result) answers() bool { return r.echoes() || len(r.other) > 0 }

// told says what came of r. target is for people; known is whether it is a stand-in of ours, which gives back what it gets.
func (r result) told(target string, known bool, timeout time.Duration) word {
	switch {
	case r.nested:
		return failed("%s is sent capsules where datagrams belong: the far end takes the stream for the payload", target).
			but("the far end has to know CONNECT-UDP (RFC 9298); an Envoy does as an exit")
	case isUnframed(r.err):
		return failed("answers come without capsules: %v", r.err).
			but("the far end has to put each datagram into a capsule (RFC 9297), as Envoy does and expects")
	case r.met:
		return r.toldBytes(target)
	case r.echoes():
		return r.toldDatagrams(target)
	case len(r.other) > 0 && known:
		return failed("%s answers %s, and not what was sent", target, looks(r.other)).but("something else than the stand-in answers there")
	case len(r.other) > 0:
		return ok("%s answers %s after %s: it is no echo, so that only this was tried", target, looks(r.other), span(r.took))
	case r.err != nil && known:
		return failed("the stream to %s ended without a byte: %s", target, ending(r.err))
	case r.err != nil:
		return unsure("the stream to %s ended without a byte: %s", target, ending(r.err)).
			but("the target may have closed it, for it does not know what was sent; --echo puts one there that answers")
	case known:
		return failed("%s is a stand-in that answers, and nothing came back within %s", target, timeout).
			but("see that the far end's machine reaches that address, and that no firewall drops the answers")
	}
	return unsure("nothing came back from %s within %s: it may be silent by nature, or not there", target, timeout).
		but("--target asks for one that answers, --echo puts one there")
}

func (r result) toldBytes(target string) word {
	if r.err != nil {
		return failed("%s: %d bytes came back, and then: %v", target, r.bytes, r.err)
	}
	return ok("%s: %d bytes came back as they were sent, round trip %s", target, r.bytes, span(r.took))
}

func (r result) toldDatagrams(target string) word {
	message := fmt.Sprintf("%s: datagrams of %s bytes came back, round trip %s", target, cmp.Or(list(r.back), "no number of"), span(r.took))
	switch {
	case r.err != nil:
		return failed("%s, and then the stream ended: %s", message, ending(r.err))
	case slices.Contains(r.lost, needed) || len(r.back) == 0:
		return failed("%s; those of %s did not", message, list(r.lost)).
			but("see the MTU on the way; what is as large has to pass")
	case r.fits > 0 && slices.Contains(r.back, r.fits):
		return ok("%s; a packet of QUIC from here takes no more than %d, and one from an Envoy 1423", message, r.fits)
	case len(r.lost) > 0:
		return ok("%s; those of %s did not", message, list(r.lost))
	}
	return ok("%s", message)
}

func isUnframed(err error) bool {
	_, is := errors.AsType[*unframedError](err)
	return is
}

// ending is how a stream ended, for people.
func ending(err error) string {
	if errors.Is(err, io.EOF) {
		return "it was closed"
	}
	return reason(err)
}

// list is "1, 100 and 1200".
func list(sizes []int) string {
	var texts []string
	for _, n := range sizes {
		texts = append(texts, strconv.Itoa(n))
	}
	if n := len(texts) - 1; n > 0 {
		return strings.Join(texts[:n], ", ") + " and " + texts[n]
	}
	return strings.Join(texts, "")
}
