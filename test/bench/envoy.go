package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/l4xds/l4xds/test/rig"
)

// startEnvoy starts an Envoy on a bootstrap, and waits until it has its first configuration.
func startEnvoy(ctx context.Context, r *rig.Rig, admin, bootstrap string) (*rig.Process, error) {
	bin, err := rig.EnvoyPath()
	if err != nil {
		return nil, err
	}
	path, err := r.WriteFile("envoy.yaml", bootstrap)
	if err != nil {
		return nil, err
	}
	// Short drains: old listeners would add up over hundreds of edits.
	process, err := r.Start("envoy", bin, "-c", path, "--concurrency", "2", "--use-dynamic-base-id",
		"--drain-time-s", "1", "--log-level", "warning")
	if err != nil {
		return nil, err
	}
	return process, until(ctx, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/ready", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("envoy: %s", response.Status)
		}
		return nil
	})
}
