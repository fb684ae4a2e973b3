package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/test/rig"
)

func TestQuantile(t *testing.T) {
	var s series
	for i := range 200 {
		s = append(s, time.Duration(200-i))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 100, 0.99: 198, 1: 200} {
		if got := s.quantile(q); got != want {
			t.Errorf("quantile(%v) = %d, want %d", q, got, want)
		}
	}
	if got := (series{}).quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %d, want 0", got)
	}
}

// TestMixedWorld: an Envoy of the group edge is given what the tables say.
func TestMixedWorld(t *testing.T) {
	w := mixedWorld(100, space{subnet: 20, port: 10000}, "127.0.0.1:9000")
	view, err := compile(w)
	if err != nil {
		t.Fatal(err)
	}
	names := func(typ snapshot.Type) []string {
		var list []string
		for _, e := range view.Sets[typ].Entries {
			list = append(list, e.Name)
		}
		return list
	}
	if got := names(snapshot.EDS); !slices.Equal(got, w.names()) {
		t.Errorf("assignments are %v, want %v", got, w.names())
	}
	forCore := 0
	for _, s := range w.stanzas {
		if s.group == core {
			forCore++
		}
	}
	if got, want := len(names(snapshot.LDS)), 150-forCore; got != want || forCore == 0 {
		t.Errorf("%d listeners, want %d of 150", got, want)
	}
	if got := len(w.both()); got != 50 {
		t.Errorf("%d stanzas have TCP and UDP, want 50", got)
	}
}

// TestFilesystem: an edit replaces the files that differ, and nothing is named before it is there.
func TestFilesystem(t *testing.T) {
	w := mixedWorld(20, space{subnet: 20, port: 10000}, "127.0.0.1:9000")
	f := &filesystem{dir: t.TempDir(), assignments: true}
	stage := func() []string {
		t.Helper()
		e, err := f.stage(w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.commit(); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, rename := range e {
			kinds = append(kinds, filepath.Base(filepath.Dir(rename.to)))
		}
		return kinds
	}
	want := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("replaced %v, want %v", got, want)
		}
	}
	first := stage()
	want(first[len(first)-2:], "cds", "lds")
	want(stage())

	st := w.both()[0]
	st.endpoint = "127.0.0.1:9001"
	want(stage(), "eds-"+st.backend)
	st.backend = "new"
	want(stage(), "eds-new", "cds", "lds")

	f.assignments = false
	st.endpoint = "127.0.0.1:9002"
	stage()
	text, err := os.ReadFile(f.path("cds"))
	if err != nil || !strings.Contains(string(text), "9002") {
		t.Errorf("the endpoint does not stand in its cluster: %v", err)
	}
}

func TestReloadTellsEveryStage(t *testing.T) {
	b := &bench{edits: 1, blue: backend{address: "127.0.0.1:1"}, green: backend{address: "127.0.0.1:2"}}
	b.Rig = rig.New(t.TempDir())
	w := mixedWorld(8, space{subnet: 20, port: 10000}, b.blue.address)
	stages, err := b.reloads(w, kinds[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range stages {
		if len(s) != b.edits || s[0] <= 0 {
			t.Errorf("stage %d: %v, want %d durations", i, s, b.edits)
		}
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose([]string{"fleet"}); err != nil || len(got) != 1 || got[0].name != "fleet" {
		t.Errorf("got %v, %v, want fleet", got, err)
	}
	if _, err := choose([]string{"flet"}); err == nil {
		t.Error("a measurement that does not exist is chosen")
	}
	if got, err := choose(nil); err != nil || len(got) != len(measurements) {
		t.Errorf("got %d, %v, want all", len(got), err)
	}
}
