package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the directory of the module: the tests of each package run in their own.
func Root() (string, error) {
	gomod, err := output(exec.Command("go", "env", "GOMOD"))
	if err != nil {
		return "", err
	}
	return filepath.Dir(gomod), nil
}

// Build compiles the l4xds command into dir and tells its path. Flags are those of `go build`.
func Build(dir string, flags ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "l4xds")
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./cmd/l4xds")...)
	cmd.Dir = root
	_, err = output(cmd)
	return path, err
}

// output runs cmd and tells what it printed, without the last line end. An error holds what it said on standard error.
func output(cmd *exec.Cmd) (string, error) {
	var text, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &said
	err := start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// start starts cmd while nobody probes ports.
func start(cmd *exec.Cmd) error {
	forking.Lock()
	defer forking.Unlock()
	return cmd.Start()
}

// Replace writes text to path as careful programs do: a new file, readable for all, renamed over the old one.
func Replace(path, text string) error {
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = part.WriteString(text)
	if err := errors.Join(err, part.Chmod(0o644), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}
