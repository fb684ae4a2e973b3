package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		err  string
	}{
		{text: "30s", want: 30 * time.Second},
		{text: "1h30m", want: 90 * time.Minute},
		{text: "250ms", want: 250 * time.Millisecond},
		{text: "1h2m3s4ms", want: time.Hour + 2*time.Minute + 3*time.Second + 4*time.Millisecond},
		{text: "90s", want: 90 * time.Second},
		{text: "1m5ms", want: time.Minute + 5*time.Millisecond},
		{text: "", err: `"" is not a duration; write it like 30s, 1h30m or 250ms`},
		{text: "30", err: `"30" is not a duration; write the unit: 30s, or 30ms`},
		{text: "030", err: `"030" is not a duration; write the unit: 30s, or 30ms`},
		{text: "0s", err: `no time at all`},
		{text: "0h0ms", err: `no time at all`},
		{text: "1.5s", err: `"1.5s" is not a duration; write 1s500ms`},
		{text: "5S", err: `"5S" is not a duration; write 5s`},
		{text: "5 s", err: `"5 s" is not a duration; write 5s`},
		{text: "5sec", err: `"5sec" is not a duration; write 5s`},
		{text: "5min", err: `"5min" is not a duration; write 5m`},
		{text: "2 hours", err: `"2 hours" is not a duration; write 2h`},
		{text: "100us", err: `"100us" is not a duration; write it like 30s, 1h30m or 250ms`},
		{text: "5000us", err: `"5000us" is not a duration; write 5ms`},
		{text: "1d", err: `"1d" is not a duration; write it in hours: 24h`},
		{text: "-5s", err: `"-5s" is not a duration; write it like 30s, 1h30m or 250ms`},
		{text: "5s5s", err: `"5s5s" is not a duration; write 10s`},
		{text: "soon", err: `"soon" is not a duration; write it like 30s, 1h30m or 250ms`},
		{text: "9999999999h", err: `"9999999999h" is too long`},
		{text: "2562047h47m16s855ms", err: `"2562047h47m16s855ms" is too long`},
	}
	for _, test := range tests {
		got, err := parseDuration(test.text)
		if time.Duration(got) != test.want || message(err) != test.err {
			t.Errorf("parseDuration(%q) = %v, %q, want %v, %q", test.text, time.Duration(got), message(err), test.want, test.err)
		}
	}
}

// message is what err says, nothing for none.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDurationString(t *testing.T) {
	tests := map[time.Duration]string{
		0:                           "none",
		time.Millisecond:            "1ms",
		90 * time.Second:            "1m30s",
		time.Hour:                   "1h",
		25*time.Hour + time.Second:  "25h1s",
		time.Microsecond:            "none",
		1500 * time.Millisecond:     "1s500ms",
		time.Minute + 5*time.Second: "1m5s",
	}
	for span, want := range tests {
		if got := Duration(span).String(); got != want {
			t.Errorf("Duration(%d).String() = %q, want %q", span, got, want)
		}
		if want == "none" {
			continue
		}
		if back, err := parseDuration(want); err != nil || time.Duration(back) != span {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", want, time.Duration(back), err, span)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		text string
		want Size
		err  string
	}{
		{"0", 0, ""},
		{"1500", 1500, ""},
		{"16KiB", 16 << 10, ""},
		{"3MiB", 3 << 20, ""},
		{"2GiB", 2 << 30, ""},
		{"9999999999GiB", 0, `"9999999999GiB" is too large`},
		{"010KiB", 0, `010 starts with 0, which YAML may read as octal; write 10`},
		{"16KB", 0, `"16KB" is not a size; write 16KiB`},
		{"16 kib", 0, `"16 kib" is not a size; write 16KiB`},
		{"16m", 0, `"16m" is not a size; write 16MiB`},
		{"1.5MiB", 0, `"1.5MiB" is not a size; write it like 16KiB or 1MiB, or the number of bytes`},
		{"", 0, `"" is not a size; write it like 16KiB or 1MiB, or the number of bytes`},
	}
	for _, test := range tests {
		got, err := parseSize(test.text)
		if got != test.want || message(err) != test.err {
			t.Errorf("parseSize(%q) = %d, %q, want %d, %q", test.text, got, message(err), test.want, test.err)
		}
		if again, err := parseSize(got.String()); again != got || err != nil {
			t.Errorf("%d is written %s, which is %d (%v)", got, got, again, err)
		}
	}
}

func TestParseNumber(t *testing.T) {
	tests := []struct {
		text string
		want int64
		err  string
	}{
		{text: "0"},
		{text: "42", want: 42},
		{text: "007", err: "007 starts with 0, which YAML may read as octal; write 7"},
		{text: "1_000", err: `"1_000" is not a whole number`},
		{text: "0x1F", err: `"0x1F" is not a whole number`},
		{text: "1e3", err: `"1e3" is not a whole number`},
		{text: "1.0", err: `"1.0" is not a whole number`},
		{text: "+1", err: `"+1" is not a whole number`},
		{text: "٣", err: `"٣" is not a whole number`},
		{text: "", err: `"" is not a whole number`},
		{text: "9223372036854775808", err: `"9223372036854775808" is too large`},
	}
	for _, test := range tests {
		got, err := parseNumber(test.text)
		if got != test.want || message(err) != test.err {
			t.Errorf("parseNumber(%q) = %d, %q, want %d, %q", test.text, got, message(err), test.want, test.err)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "a", 0},
		{"a", "", 1},
		{"ab", "ba", 1},
		{"tpc", "tcp", 1},
		{"tcp", "tcpp", 1},
		{"balnce", "balance", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"timeouts", "t", 4},
		{"abcd", "wxyz", 4},
	}
	for _, test := range tests {
		if got := distance(test.a, test.b, 4); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a, 4); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}
