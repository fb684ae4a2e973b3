// Command demo shows the main job: real Envoys follow one file, and edits of it, while real bytes pass through them.
//
// It starts stand-in backends, the daemon and two Envoys of different groups, on loopback, and plays six scenes. Each
// checks what it shows; the exit code is 0 only if all of it happened. With KEEP=1 everything is left running until
// Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/l4xds/l4xds/test/rig"
)

// limit is how long the demo may take; it is over in a few seconds.
const limit = 2 * time.Minute

func main() {
	// A second signal ends the demo at once, and its processes with it.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Getenv("L4XDS"), os.Getenv("KEEP") != ""); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// run plays the demo with the l4xds command at the path.
func run(ctx context.Context, program string, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "l4xds-demo-")
	if err != nil {
		return err
	}
	s := &stage{Rig: rig.New(dir), page: newPage(os.Stdout), program: program}
	defer func() { err = errors.Join(err, s.Close(), os.RemoveAll(dir)) }()

	start := time.Now()
	if err := s.play(ctx); err != nil {
		s.showLogs()
		return err
	}
	s.page.end("All of it happened, in %.1f s.", time.Since(start).Seconds())
	if !keep {
		return nil
	}
	s.showHowToGoOn()
	<-ctx.Done()
	return nil
}

// play sets the stage and plays the scenes, until one fails.
func (s *stage) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.set(ctx); err != nil {
		return err
	}
	scenes := []struct {
		title string
		play  func(context.Context) error
	}{
		{"One file, two Envoys", s.traffic},
		{"An edit, while traffic flows", s.liveEdit},
		{"A shift of weights", s.weights},
		{"An edit with a mistake in it", s.mistake},
		{"A port that is taken", s.portTaken},
		{"What the daemon counts", s.metrics},
	}
	for i, scene := range scenes {
		s.page.scene(i+1, scene.title)
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
	}
	return nil
}
