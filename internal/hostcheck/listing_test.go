package hostcheck

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTable(t *testing.T) {
	const text = `table inet l4xds {
	chain capture {
		type filter hook prerouting priority mangle; policy accept;
		tcp dport { 80, 443 } tproxy to :15001 meta mark set 0x0000004c accept
		udp dport { 5300, 5301,
			    5302 } drop
	}

	chain back {
		type filter hook prerouting priority mangle - 1; policy accept;
	}
}
`
	want := []chain{
		{"chain capture", []string{
			"type filter hook prerouting priority mangle; policy accept;",
			"tcp dport { 80, 443 } tproxy to :15001 meta mark set 0x0000004c accept",
			"udp dport { 5300, 5301, 5302 } drop",
		}},
		{"chain back", []string{"type filter hook prerouting priority mangle - 1; policy accept;"}},
	}
	if diff := cmp.Diff(want, parseTable(text), cmp.AllowUnexported(chain{})); diff != "" {
		t.Error(diff)
	}
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name            string
		found, expected []string
		want            []difference
	}{
		{"the same", []string{"a", "b"}, []string{"a", "b"}, nil},
		{"nothing", nil, nil, nil},
		{"missing", []string{"a", "c"}, []string{"a", "b", "c"}, []difference{{"", "b"}}},
		{"missing at the end", []string{"a"}, []string{"a", "b"}, []difference{{"", "b"}}},
		{"too much", []string{"x", "a"}, []string{"a"}, []difference{{"x", ""}}},
		{"changed", []string{"a", "x", "c"}, []string{"a", "b", "c"}, []difference{{"x", "b"}}},
		{"changed and too much", []string{"x", "y", "c"}, []string{"b", "c"}, []difference{{"x", "b"}, {"y", ""}}},
		{"another order", []string{"b", "a"}, []string{"a", "b"}, []difference{{"b", ""}, {"", "b"}}},
		{"all", nil, []string{"a", "b"}, []difference{{"", "a"}, {"", "b"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, compare(test.found, test.expected), cmp.AllowUnexported(difference{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
