package daemon

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSystemdIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	want := func(pattern string) {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(long)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 1024)
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatalf("waiting for %s: %v", pattern, err)
		}
		if !regexp.MustCompile("^" + pattern + "$").Match(buffer[:n]) {
			t.Errorf("told %q, want %s", buffer[:n], pattern)
		}
	}
	r := newRig(t)
	r.write(r.file, conf(1001))
	r.start(func(o *Options) { o.NotifySocket, o.Watch = path, "off" })
	const good = `STATUS=configuration in force: [0-9a-f]{8}`
	want(good)
	want("READY=1\n" + good)
	r.write(r.file, wrong)
	r.hangup <- syscall.SIGHUP
	want("RELOADING=1\nMONOTONIC_USEC=[0-9]+")
	const bad = `STATUS=the files were refused, configuration in force: [0-9a-f]{8}`
	want(bad)
	want("READY=1\n" + bad)
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	want("STOPPING=1")
}

func TestNobodyListens(t *testing.T) {
	err := notifier(filepath.Join(t.TempDir(), "nobody")).send("READY=1")
	if err == nil || !strings.HasPrefix(err.Error(), "notify systemd: ") {
		t.Errorf("error %v, want one about systemd", err)
	}
	if err := notifier("").send("READY=1"); err != nil {
		t.Errorf("error %v though nobody is to be told", err)
	}
}
