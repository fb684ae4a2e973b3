package main

import (
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
func machine() string {
	return fmt.Sprintf("%d cores, %s, %s/%s, load %s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load())
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
