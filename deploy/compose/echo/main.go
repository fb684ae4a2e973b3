// Command echo is the stand-in backend of the compose demo: it says its name and gives back what it gets, on TCP and UDP.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/l4xds/l4xds/test/echo"
)

func main() {
	name := flag.String("name", "echo", "what it calls itself")
	addr := flag.String("listen", ":7000", "the address, for TCP and for UDP")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	if err := serve(ctx, *name, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		stop()
		os.Exit(1)
	}
}

// serve answers until ctx ends.
func serve(ctx context.Context, name, addr string) error {
	tcp, err := echo.ListenTCP(name, addr)
	if err != nil {
		return err
	}
	defer func() { _ = tcp.Close() }()
	udp, err := echo.ListenUDP(name, addr)
	if err != nil {
		return err
	}
	defer func() { _ = udp.Close() }()
	<-ctx.Done()
	return nil
}
