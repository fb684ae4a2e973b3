package daemon

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/l4xds/l4xds/internal/watch"
)

// The ways in which an edit is noticed: by events alone, and by polling alone.
var noticing = map[string]func(*Options){
	"events": func(o *Options) { o.Watch = watch.Events },
	"poll":   func(o *Options) { o.Watch, o.PollInterval = watch.Poll, 10*time.Millisecond },
}

// editing is one way to change the file that is in force with port 1001, so that it has port 1002 afterwards.
type editing struct {
	name  string
	setup func(r *rig) // makes the configuration; nil writes the usual file
	edit  func(r *rig)
	paths func(r *rig) []string // nil: the usual file
}

// Every way in which people and programs write files ends with the new content in force, after one reload.
var edits = []editing{
	{name: "in place", edit: func(r *rig) { r.write(r.file, conf(1002)) }},
	{name: "renamed over", edit: func(r *rig) { r.save(conf(1002)) }},
	{name: "moved in from another directory", edit: func(r *rig) {
		other := filepath.Join(r.t.TempDir(), "edge.yaml")
		r.write(other, conf(1002))
		r.must(os.Rename(other, r.file))
	}},
	{name: "removed and made anew", edit: func(r *rig) {
		r.must(os.Remove(r.file))
		r.write(r.file, conf(1002))
	}},
	{name: "vim, backupcopy=no", edit: func(r *rig) {
		r.must(os.Rename(r.file, r.file+"~"))
		r.write(r.file, conf(1002))
		r.must(os.Remove(r.file + "~"))
	}},
	{name: "vim, backupcopy=yes, with its swap file", edit: func(r *rig) {
		r.write(filepath.Join(r.dir, ".edge.yaml.swp"), "b0VIM")
		r.write(r.file+"~", conf(1001))
		r.write(r.file, conf(1002))
		r.must(os.Remove(r.file + "~"))
		r.must(os.Remove(filepath.Join(r.dir, ".edge.yaml.swp")))
	}},
	{name: "emacs, with its lock", edit: func(r *rig) {
		lock := filepath.Join(r.dir, ".#edge.yaml")
		r.must(os.Symlink("someone@example.com.1:1", lock))
		r.save(conf(1002))
		r.must(os.Remove(lock))
	}},
	{name: "git checkout", edit: func(r *rig) {
		r.write(r.file+".lock", "")
		r.must(os.Remove(r.file))
		r.write(r.file, conf(1002))
		r.must(os.Remove(r.file + ".lock"))
	}},
	{name: "sed -i", edit: func(r *rig) { r.shell("sed -i s/1001/1002/ edge.yaml") }},
	{name: "cp", edit: func(r *rig) { r.shell("sed s/1001/1002/ edge.yaml >../new && cp ../new edge.yaml") }},
	{name: "install", edit: func(r *rig) { r.shell("sed s/1001/1002/ edge.yaml >../new && install ../new edge.yaml") }},
	{name: "ln -f", edit: func(r *rig) { r.shell("sed s/1001/1002/ edge.yaml >../new && ln -f ../new edge.yaml") }},
	{name: "same size and time", edit: func(r *rig) {
		info, err := os.Stat(r.file)
		r.must(err)
		part := filepath.Join(r.dir, ".part")
		r.write(part, conf(1002))
		r.must(os.Chtimes(part, info.ModTime(), info.ModTime()))
		r.must(os.Rename(part, r.file))
	}},
	{name: "the directory replaced", edit: func(r *rig) {
		r.must(os.Rename(r.dir, r.dir+".old"))
		r.must(os.Mkdir(r.dir, 0o700))
		r.write(r.file, conf(1002))
	}},
	{name: "the directory removed and made anew", edit: func(r *rig) {
		r.must(os.RemoveAll(r.dir))
		r.must(os.Mkdir(r.dir, 0o700))
		r.write(r.file, conf(1002))
	}},
	{
		name:  "..data swapped",
		setup: func(r *rig) { r.mount("..1", conf(1001)) },
		edit:  func(r *rig) { r.mount("..2", conf(1002)) },
	},
	{
		name:  "..data swapped under a directory",
		setup: func(r *rig) { r.mount("..1", conf(1001)) },
		edit:  func(r *rig) { r.mount("..2", conf(1002)) },
		paths: func(r *rig) []string { return []string{r.dir} },
	},
	{
		name: "the file behind a link",
		setup: func(r *rig) {
			r.write(r.elsewhere("real.yaml"), conf(1001))
			r.must(os.Symlink(r.elsewhere("real.yaml"), r.file))
		},
		edit: func(r *rig) { r.replace(r.elsewhere("real.yaml"), conf(1002)) },
	},
	{
		name: "a link set to another file",
		setup: func(r *rig) {
			r.write(r.elsewhere("one.yaml"), conf(1001))
			r.write(r.elsewhere("two.yaml"), conf(1002))
			r.must(os.Symlink(r.elsewhere("one.yaml"), r.file))
		},
		edit: func(r *rig) {
			r.must(os.Symlink(r.elsewhere("two.yaml"), r.file+".part"))
			r.must(os.Rename(r.file+".part", r.file))
		},
	},
	{
		name: "a link to a directory set to another one",
		setup: func(r *rig) {
			for dir, port := range map[string]int{"v1": 1001, "v2": 1002} {
				r.must(os.MkdirAll(r.elsewhere(dir), 0o700))
				r.write(r.elsewhere(dir, "edge.yaml"), conf(port))
			}
			r.must(os.Symlink(r.elsewhere("v1"), r.elsewhere("current")))
		},
		edit: func(r *rig) {
			r.must(os.Symlink(r.elsewhere("v2"), r.elsewhere("next")))
			r.must(os.Rename(r.elsewhere("next"), r.elsewhere("current")))
		},
		paths: func(r *rig) []string { return []string{r.elsewhere("current")} },
	},
}

