//go:build e2e

package e2e

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/masque"
)

// TestForeignFarEndHTTP3: a far end that is no Envoy carries TCP and UDP over HTTP/3, by CONNECT, CONNECT-UDP and POST.
func TestForeignFarEndHTTP3(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	ca := f.authority()
	f.trust(ca, "ca")
	f.issue(ca, "near", certs.Leaf{Names: []string{"near.example.com"}})
	server := f.foreign(ca)
	connect, err := masque.ListenHTTP3("connect", f.addr("connect"), server)
	f.must(err)
	f.Keep(connect)
	post, err := masque.ListenHTTP3("post", f.addr("post"), server)
	f.must(err)
	f.Keep(post)
	f.start(`
listeners:
  tcp: {tcp: $tcp, to: db.example.net:5432, via: connect}
  udp: {udp: $udp, to: "[2001:db8::1]:53", via: connect}
  posttcp: {tcp: $posttcp, to: db.example.net:5432, via: post}
  postudp: {udp: $postudp, to: 10.0.0.1:53, via: postudp}
tunnels:
  connect: {proxy: $connect, http: 3, tls: {ca: ../ca.crt, sni: far.example.com, cert: ../near.crt}}
  post: {proxy: $post, http: 3, method: post, path: /in, tls: {ca: ../ca.crt, sni: far.example.com, cert: ../near.crt}}
  postudp: {proxy: $post, http: 3, method: post, path: /udp, tls: {ca: ../ca.crt, sni: far.example.com, cert: ../near.crt}}
`)
	f.wantTCP("tcp", "connect")
	f.wantAsked(connect, "HTTP/3 CONNECT db.example.net:5432")
	conn := f.dial("tcp")
	f.must(conn.Ask(strings.Repeat("x", 1<<20)))
	f.wantUDP("udp", "connect")
	f.wantAsked(connect, "HTTP/3 CONNECT far.example.com /.well-known/masque/udp/2001%3Adb8%3A%3A1/53/ connect-udp; Capsule-Protocol: ?1")
	s := f.sessionAt("udp", "connect")
	for _, size := range []int{1, 100, 1200, 1380} { // the greeting in the answer has to fit as well
		if _, err := s.Ask(strings.Repeat("x", size), 5*time.Second); err != nil {
			t.Errorf("a datagram of %d bytes: %v", size, err)
		}
	}
	f.wantTCP("posttcp", "post")
	f.wantAsked(post, "HTTP/3 POST db.example.net:5432 /in")
	f.wantUDP("postudp", "post")
	f.wantAsked(post, "HTTP/3 POST far.example.com /udp")
}

// foreign is the TLS of a far end that is no Envoy, and wants certificates of the authority.
func (f *fleet) foreign(ca *certs.Authority) *tls.Config {
	f.t.Helper()
	server, err := ca.Server("far.example.com")
	f.must(err)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	return server
}

// TestForeignClientHTTP3: a client that is no Envoy reaches the targets of an exit over HTTP/3, and nothing else.
func TestForeignClientHTTP3(t *testing.T) {
	eachVariant(t, func(f *fleet) {
		ca := f.authority()
		f.trust(ca, "ca")
		f.issue(ca, "hub", certs.Leaf{Names: []string{"hub.example.com"}})
		near := f.issue(ca, "near", certs.Leaf{Names: []string{"near.example.com"}})
		f.keep(echo.ListenTCP("one", f.addr("one")))
		f.keep(echo.ListenUDP("one", f.addr("one")))
		f.start(`
listeners: {}
tunnels:
  hub: {exit: {udp: $hub, targets: $one, tls: {cert: ../hub.crt, client_ca: ../ca.crt}}}
  in: {method: post, path: /in, exit: {udp: $in, targets: $one, tls: {cert: ../hub.crt, client_ca: ../ca.crt}}}
`)
		client := ca.Client("hub.example.com", near)
		connect := masque.Ask{Proxy: f.addr("hub"), HTTP: 3, TLS: client, Method: http.MethodConnect, Authority: f.addr("one")}
		post := masque.Ask{Proxy: f.addr("in"), HTTP: 3, TLS: client, Method: http.MethodPost, Authority: f.addr("one"), Path: "/in"}
		udp := masque.Ask{
			Proxy: f.addr("hub"), HTTP: 3, TLS: client, Method: http.MethodConnect, Authority: "hub.example.com", Datagrams: true,
			Path: masque.UDPPath("127.0.0.1", f.port("one")),
		}
		capsules := udp
		capsules.Capsules = true
		f.wantReached(connect, "one")
		f.wantReached(post, "one")
		f.wantDatagrams(udp, 1, 100, 1200, 1380)
		f.wantDatagrams(capsules, 1, 100, 1200)

		connect.Authority, post.Authority = f.addr("stray"), f.addr("stray")
		udp.Path = masque.UDPPath("127.0.0.1", f.port("stray"))
		for _, ask := range []masque.Ask{connect, post, udp} {
			f.wantReached(ask, "")
		}
		connect.TLS = ca.Client("hub.example.com")
		if stream, err := connect.Open(f.ctx); err == nil {
			_ = stream.Close()
			f.t.Error("a client without a certificate got through")
		}
	})
}

// wantDatagrams wants datagrams of these sizes answered by the target that is asked for.
func (f *fleet) wantDatagrams(ask masque.Ask, sizes ...int) {
	f.t.Helper()
	stream, err := ask.Open(f.ctx)
	f.must(err)
	defer func() { _ = stream.Close() }()
	stop := time.AfterFunc(10*time.Second, func() { _ = stream.Close() })
	defer stop.Stop()
	for _, size := range sizes {
		text := string(noise(1, size))
		f.must(stream.Send(text))
		if answer, err := stream.Receive(); err != nil || !strings.HasSuffix(answer, text) {
			f.t.Errorf("a datagram of %d bytes: answer of %d bytes, %v", size, len(answer), err)
		}
	}
}
