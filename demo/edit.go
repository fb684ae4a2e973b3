package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// edit replaces words of the file by others, and shows that. The file is yet to be saved.
func (s *stage) edit(words, others string) error {
	edited := strings.ReplaceAll(s.config, words, others)
	if edited == s.config {
		return fmt.Errorf("the file does not hold %q", words)
	}
	s.page.quote(difference(s.config, edited))
	s.config = edited
	return nil
}

// save saves the edited file, and tells when.
func (s *stage) save() (time.Time, error) {
	saved := time.Now()
	return saved, s.daemon.Save(s.config)
}

// apply saves the edited file, waits until both Envoys have it, and tells when it was saved.
func (s *stage) apply(ctx context.Context) (time.Time, error) {
	saved := time.Now()
	return saved, s.daemon.Apply(ctx, s.config)
}

// takeBack makes the file what it was, and waits until both Envoys have that.
func (s *stage) takeBack(ctx context.Context, config string) error {
	s.config = config
	_, err := s.apply(ctx)
	return err
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
