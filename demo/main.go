// Command demo shows the main job: real Envoys follow one file, and edits of it, while real bytes pass through them.
//
// It starts stand-in backends, the daemon and two Envoys of different groups, on loopback, and plays its scenes. Each
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

// limit is how long a scene may take; each is over within a second.
const limit = 30 * time.Second

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
	err = s.play(ctx)
	s.page.close()
	if err != nil {
		if ctx.Err() == nil { // nobody interrupted it
			s.showLogs()
		}
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

// play plays the scenes, until one fails.
func (s *stage) play(ctx context.Context) error {
	scenes := []struct {
		title string
		play  func(context.Context) error
	}{
		{"Setting the stage", s.set},
		{"One file, two Envoys", s.traffic},
		{"An edit, while traffic flows", s.liveEdit},
		{"A shift of weights", s.weights},
		{"An edit with a mistake in it", s.mistake},
		{"A port that is taken", s.portTaken},
		{"What the daemon counts", s.metrics},
	}
	for _, scene := range scenes {
		s.page.scene(scene.title)
		if err := s.within(ctx, scene.play); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
	}
	return nil
}

func (s *stage) within(ctx context.Context, play func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return play(ctx)
}
