package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxFileSize is how large one file may be, in bytes. 10,000 listeners take about 1 MiB.
const maxFileSize = 16 << 20

// The reasons for which a path cannot be read; the texts are for people.
var (
	errMissing     = errors.New("does not exist")
	errDangling    = errors.New("is a symbolic link to something that does not exist")
	errLoop        = errors.New("is a symbolic link that leads back to itself")
	errNotRegular  = errors.New("is not a regular file; what a pipe holds is read as - (standard input)")
	errTooLarge    = fmt.Errorf("is larger than %d MiB", maxFileSize>>20)
	errChanging    = errors.New("keeps changing while it is read")
	errInDirectory = errors.New("is a directory; directories in a directory are not read")
	errNoStdin     = errors.New(`"-" (standard input) cannot be read here`)
)

// Source is one look at the files: it reads each path once and remembers what it saw, so that the bytes that are
// compared are the bytes that are parsed. It is not for concurrent use. The zero value is not usable; see [NewSource].
type Source struct {
	stdin io.Reader
	// at is when the look began, and until when more, or less, is to be said of what it saw: a certificate has begun to be
	// valid, or is near its end. Zero is never. epoch counts how often that came in this chain of looks.
	at, until time.Time
	epoch     int
	looks     map[string]*look
	// used are the paths that were asked for of this look; see forget.
	used  map[string]bool
	watch map[string]bool
	// mounts gives the paths on which something is mounted; they are kept in mounted.
	mounts  func() map[string]bool
	mounted map[string]bool
	// named are the paths that stanzas name, as opposed to those of the configuration itself.
	named map[string]bool
	// unseen are the files that are mounts of their own.
	unseen map[string]bool
}

// look is what was seen at one path.
type look struct {
	// directory is whether the path is one; names are then its files that belong to the configuration.
	directory bool
	names     []string
	// text and sum are those of a file.
	text []byte
	sum  [sha256.Size]byte
	// stale is whether the file was replaced while this mount of it was kept: it has no name any more.
	stale bool
	err   error
}

// NewSource is a look that has seen nothing yet.
func NewSource() *Source {
	return &Source{
		at: time.Now(), looks: map[string]*look{}, used: map[string]bool{}, watch: map[string]bool{}, mounts: mountPoints,
		named: map[string]bool{}, unseen: map[string]bool{},
	}
}

// Stdin lets the path "-" be read from r. Without it "-" is an error.
func (s *Source) Stdin(r io.Reader) { s.stdin = r }

// Again is a new look that has re-read every file and directory that s had read. Standard input is not read twice. What a
// Load has found out about s holds for it, until the next one.
func (s *Source) Again() *Source {
	again := NewSource()
	again.mounts, again.named, again.unseen = s.mounts, maps.Clone(s.named), maps.Clone(s.unseen)
	again.epoch, again.until = s.epoch, s.until
	if !s.until.IsZero() && !again.at.Before(s.until) {
		again.epoch, again.until = s.epoch+1, time.Time{}
	}
	for _, path := range slices.Sorted(maps.Keys(s.looks)) {
		if path == "-" {
			again.looks[path] = s.looks[path]
			continue
		}
		again.looks[path] = again.read(path)
	}
	return again
}

// begin makes s ready for a Load.
func (s *Source) begin() {
	clear(s.used)
	clear(s.named)
	clear(s.unseen)
	s.until = time.Time{}
}

// goodUntil notes that the look is to be judged again at t; zero is never.
func (s *Source) goodUntil(t time.Time) { s.until = earlier(s.until, t) }

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// forget drops what was read only because an earlier look had: what the files name changes with them.
func (s *Source) forget() {
	maps.DeleteFunc(s.looks, func(path string, _ *look) bool { return !s.used[path] })
}

