//go:build e2e

package e2e

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
	"github.com/l4xds/l4xds/test/rig"
)

// The tunnel samples that Envoy comes with, as files of ours: each carries bytes, in front of one that takes what it
// sends. They know nothing of each other: each has a daemon and an Envoy of its own.

// samples are the near ends, and what stands behind them: other samples on the way, the last of which leads to a target,
// else a far end that is no Envoy.
var samples = []struct {
	near   string
	behind []string
	// foreign is whether there is a far end that is no Envoy, asked what it is asked, where that is known to the letter.
	foreign bool
	asked   string
	udp     bool
}{
	{near: "raw-udp-tunneling-http2", udp: true, foreign: true, asked: "HTTP/2 CONNECT proxy.example.com " +
		"/.well-known/masque/udp/localhost/TARGET/ connect-udp; Capsule-Protocol: ?1; Original_dst_port: NEAR"},
	{near: "raw-udp-tunneling-http3", udp: true, behind: []string{"terminate-http3-connect-udp"}},
	{near: "raw-udp-tunneling-http3", udp: true, behind: []string{"terminate-http3-connect-udp-dns-resolution"}},
	{near: "raw-udp-tunneling-http3", udp: true, behind: []string{"proxy-connect-udp"}, foreign: true},
	{near: "encapsulate-in-http1-connect", behind: []string{"terminate-http1-connect"}},
	{near: "encapsulate-in-http1-connect", foreign: true, asked: "HTTP/1 CONNECT localhost:TARGET"},
	{near: "encapsulate-in-http2-connect", behind: []string{"terminate-http2-connect"}},
	{near: "encapsulate-in-http2-connect", behind: []string{"proxy-connect", "terminate-http2-connect"}},
	{near: "encapsulate-in-http2-post", behind: []string{"terminate-http2-post"}},
}

// TestEnvoySamples: bytes go through each of Envoy's own samples.
func TestEnvoySamples(t *testing.T) {
	t.Parallel()
	for _, sample := range samples {
		t.Run(strings.Join(append([]string{sample.near}, sample.behind...), "+"), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "delta")
			f.backends("target")
			front := f.startSample(sample.near, "10000", "10001")
			last := front
			for _, name := range sample.behind {
				last = last.startSample(name, "10001", "10002")
			}
			backend := "target"
			if sample.foreign {
				backend = "stranger"
				front.words["stranger"] = last.addr("next")
				end := front.farEnd("stranger")
				if sample.asked != "" {
					want := strings.NewReplacer("TARGET", front.port("target"), "NEAR", front.port("here")).Replace(sample.asked)
					defer func() { front.wantAsked(end, want) }()
				}
			}
			if sample.udp {
				front.wantUDP("here", backend)
				_, err := front.session("here").Ask(strings.Repeat("x", 1300), 5*time.Second)
				front.must(err)
			} else {
				front.wantTCP("here", backend)
				front.must(front.dial("here").Ask(strings.Repeat("x", 1<<20)))
			}
		})
	}
}

// startSample starts a daemon and an Envoy on one of Envoy's samples that listens on the port `here` and goes on to the
// port `next`. It stands where f goes on to, and shares the target with it.
func (f *fleet) startSample(name, here, next string) *fleet {
	f.t.Helper()
	root, err := rig.Root()
	f.must(err)
	f.must(certs.ForExamples(root))
	s := newFleet(f.t, f.variant)
	s.words["target"], s.words["other"] = f.addr("target"), f.addr("other")
	s.words["here"] = f.addr("next")
	target := net.JoinHostPort("localhost", f.port("target"))
	text := strings.NewReplacer(
		"target.example.com:443", target, "host.example.com:443", target, "www.example.com:443", target,
		"127.0.0.1:"+here, s.addr("here"), "127.0.0.1:"+next, s.addr("next"),
		"127.0.0.1:10002", s.addr("marked"), "127.0.0.1:10003", s.addr("other"),
		"tls/", root+"/examples/tls/",
	).Replace(s.example("envoy-"+name+".yaml", 10))
	s.start(text)
	return s
}

// TestEnvoySampleHeader: a request of the second listener has the header, by which the far end lets it go where it asks to.
func TestEnvoySampleHeader(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "delta")
	f.backends("target", "other")
	near := f.startSample("encapsulate-in-http1-connect", "10000", "10001")
	near.startSample("terminate-http1-connect", "10001", "10002")
	near.wantTCP("marked", "other")
	near.wantTCP("here", "target")

	near = newFleet(t, "delta").startSample("encapsulate-in-http1-connect", "10000", "10001")
	near.words["stranger"] = near.addr("next")
	end := near.farEnd("stranger")
	near.wantTCP("marked", "stranger")
	near.wantAsked(end, "HTTP/1 CONNECT 127.0.0.1:"+near.port("other")+"; Foo: bar")
	near.wantTCP("here", "stranger")
	near.wantAsked(end, "HTTP/1 CONNECT localhost:"+near.port("target"))
}
