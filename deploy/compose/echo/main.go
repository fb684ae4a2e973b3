// Command echo is the backends of the compose demo: servers that say their name and give back what they get, on TCP
// and UDP.
//
//	echo NAME=ADDRESS...    for example blue=:7001 green=:7002
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/l4xds/l4xds/test/echo"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: echo NAME=ADDRESS...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := serve(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// serve answers on all addresses until ctx ends.
func serve(ctx context.Context, servers []string) error {
	for _, server := range servers {
		name, addr, _ := strings.Cut(server, "=")
		tcp, tcpErr := echo.ListenTCP(name, addr)
		udp, udpErr := echo.ListenUDP(name, addr)
		if err := errors.Join(tcpErr, udpErr); err != nil {
			return err
		}
		defer func() { _, _ = tcp.Close(), udp.Close() }()
	}
	<-ctx.Done()
	return nil
}
