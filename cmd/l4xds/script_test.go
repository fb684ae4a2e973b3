package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"l4xds": main})
}

// leakless fails a run of tests that leaves goroutines behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// The scripts in testdata are what people type, and what they see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"XDS", "ADMIN"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			env.Setenv("L4XDS_SERVER", "http://"+env.Getenv("ADMIN"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"ready":  ready,
			"signal": signalDaemon,
			"hold":   hold,
		},
	})
}

// freeAddress is a loopback address on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exits runs l4xds and wants an exit code: `exits 1 validate edge.yaml`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec("l4xds", args[1:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// ready waits until the admin address answers 200 at a path, and with a text in the answer, if one is given. With ! it waits
// for any other answer: `! ready /readyz 'does not exist'`.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: ready PATH [TEXT]")
	}
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		answer, err := http.Get("http://" + ts.Getenv("ADMIN") + args[0])
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(answer.Body) // what it could not read is not the text
		_ = answer.Body.Close()
		if (answer.StatusCode == http.StatusOK) != neg && (len(args) == 1 || strings.Contains(string(text), args[1])) {
			http.DefaultClient.CloseIdleConnections()
			return
		}
	}
	ts.Fatalf("%s: never answered as wanted", args[0])
}

// hold opens a stream to the xDS address that does not end by itself, until the script ends.
func hold(ts *testscript.TestScript, _ bool, _ []string) {
	conn, err := grpc.NewClient(ts.Getenv("XDS"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	stream, err := healthv1.NewHealthClient(conn).Watch(context.Background(), &healthv1.HealthCheckRequest{})
	ts.Check(err)
	_, err = stream.Recv()
	ts.Check(err)
}

// signalDaemon sends a signal to the program in the background: `signal TERM`.
func signalDaemon(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}
	if neg || len(args) != 1 || signals[args[0]] == nil || len(ts.BackgroundCmds()) != 1 {
		ts.Fatalf("usage: signal HUP|TERM|INT, with one program in the background")
	}
	ts.Check(ts.BackgroundCmds()[0].Process.Signal(signals[args[0]]))
}
