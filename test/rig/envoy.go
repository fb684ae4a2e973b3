package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// EnvoyOptions describe one Envoy that follows the daemon.
type EnvoyOptions struct {
	// ID and Cluster are what it says of itself. ID is also the name of its log.
	ID, Cluster string
	// Variant is "delta" or "sotw"; empty means delta.
	Variant string
	// Metadata are more words about itself, KEY=VALUE.
	Metadata []string
	// Capabilities are those that it declares.
	Capabilities []string
	// Daemon is whom it follows.
	Daemon *Daemon
	// Wrap are words in front of its command, for another user or other privileges.
	Wrap []string
}

// Envoy is a running Envoy.
type Envoy struct {
	*Process
	// Admin is the address of its admin interface, host:port.
	Admin string

	rig       *Rig
	name      string
	bootstrap string // path
	wrap      []string
}

// EnvoyPath is the Envoy binary: what `make envoy` prints, $ENVOY_BIN first.
var EnvoyPath = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("scripts/envoy.sh")
	cmd.Dir = root
	return output(cmd)
})

// StartEnvoy starts an Envoy on the bootstrap that `l4xds bootstrap` makes for it. It does not wait: see WaitReady.
func (r *Rig) StartEnvoy(o EnvoyOptions) (*Envoy, error) {
	port, err := Port()
	if err != nil {
		return nil, err
	}
	e := &Envoy{Admin: address("127.0.0.1", port), rig: r, name: o.ID, wrap: o.Wrap}
	text, err := output(exec.Command(o.Daemon.program, o.bootstrapArgs(e.Admin)...))
	if err != nil {
		return nil, fmt.Errorf("make the bootstrap of %s: %w", o.ID, err)
	}
	if e.bootstrap, err = r.WriteFile(o.ID+".yaml", text); err != nil {
		return nil, err
	}
	return e, e.Start()
}

func (o EnvoyOptions) bootstrapArgs(admin string) []string {
	args := []string{"bootstrap", "--node-id", o.ID, "--cluster", o.Cluster, "--xds", o.Daemon.XDS, "--admin", admin}
	if o.Variant != "" {
		args = append(args, "--variant", o.Variant)
	}
	for _, pair := range o.Metadata {
		args = append(args, "--metadata", pair)
	}
	for _, name := range o.Capabilities {
		args = append(args, "--capability", name)
	}
	return args
}

// Start starts the Envoy again, after Kill or Close.
func (e *Envoy) Start() error {
	bin, err := EnvoyPath()
	if err != nil {
		return err
	}
	// Short drains: a test that removes a listener wants its port back. Short flushes: it also wants to read the log. No
	// hot restarts: they leave shared memory behind.
	words := append(slices.Clone(e.wrap), bin, "-c", e.bootstrap, "--concurrency", "2", "--disable-hot-restart",
		"--drain-time-s", "1", "--file-flush-interval-msec", "100", "--log-level", "warning")
	e.Process, err = e.rig.Start(e.name, words[0], words[1:]...)
	return err
}

// WaitReady waits until the Envoy has its first configuration and serves.
func (e *Envoy) WaitReady(ctx context.Context) error {
	err := e.until(ctx, func() error {
		_, err := e.get(ctx, "/ready")
		return err
	})
	if err != nil {
		return fmt.Errorf("envoy %s: %w", e.name, err)
	}
	return nil
}

// Listeners are the names of the listeners that accept connections, by Envoy's own account.
func (e *Envoy) Listeners(ctx context.Context) ([]string, error) {
	return e.names(ctx, "listener")
}

// Clusters are the names of the clusters that it has, by its own account.
func (e *Envoy) Clusters(ctx context.Context) ([]string, error) {
	return e.names(ctx, "cluster")
}

// names are those of all listeners or clusters.
func (e *Envoy) names(ctx context.Context, kind string) ([]string, error) {
	text, err := e.get(ctx, "/"+kind+"s?format=json")
	if err != nil {
		return nil, err
	}
	answer := map[string][]struct {
		Name string `json:"name"`
	}{}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("%ss of envoy %s: %w", kind, e.name, err)
	}
	var names []string
	for _, status := range answer[kind+"_statuses"] {
		names = append(names, status.Name)
	}
	return names, nil
}

// Stat is the value of one counter or gauge; a name that Envoy does not know is 0, as it makes some only when needed.
func (e *Envoy) Stat(ctx context.Context, name string) (int, error) {
	text, err := e.get(ctx, "/stats?filter="+url.QueryEscape("^"+name+"$"))
	if err != nil {
		return 0, err
	}
	_, value, found := strings.Cut(strings.TrimSpace(text), ": ")
	if !found {
		return 0, nil
	}
	return strconv.Atoi(value)
}

// HostStat is the value of one counter or gauge of an endpoint.
func (e *Envoy) HostStat(ctx context.Context, cluster, endpoint, name string) (int, error) {
	text, err := e.get(ctx, "/clusters")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(text, cluster+"::"+endpoint+"::"+name+"::")
	if !found {
		return 0, fmt.Errorf("envoy %s has no %s of %s in %s", e.name, name, endpoint, cluster)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(value)
}

func (e *Envoy) get(ctx context.Context, path string) (string, error) {
	return e.rig.get(ctx, "http://"+e.Admin+path)
}