// elsewhere is a path in a directory beside the usual one.
func (r *rig) elsewhere(parts ...string) string {
	r.t.Helper()
	dir := r.dir + ".elsewhere"
	r.must(os.MkdirAll(dir, 0o700))
	return filepath.Join(append([]string{dir}, parts...)...)
}

func (r *rig) shell(script string) {
	r.t.Helper()
	c := exec.CommandContext(r.t.Context(), "sh", "-ec", script)
	c.Dir = r.dir
	if text, err := c.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, text)
	}
}

// mount shows the content as Kubernetes shows a ConfigMap: behind ..data, a link that is replaced as a whole.
func (r *rig) mount(version, text string) {
	r.t.Helper()
	data := filepath.Join(r.dir, "..data")
	old, _ := os.Readlink(data) // none, the first time
	r.must(os.Mkdir(filepath.Join(r.dir, version), 0o700))
	r.write(filepath.Join(r.dir, version, "edge.yaml"), text)
	r.must(os.Symlink(version, data+"_tmp"))
	r.must(os.Rename(data+"_tmp", data))
	if old == "" {
		r.must(os.Symlink(filepath.Join("..data", "edge.yaml"), r.file))
		return
	}
	r.must(os.RemoveAll(filepath.Join(r.dir, old)))
}

func TestEdits(t *testing.T) {
	for way, options := range noticing {
		for _, e := range edits {
			t.Run(way+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				if e.setup != nil {
					e.setup(r)
				} else {
					r.write(r.file, conf(1001))
				}
				var paths []string
				if e.paths != nil {
					paths = e.paths(r)
				}
				r.start(options, paths...)
				r.wantPort(1001)
				e.edit(r)
				r.wantPort(1002)
				r.settle()
				if c := r.config(); c.Generation != 2 || c.State != "applied" {
					t.Errorf("generation %d, state %s after one edit: %v", c.Generation, c.State, c.Messages)
				}
			})
		}
	}
}

