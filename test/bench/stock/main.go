// Command stock is the control plane that one writes in an afternoon with go-control-plane: its snapshot cache and its
// server, fed from a small JSON file. The benchmarks measure l4xds beside it.
//
//	FILE -> encoding/json -> resources like those of l4xds -> SetSnapshot -> stock ADS server
//
// It takes a new file the moment fsnotify tells of it, and moves the version of a type only if that type changed: both
// are kinder than most such programs are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc"
)

// maxRequestBytes lets a client name 10,000 resources in one request; gRPC's own 4 MiB is too little for some.
const maxRequestBytes = 16 << 20

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stock:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("stock", flag.ContinueOnError)
	file := flags.String("file", "", "the `PATH` of the JSON file")
	address := flags.String("xds", "127.0.0.1:18000", "the `ADDRESS` to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	cache := cachev3.NewSnapshotCache(true, everyNode{}, nil)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequestBytes))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, serverv3.NewServer(ctx, cache, nil))
	context.AfterFunc(ctx, server.Stop)
	failed := make(chan error, 1)
	go func() {
		failed <- follow(ctx, &publisher{file: *file, cache: cache})
		server.Stop()
	}()
	err = server.Serve(listener)
	return errors.Join(err, <-failed)
}

// follow publishes the file now and whenever it is replaced, until ctx ends.
func follow(ctx context.Context, p *publisher) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }()
	if err := watcher.Add(filepath.Dir(p.file)); err != nil {
		return err
	}
	for {
		if err := p.publish(ctx); err != nil {
			return err
		}
		if err := replaced(ctx, watcher, p.file); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// replaced waits until the file appears anew, or ctx ends.
func replaced(ctx context.Context, watcher *fsnotify.Watcher, file string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watcher.Errors:
			return err
		case event := <-watcher.Events:
			if event.Name == file && event.Has(fsnotify.Create) {
				return nil
			}
		}
	}
}
