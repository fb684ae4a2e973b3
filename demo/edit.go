package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/l4xds/l4xds/test/rig"
)

// edit replaces words of the file by others, shows that, and tells when it was saved.
func (s *stage) edit(words, others string) (time.Time, error) {
	edited := strings.ReplaceAll(s.config, words, others)
	if edited == s.config {
		return time.Time{}, fmt.Errorf("the file does not hold %q", words)
	}
	s.page.quote(difference(s.config, edited))
	s.config = edited
	saved := time.Now()
	return saved, s.daemon.Save(edited)
}

// apply saves what the stage wants the file to hold, and waits until the Envoys have it.
func (s *stage) apply(ctx context.Context) error {
	if err := s.daemon.Save(s.config); err != nil {
		return err
	}
	return s.synced(ctx)
}

// synced waits until the file is in force and both Envoys have it.
func (s *stage) synced(ctx context.Context) error {
	return s.daemon.WaitStatus(ctx, func(status *rig.Status) error {
		if status.Config.State != "applied" {
			return fmt.Errorf("the configuration is %s", status.Config.State)
		}
		return status.Synced()
	})
}

// difference are the lines of two texts that differ.
func difference(before, after string) string {
	var out strings.Builder
	had, has := lineSet(before), lineSet(after)
	for line := range strings.Lines(before) {
		if !has[line] {
			out.WriteString("- " + line)
		}
	}
	for line := range strings.Lines(after) {
		if !had[line] {
			out.WriteString("+ " + line)
		}
	}
	return out.String()
}

func lineSet(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}