// settle lets pass what has already happened to the files: the watcher's settle time, and some polls.
func (r *rig) settle() { time.Sleep(150 * time.Millisecond) }

// Every one of many replacements is noticed, whichever comes while another is being looked at.
func TestManyEdits(t *testing.T) {
	for way, options := range noticing {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.start(options)
			rounds := 100
			if way == "poll" {
				rounds = 10 // each takes two polls, and the pause between them
			}
			for i := range rounds {
				r.save(conf(2000 + i))
				r.wantPort(2000 + i)
			}
		})
	}
}

// startCalm starts a daemon that waits for longer pauses than a loaded machine makes in a stream of writes.
func (r *rig) startCalm(change func(*Options), paths ...string) {
	r.t.Helper()
	r.bind(func(o *Options) {
		change(o)
		o.Settle = time.Second
	}, paths...)
	r.daemon.reloader.patience = patience{grace: grace, pause: time.Second}
	r.run()
}

// published collects the hashes of all configurations that were ever in force, in order.
func (r *rig) published() (stop func() []string) {
	var hashes []string
	var done sync.WaitGroup
	quit := make(chan struct{})
	done.Go(func() {
		for {
			generation, replaced := r.daemon.reloader.store.Wait()
			if generation != nil {
				hashes = append(hashes, generation.Config.Hash)
			}
			select {
			case <-replaced:
			case <-quit:
				return
			}
		}
	})
	return func() []string {
		close(quit)
		done.Wait()
		return slices.Compact(hashes)
	}
}

// A file that is written byte by byte is valid at many lengths. None of them is ever in force but the whole.
func TestHalfWrittenFilesAreNeverInForce(t *testing.T) {
	for way, options := range noticing {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.startCalm(options)
			r.wantPort(1001)
			stop := r.published()
			f, err := os.Create(r.file)
			r.must(err)
			for _, b := range []byte(conf(1002)) {
				_, err := f.Write([]byte{b})
				r.must(err)
				time.Sleep(5 * time.Millisecond)
			}
			r.must(f.Close())
			r.wantPort(1002)
			if got := stop(); len(got) != 2 {
				t.Errorf("in force were %d different contents, want the old one and the new one", len(got))
			}
			if got := r.config().Messages; len(got) > 0 {
				t.Errorf("mistakes were reported in a file that was being written: %v", got)
			}
		})
	}
}

