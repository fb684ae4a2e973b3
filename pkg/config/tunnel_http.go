package config

import (
	"cmp"
	"slices"
	"time"
)

// checkVersions says, now that all backends are read, which tunnels cannot speak the HTTP that is asked of them.
func (l *loader) checkVersions() {
	for _, t := range l.near {
		if t.Proxy == nil || len(t.Proxy.Endpoints) == 0 {
			continue // an error was said
		}
		switch t.HTTP {
		case HTTP3:
			l.checkQUIC(t)
		case HTTPAuto:
			l.checkAgreed(t)
		default:
		}
	}
}

// checkAgreed says why TLS cannot find out the version of HTTP.
func (l *loader) checkAgreed(t *tunnel) {
	if t.Proxy.TLS == nil {
		l.errorf(idTunnel, t.value.get("http"), "goes by what TLS agrees on, and there is no tls; write 1 or 2, or tls: {ca: …}")
		return
	}
	l.checkALPN(t)
}

// checkALPN says that the protocols which are asked for in TLS are not for the file to choose.
func (l *loader) checkALPN(t *tunnel) {
	if len(t.Proxy.TLS.ALPN) > 0 {
		at, _ := l.ofProxy(t, "tls", "alpn")
		l.errorf(idNoEffect, at, "has no effect with http: %s, which says what is spoken; leave it out", t.HTTP)
	}
}

// checkQUIC says why the far ends of t cannot be spoken to over QUIC.
func (l *loader) checkQUIC(t *tunnel) {
	http := t.value.get("http")
	if tls := t.Proxy.TLS; tls == nil {
		l.errorf(idTunnel, http, "HTTP/3 is always inside TLS; write tls: {ca: …}, or tls: system")
	} else {
		l.checkALPN(t)
		l.checkAgreement(t)
		if tls.Max == TLS12 {
			at, _ := l.ofProxy(t, "tls", "max")
			l.errorf(idTLSVersions, at, "HTTP/3 is TLS 1.3 and nothing less; leave it out")
		}
	}
	if slices.ContainsFunc(t.Proxy.Endpoints, func(e Endpoint) bool { return e.Path != "" }) {
		l.errorf(idUnix, t.value.get("proxy"), "a unix socket cannot be a far end over HTTP/3, which is UDP; write HOST:PORT")
	}
	if t.Proxy.Check != nil {
		at, _ := l.ofProxy(t, "check")
		l.errorf(idTunnel, at, "does not work over HTTP/3: it makes Envoy 1.40 crash; leave it out, a far end that is down costs an attempt of retry")
	}
	if at, own := l.ofProxy(t, "keepalive"); own && !at.is("none") {
		l.errorf(idNoEffect, at, "has no effect on HTTP/3, which is no TCP; the like of it is ping")
	}
	if p := t.Ping; p != nil && p.Interval < minQUICPing {
		l.errorf(idBounds, t.value.get("ping"), "%s is outside 1s.., the shortest interval of HTTP/3", p.Interval)
	}
}

// checkAgreement says that what is agreed on over QUIC is not for the file to choose: Envoy does not look at it there.
func (l *loader) checkAgreement(t *tunnel) {
	tls := t.Proxy.TLS
	for key, written := range map[string]bool{"ciphers": len(tls.Ciphers) > 0, "curves": len(tls.Curves) > 0} {
		if written {
			at, _ := l.ofProxy(t, "tls", key)
			l.errorf(idNoEffect, at, "%s have no effect on HTTP/3; leave them out", key)
		}
	}
}

// checkFarAgreement is the same of e, which listens on UDP alone.
func (e *far) checkFarAgreement() {
	tls := e.value.get("tls")
	for _, key := range []string{"ciphers", "curves"} {
		if at := tls.pair(key); at != nil {
			e.errorf(idNoEffect, at.key, "has no effect on HTTP/3; leave it out")
		}
	}
}

// minQUICPing is the shortest interval that Envoy takes on QUIC.
const minQUICPing = Duration(time.Second)

// ofProxy is where a key of the far ends of t stands: on the tunnel, inside of proxy, or on the backend that this names;
// where it stands in the defaults it is `http` instead. own is whether it is meant for this tunnel alone.
func (l *loader) ofProxy(t *tunnel, key string, below ...string) (at *value, own bool) {
	proxy := t.value.get("proxy")
	for _, v := range []*value{t.value, proxy} {
		if found := v.at(key, below...); found != nil {
			return found, true
		}
	}
	if b := l.backends[t.Proxy.Name]; b != nil {
		if found := b.value.at(key, below...); found != nil {
			return found, false
		}
	}
	return t.value.get("http"), false
}

// at is the value behind a key, and the keys below it, or the one that stands short in its place; nil if there is none.
func (v *value) at(key string, below ...string) *value {
	if v == nil || v.kind != mapping {
		return nil
	}
	v = v.get(key)
	for _, key := range below {
		if v == nil || v.kind != mapping {
			break
		}
		v = v.get(key)
	}
	return v
}

// under is what the HTTP of t runs over.
func (t *Tunnel) under() Protocol {
	if t.HTTP == HTTP3 {
		return UDP
	}
	return TCP
}

// checkFarQUIC says why e cannot speak HTTP/3, and which of its keys that leaves without an effect. tcp is whether it
// speaks the other versions, too.
func (e *far) checkFarQUIC(tcp bool) {
	at := e.tunnel.value.pair("exit").key
	if udp := e.value.pair("udp"); udp != nil {
		at = udp.key
	}
	switch {
	case e.TLS == nil:
		e.errorf(idTunnel, at, "HTTP/3 is always inside TLS; write tls: CERTIFICATE beside it")
		return
	case e.TLS.Max == TLS12:
		e.errorf(idTLSVersions, at, "HTTP/3 is TLS 1.3 and nothing less, and tls has max: 1.2; leave that out")
	case !tcp && len(e.TLS.ALPN) > 0:
		e.errorf(idNoEffect, cmp.Or(e.value.at("tls", "alpn"), at), "has no effect on HTTP/3, which says what is spoken; leave it out")
	}
	if !tcp {
		e.checkFarAgreement()
	}
	if keepalive := e.value.get("keepalive"); !tcp && keepalive != nil && !keepalive.is("none") {
		e.errorf(idNoEffect, keepalive, "has no effect on HTTP/3, which is no TCP; leave it out")
	}
}

// checkSpoken says that the near end speaks what the exit does not.
func (e *far) checkSpoken(tcp, udp bool) {
	http := e.tunnel.value.get("http")
	switch {
	case e.tunnel.Proxy == nil:
	case e.tunnel.HTTP == HTTP3 && !udp:
		e.errorf(idTunnel, http, "http: 3 runs over UDP, and exit (%s) listens on TCP only; write udp: PORT there", e.value.position())
	case e.tunnel.HTTP != HTTP3 && !tcp:
		e.errorf(idTunnel, http, "http: %s runs over TCP, and exit (%s) listens on UDP only; write http: 3, or tcp: PORT there",
			e.tunnel.HTTP, e.value.position())
	}
}
