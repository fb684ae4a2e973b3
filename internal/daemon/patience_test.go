package daemon

import (
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	type look struct {
		ms    int
		sum   string // in capitals if the content is good
		trust trust
		want  verdict
		next  int // the millisecond of the next look, 0 for none
	}
	tests := []struct {
		name  string
		looks []look
	}{
		{"the first look", []look{{0, "A", certain, settled, 0}}},
		{"the first look at a mistake", []look{{0, "a", certain, settled, 0}, {5000, "a", unsure, nothingNew, 0}}},
		{"a quiet edit", []look{{100, "A", quiet, settled, 0}, {200, "A", quiet, nothingNew, 0}}},
		{"a mistake in a quiet edit is reported when it is old", []look{
			{100, "a", quiet, wait, 2100}, {2100, "a", unsure, settled, 0}, {7000, "a", unsure, nothingNew, 0},
		}},
		{"a half-written file is mended in time", []look{{100, "a", quiet, wait, 2100}, {300, "A", quiet, settled, 0}}},
		{"a mistake in a replaced file is reported at once", []look{{100, "a", replaced, settled, 0}}},
		{"half-written again and again", []look{
			{100, "a", quiet, wait, 2100}, {1000, "b", quiet, wait, 2100}, {2100, "c", unsure, settled, 0},
		}},
		{"found by polling", []look{{5000, "A", unsure, wait, 5100}, {5100, "A", unsure, settled, 0}}},
		{"found by polling while it is written", []look{
			{5000, "A", unsure, wait, 5100}, {5100, "B", unsure, wait, 5200}, {5200, "B", unsure, settled, 0},
		}},
		{"polled faster than it is written", []look{
			{5000, "A", unsure, wait, 5100},
			{5050, "A", unsure, wait, 5100},
			{5090, "B", unsure, wait, 5190},
			{5150, "B", unsure, wait, 5190},
			{5190, "B", unsure, settled, 0},
		}},
		{"written without a pause", []look{
			{5000, "A", unsure, wait, 5100}, {6000, "B", unsure, wait, 6100}, {7000, "C", unsure, settled, 0},
		}},
		{"a mistake found by polling", []look{{5000, "a", unsure, wait, 7000}, {7000, "a", unsure, settled, 0}}},
		{"what was reported shows through a stream of edits", []look{
			{0, "e", certain, settled, 0},
			{100, "A", unsure, wait, 200},
			{150, "e", unsure, nothingNew, 250},
			{160, "B", unsure, wait, 260},
			{2000, "e", unsure, nothingNew, 2100},
			{2100, "C", unsure, settled, 0},
		}},
		{"back to what it was, by polling", []look{
			{0, "A", certain, settled, 0},
			{100, "b", unsure, wait, 2100},
			{200, "A", unsure, nothingNew, 300},
			{300, "A", unsure, nothingNew, 0},
			{9000, "b", unsure, wait, 11000}, // a new story: its time counts from here
		}},
		{"back to what it was while it waits", []look{
			{0, "A", certain, settled, 0},
			{100, "b", quiet, wait, 2100},
			{200, "A", quiet, nothingNew, 0},
			{9000, "b", quiet, wait, 11000}, // a new story: its time counts from here
		}},
		{"back to what it was after a report", []look{
			{0, "A", certain, settled, 0}, {100, "b", certain, settled, 0}, {200, "A", quiet, settled, 0},
		}},
	}
	start := time.Unix(0, 0)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := patience{grace: 2 * time.Second, pause: 100 * time.Millisecond}
			for i, l := range test.looks {
				good := l.sum[0] < 'a'
				got := p.judge(start.Add(time.Duration(l.ms)*time.Millisecond), l.sum, good, l.trust)
				next := 0
				if !p.next.IsZero() {
					next = int(p.next.Sub(start).Milliseconds())
				}
				if got != l.want || next != l.next {
					t.Fatalf("look %d: verdict %d, next look at %d ms; want %d, %d ms", i, got, next, l.want, l.next)
				}
			}
		})
	}
}
