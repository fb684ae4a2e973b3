package masque

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/quic-go/quic-go"

	"github.com/l4xds/l4xds/test/certs"
)

func TestMain(m *testing.M) {
	if err := Enable(); err != nil {
		fmt.Fprintln(os.Stderr, "masque:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestStreams: the two ends understand each other in all that they know.
func TestStreams(t *testing.T) {
	for name, ask := range map[string]Ask{
		"connect-h1":     {HTTP: 1, Method: "CONNECT", Authority: "a.example:5432"},
		"connect-h2":     {HTTP: 2, Method: "CONNECT", Authority: "a.example:5432"},
		"post-h1":        {HTTP: 1, Method: "POST", Authority: "a.example:5432", Path: "/in"},
		"post-h2":        {HTTP: 2, Method: "POST", Authority: "a.example:5432", Path: "/in"},
		"connect-udp-h2": {HTTP: 2, Method: "CONNECT", Authority: "far", Path: UDPPath("2001:db8::1", "53"), Datagrams: true},
		"post-udp-h1":    {HTTP: 1, Method: "POST", Authority: "far", Path: DatagramPath},
		"post-udp-h2":    {HTTP: 2, Method: "POST", Authority: "far", Path: DatagramPath},
		"connect-h3":     {HTTP: 3, Method: "CONNECT", Authority: "a.example:5432"},
		"post-h3":        {HTTP: 3, Method: "POST", Authority: "a.example:5432", Path: "/in"},
		"connect-udp-h3": {HTTP: 3, Method: "CONNECT", Authority: "far", Path: UDPPath("2001:db8::1", "53"), Datagrams: true},
		"capsules-h3":    {HTTP: 3, Method: "CONNECT", Authority: "far", Path: UDPPath("a.example", "53"), Datagrams: true, Capsules: true},
		"post-udp-h3":    {HTTP: 3, Method: "POST", Authority: "far", Path: DatagramPath},
	} {
		t.Run(name, func(t *testing.T) {
			if ask.HTTP != 3 {
				wantUnderstood(t, ask, keep(t)(Listen("far", "127.0.0.1:0")))
				wantUnderstood(t, ask, keep(t)(Listen("far", "127.0.0.1:0", ask.HTTP)))
			}
			ca, err := certs.NewAuthority()
			if err != nil {
				t.Fatal(err)
			}
			config, err := ca.Server("far.example.com")
			if err != nil {
				t.Fatal(err)
			}
			ask.TLS = ca.Client("far.example.com")
			if ask.HTTP == 3 {
				wantUnderstood(t, ask, keep(t)(ListenHTTP3("far", "127.0.0.1:0", config)))
			} else {
				wantUnderstood(t, ask, keep(t)(ListenTLS("far", "127.0.0.1:0", config)))
			}
		})
	}
}

func wantUnderstood(t *testing.T, ask Ask, server *Server) {
	t.Helper()
	ask.Proxy = server.Addr
	stream, err := ask.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	want := Request{HTTP: ask.HTTP, Method: ask.Method, Authority: ask.Authority, Path: ask.Path}
	if ask.Datagrams {
		want.Protocol = connectUDP
	}
	got := server.Requests()[0]
	if got.At, got.Header = want.At, nil; !cmp.Equal(got, want) {
		t.Errorf("the far end was asked (-want +got):\n%s", cmp.Diff(want, got))
	}
	switch {
	case !got.datagrams():
		wantAnswered(t, stream)
	case ask.HTTP == 3 && ask.Datagrams && !ask.Capsules:
		wantDatagrams(t, stream, 0, 1, 62, 63, 1200, 1380) // the answer's greeting has to fit as well
	default:
		wantDatagrams(t, stream, 0, 1, 62, 63, 9000, 16382, 16383, 60000)
	}
}

func wantAnswered(t *testing.T, stream *Stream) {
	t.Helper()
	greeting, err := stream.ReadLine()
	if err != nil || !strings.HasPrefix(greeting, "far 127.0.0.1:") {
		t.Fatalf("greeted by %q, %v", greeting, err)
	}
	if _, err := stream.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := stream.ReadLine(); err != nil || line != "hello" {
		t.Errorf("got %q, %v, want hello back", line, err)
	}
}

func wantDatagrams(t *testing.T, stream *Stream, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		text := strings.Repeat("x", size)
		if err := stream.Send(text); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Receive()
		if err != nil || !strings.HasSuffix(answer, " "+text) {
			t.Errorf("a datagram of %d bytes: answer of %d bytes, %v", size, len(answer), err)
		}
	}
}

// TestDatagramTooLarge: what does not fit beside a stream is refused by the client itself.
func TestDatagramTooLarge(t *testing.T) {
	ca, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	config, err := ca.Server("far.example.com")
	if err != nil {
		t.Fatal(err)
	}
	server := keep(t)(ListenHTTP3("far", "127.0.0.1:0", config))
	stream, err := Ask{
		Proxy: server.Addr, HTTP: 3, TLS: ca.Client("far.example.com"), Method: "CONNECT", Authority: "far", Path: UDPPath("a", "1"), Datagrams: true,
	}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var large *quic.DatagramTooLargeError
	if err := stream.Send(strings.Repeat("x", packetSize)); !errors.As(err, &large) {
		t.Errorf("sending a datagram as large as a packet: %v", err)
	}
	wantDatagrams(t, stream, 1)
}

// TestManners: what a far end can be made to do wrong.
func TestManners(t *testing.T) {
	udp := Ask{HTTP: 2, Method: "CONNECT", Authority: "far", Path: UDPPath("a", "1"), Datagrams: true}
	tcp := Ask{HTTP: 1, Method: "CONNECT", Authority: "a:1"}
	server := keep(t)(Listen("far", "127.0.0.1:0"))
	udp.Proxy, tcp.Proxy = server.Addr, server.Addr

	server.Behave(Manner{Status: http.StatusForbidden})
	if _, err := tcp.Open(t.Context()); !errors.Is(err, RefusedError(http.StatusForbidden)) {
		t.Errorf("refused with %v", err)
	}
	server.Behave(Manner{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := tcp.Open(ctx); err == nil {
		t.Error("a far end that hangs answered")
	}
	server.Behave(Manner{Plain: true})
	if got := givenBack(t, udp, "hello"); got != "hello" {
		t.Errorf("plain: got %q", got)
	}
	server.Behave(Manner{Plain: true, Nested: true})
	if got := givenBack(t, udp, "hello"); got != "\x00\x06\x00hello" {
		t.Errorf("nested: got %q", got)
	}
	server.Behave(Manner{Plain: true, Unframed: true})
	if got := givenBack(t, udp, "\x00\x04\x00abc"); got != "abc" { // what was a payload is taken for a capsule
		t.Errorf("unframed: got %q", got)
	}
	server.Behave(Manner{Curt: true})
	if got := givenBack(t, udp, "hello"); !strings.HasPrefix(got, "far ") || strings.Contains(got, "hello") {
		t.Errorf("curt: got %q", got)
	}
	server.Behave(Manner{Mute: true})
	stream, err := tcp.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = stream.Close() })
	if line, err := stream.ReadLine(); err == nil {
		t.Errorf("a mute far end said %q", line)
	}
}

// givenBack is the answer to one datagram.
func givenBack(t *testing.T, ask Ask, text string) string {
	t.Helper()
	stream, err := ask.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if err := stream.Send(text); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestRefusals: as many requests as were said are refused.
func TestRefusals(t *testing.T) {
	server := keep(t)(Listen("far", "127.0.0.1:0"))
	server.Refuse(2)
	for i, want := range []error{RefusedError(http.StatusServiceUnavailable), RefusedError(http.StatusServiceUnavailable), nil} {
		stream, err := Ask{Proxy: server.Addr, HTTP: 1 + i%2, Method: "CONNECT", Authority: "a:1"}.Open(t.Context())
		if err == nil {
			defer func() { _ = stream.Close() }()
		}
		if !errors.Is(err, want) {
			t.Errorf("request %d: %v, want %v", i, err, want)
		}
	}
}

// TestOtherCapsules: a capsule of another kind is passed over, as the standard wants.
func TestOtherCapsules(t *testing.T) {
	var wire bytes.Buffer
	wire.Write([]byte{0x29, 2, 'n', 'o'})
	if err := writeDatagram(&wire, "yes"); err != nil {
		t.Fatal(err)
	}
	if got, err := readDatagram(bufio.NewReader(&wire)); err != nil || got != "yes" {
		t.Errorf("read %q, %v, want yes", got, err)
	}
}

// keep is the server that was started, until the test ends.
func keep(t *testing.T) func(*Server, error) *Server {
	return func(server *Server, err error) *Server {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		return server
	}
}
