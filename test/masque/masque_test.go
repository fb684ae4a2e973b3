package masque

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	} {
		t.Run(name, func(t *testing.T) {
			server := listen(t)
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
			wantAnswered(t, stream, got.datagrams())
		})
	}
}

func wantAnswered(t *testing.T, stream *Stream, datagrams bool) {
	t.Helper()
	if !datagrams {
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
		return
	}
	for _, size := range []int{0, 1, 62, 63, 9000, 16382, 16383, 60000} {
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

// TestRefusals: as many requests as were said are refused.
func TestRefusals(t *testing.T) {
	server := listen(t)
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

func listen(t *testing.T) *Server {
	t.Helper()
	server, err := Listen("far", "127.0.0.1:0")
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
