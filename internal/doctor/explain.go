package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/l4xds/l4xds/pkg/config"
)

// This file turns errors into words: what is wrong, and what to do.

// late reports whether err is that something took too long.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// unreachable says why there is no connection.
func unreachable(err error, address string, timeout time.Duration) word {
	dns, unresolved := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed("connection refused: nothing listens at %s", address).
			but("start the far end, or write in proxy where it is")
	case unresolved:
		return failed("the name %s cannot be resolved here: %s", dns.Name, dns.Err)
	case late(err):
		return failed("no answer within %s", timeout).
			but("see whether the address is right, whether the machine is up, and whether a firewall drops what is sent there")
	}
	return failed("cannot be connected to: %s", reason(err))
}

// reason is the innermost of an error, without addresses that were said.
func reason(err error) string {
	if op, is := errors.AsType[*net.OpError](err); is {
		return op.Err.Error()
	}
	return err.Error()
}

// explain says why TLS or HTTP with f failed. conn is where HTTP was spoken, nil before it was.
func (p *patient) explain(f *farEnd, conn *eavesdropper, err error) word {
	if conn != nil && !late(err) {
		err = conn.lastWords(err)
	}
	if wrong, is := errors.AsType[*certificateError](err); is {
		return wrong.word
	}
	if w, known := f.alert(err); known {
		return w
	}
	if record, is := errors.AsType[tls.RecordHeaderError](err); is {
		return failed("answers %s where TLS was expected", looks(record.RecordHeader[:])).
			but("leave out the tunnel's tls, or let the far end speak it")
	}
	if conn != nil {
		if w, known := f.stranger(conn.heard()); known {
			return w
		}
	}
	switch {
	case late(err):
		return failed("takes connections and says nothing within %s: it hangs, or is no %s", p.Timeout, f.speaks()).
			but("see how the far end is; another program may listen on that port")
	case f.tls != nil && f.demands:
		return failed("closed the connection after TLS, in which it asked for a client certificate: %s", ending(err)).
			but("see whether it takes that of the tunnel, and its log")
	case f.tls == nil && p.takesTLS(f):
		return failed("speaks TLS, and the tunnel does not").but("write tls in the tunnel, as {ca: …}")
	case f.tunnel.HTTP == config.HTTP1 && p.takesHTTP2(f):
		return failed("speaks HTTP/2 only, and not HTTP/1.1 as http: 1 says").but("write http: 2")
	}
	return failed("closed the connection: %s", ending(err)).but("see whether the far end speaks " + f.speaks() + ", and its log")
}

// takesTLS reports whether f answers to TLS, whatever it answers.
func (p *patient) takesTLS(f *farEnd) bool {
	ctx, cancel := p.limited()
	defer cancel()
	conn, err := f.dial(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // nothing is sent
	return err == nil || strings.Contains(err.Error(), "remote error: tls: ")
}

// takesHTTP2 reports whether f answers to HTTP/2.
func (p *patient) takesHTTP2(f *farEnd) bool {
	ctx, cancel := p.limited()
	defer cancel()
	conn, err := f.dial(ctx)
	if err != nil {
		return false
	}
	h := newHTTP2(f, conn)
	defer h.close()
	return h.greet(ctx) == nil
}

// speaks is what f should be.
func (f *farEnd) speaks() string {
	if f.tunnel.HTTP != config.HTTPAuto {
		return named(f.tunnel.HTTP)
	}
	return "HTTP"
}

// alerts are what the other side of TLS says of a certificate of ours that it does not take.
var alerts = []string{
	"bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate",
	"unknown certificate authority", "access denied",
}

// alert says what an alert of TLS means; known is false where err is none.
func (f *farEnd) alert(err error) (w word, known bool) {
	_, text, known := strings.Cut(err.Error(), "remote error: tls: ")
	if q, is := errors.AsType[*quic.TransportError](err); is && q.Remote && q.ErrorCode.IsCryptoError() {
		known = true
		text = strings.TrimPrefix(tls.AlertError(q.ErrorCode-quicAlerts).Error(), "tls: ")
	}
	if !known || f.tls == nil {
		return word{}, false
	}
	ours := f.tunnel.Proxy.TLS.Cert.Chain.Path
	switch {
	case ours == "" && (f.demands || text == "certificate required"):
		return failed("demands a client certificate, and the tunnel has none (%s)", text).
			but("write cert in the tunnel's tls: a certificate that the client_ca of the far end vouches for"), true
	case slices.Contains(alerts, text):
		return failed("does not take the client certificate %s (%s)", ours, text).
			but("use one that the authorities of the far end (client_ca) vouch for, and that has a name it lets in"), true
	case text == "no application protocol":
		return failed("does not speak %s inside TLS: it agrees to none of %s", f.speaks(), strings.Join(f.tls.NextProtos, ", ")).
			but("write the http that the far end speaks"), true
	case text == "unrecognized name":
		return failed("does not know the name %q that TLS asked it for", f.tls.ServerName).but("write the name that it has as sni in the tunnel's tls"), true
	case text == "protocol version not supported":
		return failed("speaks none of the versions of TLS that the tunnel allows").but("write min or max in the tunnel's tls"), true
	}
	return failed("refused TLS (%s)", text), true
}

// quicAlerts is what QUIC adds to the number of an alert.
const quicAlerts = 0x100

// stranger says what answered in the place of the HTTP that was spoken, by its first bytes.
func (f *farEnd) stranger(heard []byte) (w word, known bool) {
	switch wanted := f.tunnel.HTTP; {
	case len(heard) == 0:
		return word{}, false
	case isHTTP1(heard) && wanted != config.HTTP1:
		return failed("speaks HTTP/1.1, and not HTTP/2 as http: %s says; it answered %q", wanted, firstLine(heard)).
			but("write http: 1, or let the far end speak HTTP/2"), true
	case isHTTP2(heard) && wanted == config.HTTP1:
		return failed("speaks HTTP/2 only, and not HTTP/1.1 as http: 1 says").but("write http: 2"), true
	case isTLS(heard):
		return failed("speaks TLS, and the tunnel does not").but("write tls in the tunnel, as {ca: …}"), true
	case !isHTTP1(heard) && !isHTTP2(heard):
		return failed("answers %s, which is no HTTP", looks(heard)).but("see what listens there"), true
	}
	return word{}, false
}

func isHTTP1(b []byte) bool { return strings.HasPrefix(string(b), "HTTP/1.") }

// isHTTP2 reports whether b begins with the settings or the farewell with which HTTP/2 does.
func isHTTP2(b []byte) bool {
	return len(b) >= 9 && b[0] == 0 && (b[3] == 4 || b[3] == 7) && b[5]|b[6]|b[7]|b[8] == 0
}

// isTLS reports whether b begins with an alert or a handshake of TLS.
func isTLS(b []byte) bool { return len(b) >= 2 && (b[0] == 21 || b[0] == 22) && b[1] == 3 }

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\r\n")
	return line
}

