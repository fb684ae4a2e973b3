package config

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links are followed on the way to one path, as in Linux.
const maxLinks = 40

// watchWay notes the directories in which a change may lead path somewhere else: that of every link on the way, and
// that of what stands at its end. Where the way ends early it is the last directory that exists.
func (s *Source) watchWay(path string) {
	way := split(filepath.Clean(path))
	at, rest := way[0], way[1:]
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		info, err := os.Lstat(next)
		if err != nil {
			break
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if !info.IsDir() {
				break
			}
			at, rest = next, rest[1:]
			continue
		}
		s.watch[at] = true
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			break
		}
		to := split(filepath.Clean(target))
		if filepath.IsAbs(target) {
			at = to[0]
		}
		rest = append(to[1:], rest[1:]...)
	}
	s.watch[at] = true
}

// split is path as the directory where it starts ("/" or ".") and its elements.
func split(path string) []string {
	if filepath.IsAbs(path) {
		return append([]string{"/"}, elements(path[1:])...)
	}
	return append([]string{"."}, elements(path)...)
}

func elements(path string) []string {
	if path == "" || path == "." {
		return nil
	}
	return strings.Split(path, string(filepath.Separator))
}

// mountWarning says that changes of the file at path may not be seen; empty where there is no reason to fear it. A file
// that is a mount of its own shows its old self when an editor, or a ConfigMap, puts a new file in its place.
func (s *Source) mountWarning(path string) string {
	const cure = "; mount its directory instead"
	if s.looks[path].stale {
		s.unseen[path] = true
		return "the file was replaced, and this is the old one: it is a mount of its own" + cure
	}
	end := path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		end = target
	}
	if s.mounted == nil {
		s.mounted = s.mounts()
	}
	if end, err := filepath.Abs(end); err == nil && s.mounted[end] {
		s.unseen[path] = true
		return "the file is a mount of its own, so that a new file in its place is not seen" + cure
	}
	return ""
}

// mountPoints are the paths on which something is mounted; empty where the system does not say.
func mountPoints() map[string]bool {
	text, err := os.ReadFile("/proc/self/mountinfo")
	points := map[string]bool{}
	if err != nil {
		return points
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points[unescape.Replace(fields[4])] = true
		}
	}
	return points
}