// Whoever never stops writing is read all the same.
func TestAWriterThatNeverPauses(t *testing.T) {
	for way, options := range noticing {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.startCalm(options)
			r.wantPort(1001)
			begun := time.Now()
			for i := 0; r.port() == 1001; i++ {
				if time.Since(begun) > long {
					t.Fatal("never read")
				}
				r.write(r.file, conf(3000+i))
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

// What does not change the content is no reload.
func TestNothingNew(t *testing.T) {
	changes := map[string]func(r *rig){
		"touched a thousand times": func(r *rig) {
			for i := range 1000 {
				at := time.Unix(int64(i), 0)
				r.must(os.Chtimes(r.file, at, at))
			}
		},
		"mode changed":              func(r *rig) { r.must(os.Chmod(r.file, 0o640)) },
		"replaced by the same":      func(r *rig) { r.save(conf(1001)) },
		"there and back":            func(r *rig) { r.write(r.file, conf(1002)); r.write(r.file, conf(1001)) },
		"a neighbour comes":         func(r *rig) { r.write(filepath.Join(r.dir, "other.yaml"), wrong) },
		"hidden files and leftover": func(r *rig) { r.write(filepath.Join(r.dir, ".edge.yaml"), wrong); r.write(r.file+".bak", wrong) },
	}
	for way, options := range noticing {
		for name, change := range changes {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.write(r.file, conf(1001))
				r.startCalm(options)
				r.wantPort(1001)
				change(r)
				r.hangup <- syscall.SIGHUP
				r.wantLog("configuration is unchanged")
				if c := r.config(); c.Generation != 1 || len(c.Messages) > 0 {
					t.Errorf("generation %d, messages %v, want the first one and none", c.Generation, c.Messages)
				}
			})
		}
	}
}

// In a directory, files come, go and change their names.
func TestDirectories(t *testing.T) {
	second := func(port int) string {
		return fmt.Sprintf("listeners:\n  zz:\n    tcp: %d\n    to: 10.0.0.1:5432\n", port)
	}
	tests := []struct {
		name string
		edit func(r *rig)
		want []int
	}{
		{"a file more", func(r *rig) { r.write(filepath.Join(r.dir, "zz.yml"), second(2001)) }, []int{1001, 2001}},
		{"a file renamed", func(r *rig) {
			r.must(os.Rename(r.file, filepath.Join(r.dir, "new.yaml")))
			r.write(filepath.Join(r.dir, "zz.yaml"), second(2002))
		}, []int{1001, 2002}},
		{"hidden files do not count", func(r *rig) {
			r.write(filepath.Join(r.dir, ".zz.yaml"), second(2003))
			r.write(filepath.Join(r.dir, "zz.yaml~"), second(2003))
			r.must(os.Mkdir(filepath.Join(r.dir, "deeper"), 0o700))
			r.write(filepath.Join(r.dir, "deeper", "zz.yaml"), second(2003))
			r.write(r.file, conf(1004))
		}, []int{1004}},
		{"fifty files over a while", func(r *rig) {
			for i := range 50 {
				r.write(filepath.Join(r.dir, fmt.Sprintf("x%02d.yaml", i)), strings.Replace(second(3000+i), "zz", fmt.Sprintf("zz%02d", i), 1))
				time.Sleep(6 * time.Millisecond)
			}
		}, append([]int{1001}, ports(3000, 50)...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.startCalm(noticing["events"], r.dir)
			r.wantPort(1001)
			test.edit(r)
			r.until(fmt.Sprint(test.want), func() bool { return slices.Equal(r.allPorts(), test.want) })
			if got := r.config().Generation; got != 2 {
				t.Errorf("generation %d, want 2: one reload with all of it", got)
			}
		})
	}
}

func ports(from, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = from + i
	}
	return list
}

// allPorts are those in force.
func (r *rig) allPorts() []int {
	var list []int
	for _, l := range r.daemon.model.InForce().Listeners {
		list = append(list, int(l.Binds[0].Port))
	}
	return list
}

// What cannot be read is an error that keeps what is in force, and never blocks the loop.
func TestUnreadable(t *testing.T) {
	tests := []struct {
		name string
		make func(r *rig, path string) error
		want string
	}{
		{"a pipe", func(_ *rig, path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		{"a link to nothing", func(_ *rig, path string) error { return os.Symlink("nothing", path) }, "does not exist"},
		{"a link to itself", func(r *rig, path string) error { return os.Symlink(r.file, path) }, "leads back to itself"},
		{"a directory without files", func(_ *rig, path string) error { return os.Mkdir(path, 0o700) }, "error"},
		{"too large", func(r *rig, path string) error {
			r.write(path, "")
			return os.Truncate(path, 17<<20)
		}, "is larger than 16 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write(r.file, conf(1001))
			r.start(nil)
			r.wantPort(1001)
			part := filepath.Join(r.dir, ".part")
			r.must(test.make(r, part))
			r.must(os.Remove(r.file)) // no directory takes the place of a file
			r.must(os.Rename(part, r.file))
			r.wantRefused(test.want, 1001)
			if code, _ := r.get("/healthz"); code != http.StatusOK {
				t.Errorf("/healthz: %d, want 200", code)
			}
			r.must(os.Remove(r.file))
			r.save(conf(1002))
			r.wantPort(1002)
		})
	}
}