// Sum is a hash of everything that was read: names, bytes and failures. Two looks with equal sums saw the same. It also
// changes when time alone changes what is to be said of a certificate.
func (s *Source) Sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", s.epoch)
	for _, path := range slices.Sorted(maps.Keys(s.looks)) {
		l := s.looks[path]
		fmt.Fprintf(h, "%q %v %q %x %v\n", path, l.directory, l.names, l.sum, l.err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Watch are the directories in which a change may concern what was read, sorted: those of every link on the way to a
// file, that of the file itself, and the nearest one that exists for a path that does not.
func (s *Source) Watch() []string { return slices.Sorted(maps.Keys(s.watch)) }

// Mounted are the files that are mounts of their own, sorted: no event in their directory speaks of them.
func (s *Source) Mounted() []string { return slices.Sorted(maps.Keys(s.unseen)) }

// Files are the paths of the files that were read, sorted.
func (s *Source) Files() []string {
	var files []string
	for path, l := range s.looks {
		if !l.directory && l.err == nil {
			files = append(files, path)
		}
	}
	slices.Sort(files)
	return files
}

// Documents are those of Files that the configuration itself is written in.
func (s *Source) Documents() []string {
	return slices.DeleteFunc(s.Files(), func(path string) bool { return s.named[path] })
}

// look reads path, once.
func (s *Source) look(path string) *look {
	s.used[path] = true
	if l, ok := s.looks[path]; ok {
		return l
	}
	l := s.read(path)
	s.looks[path] = l
	return l
}

// lookNamed reads what a stanza names, once.
func (s *Source) lookNamed(path string) *look {
	s.named[path] = true
	return s.look(path)
}

func (s *Source) read(path string) *look {
	if path == "-" {
		return s.readStdin()
	}
	s.watchWay(path)
	info, err := os.Stat(path)
	if err != nil {
		return &look{err: reason(path, err)}
	}
	if info.IsDir() {
		return readDirectory(path)
	}
	return readFile(path, info, func() {})
}

func (s *Source) readStdin() *look {
	if s.stdin == nil {
		return &look{err: errNoStdin}
	}
	text, err := io.ReadAll(io.LimitReader(s.stdin, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		err = errTooLarge
	}
	if err != nil {
		return &look{err: err}
	}
	return &look{text: text, sum: sha256.Sum256(text)}
}

// readDirectory lists the files of a directory that belong to the configuration; it does not go deeper.
func readDirectory(path string) *look {
	entries, err := os.ReadDir(path)
	if err != nil {
		return &look{directory: true, err: reason(path, err)}
	}
	l := &look{directory: true}
	for _, e := range entries {
		if configFile(e.Name()) {
			l.names = append(l.names, e.Name())
		}
	}
	return l
}

// configFile reports whether a file of that name in a directory belongs to the configuration. Editors' leftovers
// (.x.swp, x.yaml~, x.yaml.bak) and a ConfigMap's ..data do not.
func configFile(name string) bool {
	ext := filepath.Ext(name)
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml")
}

// changes is how often a file may change while it is read before that is an error.
const changes = 5

// readFile reads a file whose Stat is known. A pipe or a device is refused unopened: opening one may block, or act.
// between is called while the file is read, for tests.
func readFile(path string, info fs.FileInfo, between func()) *look {
	for range changes {
		switch {
		case !info.Mode().IsRegular():
			return &look{err: errNotRegular}
		case info.Size() > maxFileSize:
			return &look{err: errTooLarge}
		}
		l, err := readOnce(path, between)
		if err != nil {
			return &look{err: reason(path, err)}
		}
		if l != nil {
			return l
		}
		if info, err = os.Stat(path); err != nil {
			return &look{err: reason(path, err)}
		}
	}
	return &look{err: errChanging}
}

// readOnce is nil, nil for a file that changed while it was read.
func readOnce(path string, between func()) (*look, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // not even a pipe that came just now may block
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	between()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !sameContent(before, after) || int64(len(text)) != after.Size() {
		return nil, nil
	}
	return &look{text: text, sum: sha256.Sum256(text), stale: links(after) == 0}, nil
}

func sameContent(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// links is how many names a file has; 1 where the system does not say.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // it has other types on other systems
	}
	return 1
}

// reason is err as people read it, without the path, which the message names anyway.
func reason(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ELOOP):
		return errLoop
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return errDangling
		}
		return errMissing
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not be read by uid %d: permission denied", os.Geteuid())
	}
	if detail, ok := errors.AsType[*fs.PathError](err); ok {
		err = detail.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
