package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const good = "listeners: {a: {tcp: 1, to: 10.0.0.1:1}}\n"

// write makes a file and gives its path.
func write(t *testing.T, text string, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// says is what a Load of path says, without the path.
func says(path string) []string {
	_, ds := Load(NewSource(), nil, path)
	var said []string
	for _, d := range ds {
		said = append(said, strings.ReplaceAll(d.String(), filepath.Dir(path)+"/", ""))
	}
	return said
}

func TestUnreadable(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string) string
		want string
	}{
		{"missing", func(_ *testing.T, dir string) string { return dir + "/x.yaml" }, "x.yaml: error: does not exist [L4X0010]"},
		{"dangling link", func(t *testing.T, dir string) string {
			return link(t, "nowhere", dir, "x.yaml")
		}, "x.yaml: error: is a symbolic link to something that does not exist [L4X0010]"},
		{"link to itself", func(t *testing.T, dir string) string {
			return link(t, "x.yaml", dir, "x.yaml")
		}, "x.yaml: error: is a symbolic link that leads back to itself [L4X0011]"},
		{"pipe", func(t *testing.T, dir string) string {
			if err := syscall.Mkfifo(dir+"/x.yaml", 0o600); err != nil {
				t.Fatal(err)
			}
			return dir + "/x.yaml"
		}, "x.yaml: error: is not a regular file; what a pipe holds is read as - (standard input) [L4X0011]"},
		{"device", func(*testing.T, string) string { return "/dev/null" }, "null: error: is not a regular file; what a pipe holds is read as - (standard input) [L4X0011]"},
		{"17 MiB", func(t *testing.T, dir string) string {
			path := write(t, "", dir, "x.yaml")
			if err := os.Truncate(path, 17<<20); err != nil {
				t.Fatal(err)
			}
			return path
		}, "x.yaml: error: is larger than 16 MiB [L4X0011]"},
		{"empty directory", func(t *testing.T, dir string) string {
			write(t, good, dir, "x.yaml.bak")
			write(t, good, dir, ".x.yaml")
			write(t, good, dir, "x.yaml~")
			return dir
		}, "error: the directory holds no *.yaml or *.yml file [L4X0004]"},
		{"directory in a directory", func(t *testing.T, dir string) string {
			write(t, good, dir, "a.yaml")
			if err := os.Mkdir(dir+"/b.yaml", 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "b.yaml: error: is a directory; directories in a directory are not read [L4X0011]"},
		{"file as a directory", func(t *testing.T, dir string) string {
			return write(t, good, dir, "a") + "/x.yaml"
		}, "x.yaml: error: cannot be read: not a directory [L4X0011]"},
		{"no standard input", func(*testing.T, string) string { return "-" }, `-: error: "-" (standard input) cannot be read here [L4X0011]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			said := says(test.make(t, t.TempDir()))
			if len(said) != 1 || !strings.HasSuffix(said[0], test.want) {
				t.Errorf("said %q, want %q", said, test.want)
			}
		})
	}
}

func link(t *testing.T, target string, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPermission needs a user who is refused something; root is not.
func TestPermission(t *testing.T) {
	dir := t.TempDir()
	path := write(t, good, dir, "x.yaml")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	err := reason(path, &os.PathError{Op: "open", Path: path, Err: syscall.EACCES})
	want := fmt.Sprintf("may not be read by uid %d: permission denied", os.Geteuid())
	if err.Error() != want {
		t.Errorf("said %q, want %q", err, want)
	}
	if os.Geteuid() == 0 {
		return // the words are tested; the kernel would let root read it
	}
	if said := says(path); len(said) != 1 || !strings.Contains(said[0], want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

func TestIsMissing(t *testing.T) {
	dir := t.TempDir()
	_, ds := Load(NewSource(), nil, dir+"/x.yaml")
	if len(ds) != 1 || !IsMissing(ds[0]) {
		t.Errorf("a missing file: %v", ds)
	}
	_, ds = Load(NewSource(), nil, write(t, "", dir, "x.yaml"))
	if len(ds) != 1 || IsMissing(ds[0]) {
		t.Errorf("an empty file: %v", ds)
	}
}

func TestSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, "listeners: {a: {tcp: 1, to: web}, same: {tcp: 3, to: web}}\nversion: 1\n", dir, "a.yaml")
	write(t, "listeners: {b: {tcp: 2, to: web, nodes: g}}\n", dir, "b.yml")
	write(t, "backends: {web: {endpoints: 10.0.0.1:80}}\ngroups: {g: {id: x}}\n", dir, "c.yaml")
	write(t, "# not read\n", dir, "d.txt")
	extra := write(t, "defaults: {backends: {balance: random}}\n", t.TempDir(), "extra")

	src := NewSource()
	c, ds := Load(src, nil, dir, extra, dir+"/a.yaml") // a.yaml twice is a.yaml once
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	want := []string{dir + "/a.yaml", dir + "/b.yml", dir + "/c.yaml", extra}
	slices.Sort(want)
	if !slices.Equal(c.Files, want) || len(c.Listeners) != 3 || c.Backends[0].Balance != Random {
		t.Errorf("files %q, %d listeners, balance %s", c.Files, len(c.Listeners), c.Backends[0].Balance)
	}
	if got := c.Position(c.Listeners[1].At); got.File != dir+"/b.yml" {
		t.Errorf("listener b stands at %v", got)
	}

	write(t, "listeners: {same: {tcp: 4, to: web}}\nversion: 1\ndefaults: {}\n", dir, "e.yaml")
	_, ds = Load(NewSource(), nil, dir, extra)
	said := ds[0].String() + "\n" + ds[1].String() + "\n" + ds[2].String()
	for _, want := range []string{
		"e.yaml:1:13: error: listeners.same: the name stands twice; the first is at " + dir + "/a.yaml:1:35 [L4X0202]",
		"e.yaml:2:1: error: version: may stand in one file only; the first is at " + dir + "/a.yaml:2:1 [L4X0202]",
		extra + ":1:1: error: defaults: may stand in one file only; the first is at " + dir + "/e.yaml:3:1 [L4X0202]",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %s\nbut:\n%s", want, said)
		}
	}
}

// TestPartial holds that nothing is said of names that may stand in a file which cannot be read.
func TestPartial(t *testing.T) {
	dir := t.TempDir()
	write(t, "listeners: {a: {tcp: 1, to: web, nodes: g}, b: {tcp: 99999, to: web}}\n", dir, "a.yaml")
	write(t, "backends: {web: [\n", dir, "b.yaml")
	_, ds := Load(NewSource(), nil, dir)
	if len(ds) != 2 || ds[0].ID != string(idPort) || ds[1].ID != string(idSyntax) {
		t.Errorf("said %v", ds)
	}
}

// TestSum holds that two looks have one sum exactly if they saw the same.
func TestSum(t *testing.T) {
	dir := t.TempDir()
	path := write(t, good, dir, "a.yaml")
	src := NewSource()
	Load(src, nil, dir)
	same := func(what string, want bool) {
		t.Helper()
		again := src.Again()
		if got := again.Sum() == src.Sum(); got != want {
			t.Errorf("%s: same is %v, want %v", what, got, want)
		}
		src = again
		Load(src, nil, dir)
	}
	same("nothing happened", true)

	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	same("touched", true)

	write(t, strings.Replace(good, "tcp: 1", "tcp: 2", 1), dir, "a.yaml")
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	same("other content of the same size and time", false)

	write(t, good, dir, ".a.yaml.swp")
	same("an editor's file came", true)
	write(t, "x-a: 1\n", dir, "b.yaml")
	same("a file came", false)
	if err := os.Rename(dir+"/b.yaml", dir+"/c.yaml"); err != nil {
		t.Fatal(err)
	}
	same("a file was renamed", false)
	if err := os.Remove(dir + "/c.yaml"); err != nil {
		t.Fatal(err)
	}
	same("a file went", false)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	same("the directory went", false)
	same("it is still gone", true)
}

// TestSwap is a ConfigMap: a link to a file behind a link to a directory, which is swapped.
func TestSwap(t *testing.T) {
	dir := t.TempDir()
	put := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, text, dir, version, "x.yaml")
		link(t, version, dir, "..data_tmp")
		if err := os.Rename(dir+"/..data_tmp", dir+"/..data"); err != nil {
			t.Fatal(err)
		}
	}
	put("..1", good)
	link(t, "..data/x.yaml", dir, "x.yaml")
	src := NewSource()
	for i, load := range []string{dir + "/x.yaml", dir} {
		c, ds := Load(src, nil, load)
		if c == nil {
			t.Fatal(ds)
		}
		if watch := src.Watch(); !slices.Contains(watch, dir) || !slices.Contains(watch, fmt.Sprintf("%s/..%d", dir, i+1)) {
			t.Errorf("watched: %q", watch)
		}
		put(fmt.Sprintf("..%d", i+2), strings.Replace(good, "tcp: 1", fmt.Sprintf("tcp: %d", i+2), 1))
		again := src.Again()
		if again.Sum() == src.Sum() {
			t.Error("the swap was not seen")
		}
		c, _ = Load(again, nil, load)
		if got := c.Listeners[0].Binds[0].Port; got != uint16(i+2) {
			t.Errorf("after the swap the port is %d, want %d", got, i+2)
		}
		src = again
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	other := t.TempDir()
	for _, d := range []string{dir + "/conf", other + "/deep"} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, good, other, "deep", "real.yaml")
	tests := []struct {
		name, path string
		want       []string
	}{
		{"a file", write(t, good, dir, "conf", "a.yaml"), []string{dir + "/conf"}},
		{"a directory", dir + "/conf", []string{dir + "/conf"}},
		{"a missing file", dir + "/conf/none.yaml", []string{dir + "/conf"}},
		{"a missing directory", dir + "/none/deep/x.yaml", []string{dir}},
		{"a link to a file", link(t, other+"/deep/real.yaml", dir, "l.yaml"), []string{dir, other + "/deep"}},
		{"a link to a directory", link(t, other+"/deep", dir, "d") + "/real.yaml", []string{dir, other + "/deep"}},
		{"a relative link upwards", link(t, "../l.yaml", dir, "conf", "up.yaml"), []string{dir, dir + "/conf", other + "/deep"}},
		{"a dangling link", link(t, "gone.yaml", dir, "g.yaml"), []string{dir}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := NewSource()
			src.look(test.path)
			slices.Sort(test.want)
			if got := src.Watch(); !slices.Equal(got, test.want) {
				t.Errorf("watched: %q, want %q", got, test.want)
			}
		})
	}
}

func TestWatchRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, good, "x.yaml")
	src := NewSource()
	if c, ds := Load(src, nil, "x.yaml"); c == nil {
		t.Fatal(ds)
	}
	if got := src.Watch(); !slices.Equal(got, []string{"."}) {
		t.Errorf("watched: %q", got)
	}
}

// TestChanging holds that a file which is written while it is read is not taken half.
func TestChanging(t *testing.T) {
	path := write(t, good, t.TempDir(), "x.yaml")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if l := readFile(path, info, func() { write(t, time.Now().String(), path) }); l.err == nil || l.err.Error() != errChanging.Error() {
		t.Errorf("a file that never settles: %v", l.err)
	}
	writes := 0
	l := readFile(path, info, func() {
		if writes++; writes == 1 {
			write(t, good+good, path)
		}
	})
	if l.err != nil || string(l.text) != good+good {
		t.Errorf("a file that settles: %v %q", l.err, l.text)
	}
}

func TestMountWarning(t *testing.T) {
	path := write(t, good, t.TempDir(), "x.yaml")
	src := NewSource()
	src.mounts = func() map[string]bool { return map[string]bool{path: true} }
	c, ds := Load(src, nil, path)
	if c == nil || len(ds) != 1 || ds[0].Severity != Warning || ds[0].ID != string(idMounted) {
		t.Fatalf("a file that is a mount: %v", ds)
	}
	src = src.Again()
	src.looks[path].stale = true
	if _, ds := Load(src, nil, path); len(ds) != 1 || !strings.Contains(ds[0].Message, "was replaced") {
		t.Errorf("a mount of a file that was replaced: %v", ds)
	}
	if points := mountPoints(); len(points) > 0 && !points["/"] {
		t.Errorf("the root is no mount point: %v", points)
	}
}

func TestStdin(t *testing.T) {
	src := NewSource()
	src.Stdin(strings.NewReader(good))
	if c, ds := Load(src, nil, "-"); c == nil {
		t.Fatal(ds)
	}
	again := src.Again()
	if c, _ := Load(again, nil, "-"); c == nil || again.Sum() != src.Sum() {
		t.Error("standard input was not kept")
	}
	src = NewSource()
	src.Stdin(strings.NewReader(strings.Repeat(" ", maxFileSize+1)))
	if _, ds := Load(src, nil, "-"); len(ds) != 1 || ds[0].ID != string(idUnreadable) {
		t.Errorf("too much standard input: %v", ds)
	}
}
