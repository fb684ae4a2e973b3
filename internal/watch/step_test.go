package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// play feeds a script to step as the loop does: ticks come whenever a deadline passes. It returns the hints with the
// milliseconds at which they were given, as "whole@3 quiet@250".
func play(s state, script []observation, until time.Duration) string {
	start := time.Unix(0, 0)
	s.polled = start
	var said []string
	take := func(o observation) {
		var hint Hint
		if s, hint = step(s, o); hint != 0 {
			name := [...]string{Due: "due", Quiet: "quiet", Whole: "whole"}[hint]
			said = append(said, name+"@"+strconv.FormatInt(o.at.Sub(start).Milliseconds(), 10))
		}
	}
	for _, o := range append(slices.Clone(script), observation{kind: ticked, at: start.Add(until)}) {
		for d := s.deadline(); !d.IsZero() && d.Before(o.at); d = s.deadline() {
			take(observation{kind: ticked, at: d})
		}
		take(o)
	}
	return strings.Join(said, " ")
}

// parse reads a script: "12 +/c/edge.yaml" is: at 12 ms the name appeared; - vanished, ~ changed, ! events lost,
// = armed anew with something fresh, : armed with nothing fresh.
func parse(t *testing.T, lines ...string) []observation {
	t.Helper()
	script := make([]observation, 0, len(lines))
	for _, line := range lines {
		ms, rest, ok := strings.Cut(line, " ")
		n, err := strconv.Atoi(ms)
		if !ok || err != nil {
			t.Fatalf("bad line in script: %q", line)
		}
		o := observation{at: time.Unix(0, 0).Add(time.Duration(n) * time.Millisecond), path: rest[1:]}
		switch rest[0] {
		case '+':
			o.kind = appeared
		case '-':
			o.kind = vanished
		case '~':
			o.kind = changed
		case '!':
			o.kind = lost
		case '=', ':':
			o = observation{at: o.at, kind: armed, whole: []string{"/c/edge.yaml"}, poll: 5 * time.Second, fresh: rest[0] == '='}
		}
		script = append(script, o)
	}
	return script
}

func TestStep(t *testing.T) {
	const until = 4 * time.Second // before the first poll
	tests := []struct {
		name   string
		script []string
		want   string
	}{
		{"nothing", nil, ""},
		{"in place", []string{"10 ~/c/edge.yaml"}, "quiet@110"},
		{"two writes are one look", []string{"10 ~/c/edge.yaml", "90 ~/c/edge.yaml"}, "quiet@190"},
		{
			"renamed over",
			[]string{"10 +/c/.tmp", "11 ~/c/.tmp", "12 -/c/.tmp", "12 +/c/edge.yaml"},
			"whole@12",
		},
		{"renamed over twice", []string{"1 -/c/a", "1 +/c/edge.yaml", "2 -/c/a", "2 +/c/edge.yaml"}, "whole@1 whole@2"},
		{"written after the rename", []string{"1 -/c/a", "1 +/c/edge.yaml", "2 ~/c/edge.yaml"}, "whole@1 quiet@102"},
		{"moved in from elsewhere", []string{"1 +/c/edge.yaml"}, "quiet@101"},
		{"moved within another directory", []string{"1 -/d/a", "1 +/c/edge.yaml"}, "quiet@101"},
		{"something between", []string{"1 -/c/a", "1 ~/c/b", "1 +/c/edge.yaml"}, "quiet@101"},
		{
			"vim's backup: the file itself goes away first", // and is then written anew
			[]string{"1 -/c/edge.yaml", "1 +/c/edge.yaml~", "1 +/c/edge.yaml", "2 ~/c/edge.yaml"},
			"quiet@102",
		},
		{"gone and made anew", []string{"1 -/c/edge.yaml", "1 +/c/edge.yaml"}, "quiet@101"},
		{"another file", []string{"1 -/c/a", "1 +/c/other.yaml"}, "quiet@101"},
		{"..data", []string{"1 +/c/..1", "1 +/c/..data_tmp", "2 -/c/..data_tmp", "2 +/c/..data"}, "whole@2"},
		{"..data made without a rename", []string{"1 +/c/..data"}, "quiet@101"},
		{"events lost", []string{"1 !"}, "quiet@101"},
		{"armed with something fresh", []string{"1 ="}, "due@1"},
		{"armed with nothing fresh", []string{"1 :"}, ""},
		{"armed while it is not quiet", []string{"1 ~/c/a", "50 :"}, "quiet@101"},
		{"a rename across an arming is not trusted", []string{"1 -/c/a", "1 :", "1 +/c/edge.yaml"}, "quiet@101"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := state{settle: 100 * time.Millisecond, poll: 5 * time.Second, whole: []string{"/c/edge.yaml"}}
			if got := play(s, parse(t, test.script...), until); got != test.want {
				t.Errorf("hints %q, want %q", got, test.want)
			}
		})
	}
}

func TestStepReadsWhoNeverPauses(t *testing.T) {
	var script []string
	for ms := 0; ms <= 5000; ms += 20 {
		script = append(script, fmt.Sprintf("%d ~/c/edge.yaml", ms))
	}
	s := state{settle: 100 * time.Millisecond, poll: 5 * time.Second}
	if got, want := play(s, parse(t, script...), 6*time.Second), "quiet@2000 quiet@4020 quiet@5100"; got != want {
		t.Errorf("hints %q, want %q", got, want)
	}
}

func TestStepPolls(t *testing.T) {
	tests := []struct {
		name   string
		poll   time.Duration
		script []string
		want   string
	}{
		{"by time alone", 5 * time.Second, nil, "due@5000 due@10000"},
		{"counted from the last look", 5 * time.Second, []string{"3000 ~/c/a"}, "quiet@3100 due@8100"},
		{"not in the middle of a change", 5 * time.Second, []string{"4950 ~/c/a", "5040 ~/c/a"}, "quiet@5140 due@10140"},
		{"never", 0, []string{"3000 ~/c/a"}, "quiet@3100"},
		{"as armed", 0, []string{"1000 :"}, "due@5000 due@10000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := state{settle: 100 * time.Millisecond, poll: test.poll}
			if got := play(s, parse(t, test.script...), 11*time.Second); got != test.want {
				t.Errorf("hints %q, want %q", got, test.want)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	tests := []struct{ pending, next, want Hint }{
		{0, Due, Due},
		{Whole, Due, Whole},
		{Quiet, Due, Quiet},
		{Due, Whole, Whole},
		{Whole, Quiet, Quiet}, // something was written after the replacement
		{Quiet, Whole, Whole},
	}
	for _, test := range tests {
		if got := merge(test.pending, test.next); got != test.want {
			t.Errorf("merge(%v, %v) = %v, want %v", test.pending, test.next, got, test.want)
		}
	}
}