// looks is b for people, cut where it gets long.
func looks(b []byte) string {
	const enough = 24
	if len(b) > enough {
		return fmt.Sprintf("%q…", b[:enough])
	}
	return fmt.Sprintf("%q", b)
}

// refusal is the error of a request that was answered with a status other than those for success.
type refusal struct {
	status int
	by     string // the Server header
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	if r.by != "" {
		text += " by " + r.by
	}
	return text
}

// meaning says what a refusal means here.
func (r *refusal) meaning(t *config.Tunnel, q question) word {
	w := failed("refused with %v", r)
	means := func(what, advice string) word {
		w.message += ": " + what
		return w.but(advice)
	}
	post := q.method == http.MethodPost
	switch r.status {
	case http.StatusBadRequest:
		return means("it does not understand the request", "see its log; it may be no proxy of the kind")
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return means("it wants to know who asks", `write the credentials into the tunnel's headers, as {proxy-authorization: "Basic …"}`)
	case http.StatusForbidden:
		return means("it knows what is asked for, and does not let this client have it", "see the rules of the far end: who may come, and where to")
	case http.StatusNotFound:
		if post {
			return means("it has nothing at this path, or the target is not among those of the exit",
				"see path of the tunnel and targets of the exit; one that takes CONNECT answers a POST so, too: then leave out method: post")
		}
		return means("the target is not among those of the exit",
			"write it into targets of the exit; one that takes a POST answers CONNECT so, too: then write method: post")
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if post {
			return means("it takes no POST here", "see path; leave out method: post if it takes CONNECT")
		}
		return means("it does not know "+q.String(), "it is a web server rather than a proxy of the kind, or knows method: post only")
	case http.StatusMisdirectedRequest:
		return means("it is not the host that was asked for", "see proxy_host of the tunnel, and sni of its tls")
	case http.StatusTooManyRequests:
		return means("it has too much to do", "see the limits of the far end")
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return means("it cannot reach the target: nothing listens there, or it cannot resolve the name", "look from the far end's machine for the target")
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return means("the target does not answer it in time", "look from the far end's machine for the target")
	case http.StatusUpgradeRequired, http.StatusHTTPVersionNotSupported:
		return means("it wants another version of HTTP", "write another http than "+string(t.HTTP))
	}
	switch r.status / 100 {
	case 2:
		return means("an upgrade of HTTP/1.1 is answered with 101 where it is known; an Envoy does not, when it is to end it",
			"write http: 2")
	case 3:
		return means("it points elsewhere, which no tunnel follows", "write in proxy where the far end is")
	case 5:
		return means("it failed by itself", "see its log")
	}
	return w.but("see the log of the far end")
}
