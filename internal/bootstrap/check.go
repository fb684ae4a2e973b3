package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/l4xds/l4xds/internal/render"
	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/translate"
)

// patience is how long an Envoy may take to check one file. It needs 4 s for 5,000 listeners.
const patience = 2 * time.Minute

// Check lets the Envoy binary check all resources, by `envoy --mode validate` on a file for each kind of node. It binds
// no port, so it does not see what only a running Envoy can: a port that another process holds, a missing privilege.
func Check(ctx context.Context, binary string, r *translate.Resources) error {
	dir, err := os.MkdirTemp("", "l4xds-check-")
	if err != nil {
		return fmt.Errorf("check with Envoy: %w", err)
	}
	defer os.RemoveAll(dir)
	for i, list := range byAudience(r.List) {
		path := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		if err := writeStatic(path, r.Config, list); err != nil {
			return fmt.Errorf("check with Envoy: %w", err)
		}
		if err := validate(ctx, binary, path); err != nil {
			return fmt.Errorf("check with Envoy: %w", err)
		}
	}
	return nil
}

// byAudience splits list by who is given the listeners, each part with all that it refers to: two listeners for
// different nodes may have one name and one port, which one Envoy would refuse.
func byAudience(list []*translate.Resource) [][]*translate.Resource {
	byRef := make(map[translate.Ref]*translate.Resource, len(list))
	for _, r := range list {
		byRef[translate.Ref{Type: r.Type, Name: r.Name}] = r
	}
	var audiences []config.Selector
	var parts []map[*translate.Resource]bool
	for _, r := range list {
		if r.Type != resourcev3.ListenerType {
			continue
		}
		i := slices.IndexFunc(audiences, r.Audience.Equal)
		if i < 0 {
			i = len(audiences)
			audiences, parts = append(audiences, r.Audience), append(parts, map[*translate.Resource]bool{})
		}
		follow(r, byRef, parts[i])
	}
	lists := make([][]*translate.Resource, len(parts))
	for i, part := range parts {
		for _, r := range list {
			if part[r] {
				lists[i] = append(lists[i], r)
			}
		}
	}
	return lists
}

// follow adds r and all that it refers to.
func follow(r *translate.Resource, byRef map[translate.Ref]*translate.Resource, into map[*translate.Resource]bool) {
	if r == nil || into[r] {
		return
	}
	into[r] = true
	for _, ref := range r.Refs {
		follow(byRef[ref], byRef, into)
	}
}

func writeStatic(path string, c *config.Config, list []*translate.Resource) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(render.Bootstrap(f, c, list), f.Close())
}

func validate(ctx context.Context, binary, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, binary, "--mode", "validate", "-c", path, "--log-level", "critical") //nolint:gosec // the user names it
	c.WaitDelay = time.Second
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && ctx.Err() == nil:
		return errors.New(complaint(string(text)))
	case err != nil:
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// complaint is what Envoy says, without its log's prefix, the name of our file, and the dump of the whole file that
// comes before some messages.
func complaint(text string) string {
	text = strings.TrimSpace(text)
	if _, after, ok := strings.Cut(text, "error initializing configuration '"); ok {
		_, text, _ = strings.Cut(after, "': ")
	}
	if strings.Contains(text, "goo.gle/debug") {
		text = text[strings.LastIndexByte(text, '\n')+1:]
	}
	return strings.TrimPrefix(strings.TrimSpace(text), ": ")
}
