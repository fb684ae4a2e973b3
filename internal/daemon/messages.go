package daemon

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/l4xds/l4xds/pkg/config"
)

// The ids, which are stable, of the messages that are about reading files rather than about what is in them.
const (
	unreadableID = "L4X0011"
	changingID   = "L4X0012"
	// internalID is ours: a mistake of l4xds itself.
	internalID = "L4X9999"
)

// unreadable reports whether d says that something could not be read.
func unreadable(d config.Diagnostic) bool {
	return config.IsMissing(d) || d.ID == unreadableID || d.ID == changingID
}

// readable says for each of paths whether everything behind it could be read.
func readable(paths []string, messages config.Diagnostics) map[string]bool {
	healthy := make(map[string]bool, len(paths))
	for _, path := range paths {
		healthy[path] = !slices.ContainsFunc(messages, func(d config.Diagnostic) bool {
			return unreadable(d) && within(d.Position.File, path)
		})
	}
	return healthy
}

// within reports whether file is path, or lies in the directory path.
func within(file, path string) bool {
	dir := strings.TrimSuffix(path, string(filepath.Separator)) + string(filepath.Separator)
	return file == path || strings.HasPrefix(file, dir)
}
