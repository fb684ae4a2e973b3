package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/l4xds/l4xds/test/echo"
	"github.com/l4xds/l4xds/test/rig"
)

// machine says where the figures come from.
func machine(envoy string) string {
	return fmt.Sprintf("%d cores, %s/%s, %s, Envoy %s, load %s",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), envoy, load())
}

// envoyVersion is the version of the Envoy at that path, as it tells it: "COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
func envoyVersion(ctx context.Context, bin string) (string, error) {
	said, err := exec.CommandContext(ctx, bin, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", bin, err)
	}
	words := strings.Split(strings.TrimSpace(string(said)), "/")
	return words[max(0, len(words)-4)], nil
}

// load is the load average of the last minute: figures taken while others work say little.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// build compiles a command as it is released, and tells its path.
func (b *bench) build(pkg string) (string, error) {
	root, err := rig.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.Dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, said)
	}
	return path, nil
}

// backend is a stand-in server, on TCP and UDP.
type backend struct {
	name, address string
}

func (b *bench) startBackend(name string) (backend, error) {
	port, err := rig.Port()
	if err != nil {
		return backend{}, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for _, listen := range []func(name, address string) (*echo.Server, error){echo.ListenTCP, echo.ListenUDP} {
		server, err := listen(name, address)
		if err != nil {
			return backend{}, err
		}
		b.Keep(server)
	}
	return backend{name: name, address: address}, nil
}
