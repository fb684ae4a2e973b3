package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultServer is where commands find the daemon unless told otherwise.
const defaultServer = "http://127.0.0.1:19000"

// probes are what can be asked, and the path that answers it.
var probes = map[string]string{"ready": "/readyz", "healthy": "/healthz"}

func newProbe() *cobra.Command {
	var server string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "probe ready|healthy",
		Short: "Ask a daemon how it is: a health check for containers without a shell",
		Long: "Ask a daemon how it is. The exit code is 0 if it is ready (a good configuration is in force) or healthy,\n" +
			"1 if it is not, 4 if it cannot be reached.",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"ready", "healthy"},
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			return probe(ctx, strings.TrimSuffix(server, "/")+probes[args[0]])
		},
	}
	addServerFlag(c, &server)
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "`TIME` to wait for the answer")
	return c
}

// addServerFlag lets a command say where the daemon is.
func addServerFlag(c *cobra.Command, server *string) {
	where := defaultServer
	if set := os.Getenv("L4XDS_SERVER"); set != "" {
		where = set
	}
	c.Flags().StringVar(server, "server", where, "`URL` of the daemon's admin address [$L4XDS_SERVER]")
}

func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fail(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return &failure{exitUnreachable, fmt.Errorf("reach the daemon: %w", err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	const enough = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(answer.Body, enough)) // what came is what there is to say
	return fail(fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text))))
}
