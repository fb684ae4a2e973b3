package echo

import (
	"bufio"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/test/certs"
)

func TestTCP(t *testing.T) {
	server, err := ListenTCP("blue", "127.0.0.1:0")
	wantMeeting(t, Dialer{From: "127.0.0.7"}, server, err)
}

func TestUnix(t *testing.T) {
	server, err := ListenUnix("blue", filepath.Join(t.TempDir(), "s"))
	wantMeeting(t, Dialer{First: "hello"}, server, err)
}

func TestTLS(t *testing.T) {
	ca, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	config, err := ca.Server("a.example.com")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ListenTLS("blue", "127.0.0.1:0", config)
	wantMeeting(t, Dialer{TLS: ca.Client("a.example.com")}, server, err)
	wantMeeting(t, Dialer{TLS: ca.Anonymous()}, server, nil)
	if conn, err := (Dialer{TLS: ca.Client("b.example.com")}).Dial(t.Context(), server.Addr); err == nil {
		t.Errorf("a client that wanted b.example.com took %s", conn.Backend)
	}
}

func TestUDP(t *testing.T) {
	server, err := ListenUDP("blue", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	session, err := OpenSession(t.Context(), server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	answer, err := session.Ask("hello there", time.Second)
	want := Answer{Backend: "blue", Source: session.conn.LocalAddr().String(), Text: "hello there"}
	if err != nil || answer != want {
		t.Errorf("got %+v, %v, want %+v", answer, err, want)
	}
}

// TestNobodyGreets: a proxy that accepts and closes is not taken for a backend.
func TestNobodyGreets(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.Close()
		}
	}()
	if _, err := Dial(t.Context(), listener.Addr().String()); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want %v", err, ErrRefused)
	}
}

// wantMeeting dials the server, exchanges bytes, and sees the connection cut when the server closes.
func wantMeeting(t *testing.T, dialer Dialer, server *Server, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	conn, err := dialer.Dial(t.Context(), server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Ask("hello"); err != nil || conn.Backend != "blue" || conn.Source == "" {
		t.Errorf("reached %q from %q: %v", conn.Backend, conn.Source, err)
	}
}

// TestProxied: the header tells who is greeted, and who comes with none, or another one, is not.
func TestProxied(t *testing.T) {
	for version, headers := range map[int]map[string]string{
		1: {
			"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n":     "192.0.2.1:1234>192.0.2.2:443",
			"PROXY TCP6 2001:db8::1 2001:db8::2 1234 443\r\n": "[2001:db8::1]:1234>[2001:db8::2]:443",
			"PROXY UNKNOWN\r\n":                               Nobody,
			HeaderV1("192.0.2.1:1", "192.0.2.2:2"):            "192.0.2.1:1>192.0.2.2:2",
			HeaderV1("[2001:db8::1]:1", "[2001:db8::2]:2"):    "[2001:db8::1]:1>[2001:db8::2]:2",
			"PROXY TCP6 192.0.2.1 192.0.2.2 1234 443\r\n":     "",
			"hello\r\n": "",
		},
		2: {
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\xd2\x01\xbb": "192.0.2.1:1234>192.0.2.2:443",
			HeaderOfNobody: Nobody,
			HeaderV2("192.0.2.1:1234", "192.0.2.2:443"):                                              "192.0.2.1:1234>192.0.2.2:443",
			HeaderV2("[2001:db8::1]:1", "[2001:db8::2]:2", Extra{0xEE, "a b"}, Extra{5, "\x00"}):     `[2001:db8::1]:1>[2001:db8::2]:2 0xEE="a b" 0x05="\x00"`,
			"\r\n\r\n\x00\r\nQUIT\n\x21\x12\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\xd2\x01\xbb": "",
			"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n":                                            "",
		},
	} {
		server, err := ListenProxied("blue", "127.0.0.1:0", version, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		for header, want := range headers {
			conn, err := net.Dial("tcp", server.Addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(header)); err != nil {
				t.Fatal(err)
			}
			greeting, _ := bufio.NewReader(conn).ReadString('\n')
			if _, got, _ := strings.Cut(strings.TrimSpace(greeting), " "); got != want {
				t.Errorf("version %d, %q: told %q, want %q", version, header, got, want)
			}
			_ = conn.Close()
		}
	}
}
