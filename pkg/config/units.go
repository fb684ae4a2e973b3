package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as the file writes it: "30s", "1h30m", "250ms". 0 means none.
type Duration time.Duration

// units are those of a duration, the largest first.
var units = []struct {
	name string
	span time.Duration
}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// String is d in the file's notation: "1h30m", "250ms"; "none" for 0. What is below a millisecond is left out.
func (d Duration) String() string {
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range units {
		if n := rest / u.span; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.span
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// errZero is the error for "0s": is it off, or at once?
var errZero = errors.New("no time at all")

// parseDuration reads a duration: whole numbers with the units h, m, s and ms, the largest first, each at most once.
// The error says what would be right.
func parseDuration(text string) (Duration, error) {
	var total time.Duration
	rest := text
	for _, u := range units {
		n, after, ok := cutNumber(rest)
		if !ok || !strings.HasPrefix(after, u.name) || u.name == "m" && strings.HasPrefix(after, "ms") {
			continue
		}
		if n > int64((math.MaxInt64-total)/u.span) {
			return 0, fmt.Errorf("%s is too long", quote(text))
		}
		total += time.Duration(n) * u.span
		rest = after[len(u.name):]
	}
	switch {
	case rest != "" || text == "":
		return 0, fmt.Errorf("%s is not a duration; %s", quote(text), durationHint(text))
	case total == 0:
		return 0, errZero
	}
	return Duration(total), nil
}

// spellings are other ways to write units, longer ones first.
var spellings = strings.NewReplacer(" ", "", "milliseconds", "ms", "msec", "ms", "seconds", "s", "second", "s", "secs", "s",
	"sec", "s", "minutes", "m", "minute", "m", "mins", "m", "min", "m", "hours", "h", "hour", "h", "hrs", "h", "hr", "h")

// durationHint says what would be right in place of text.
func durationHint(text string) string {
	if n, rest, ok := cutNumber(text); ok {
		switch strings.ToLower(strings.TrimSpace(rest)) {
		case "":
			return fmt.Sprintf("write the unit: %ds, or %dms", n, n)
		case "d", "day", "days":
			return fmt.Sprintf("write it in hours: %dh", n*24)
		}
	}
	meant, err := time.ParseDuration(spellings.Replace(strings.ToLower(text)))
	if err == nil && meant >= time.Millisecond {
		return "write " + Duration(meant).String()
	}
	return "write it like 30s, 1h30m or 250ms"
}

// parseNumber reads a whole number in plain digits. The error says what would be right.
func parseNumber(text string) (int64, error) {
	n, rest, ok := cutNumber(text)
	switch {
	case rest != "" || text == "":
		return 0, fmt.Errorf("%s is not a whole number", quote(text))
	case !ok:
		return 0, fmt.Errorf("%s is too large", quote(text))
	case len(text) > 1 && text[0] == '0':
		return 0, fmt.Errorf("%s starts with 0, which YAML may read as octal; write %d", text, n)
	}
	return n, nil
}

// cutNumber splits the digits off the front of text.
func cutNumber(text string) (n int64, rest string, ok bool) {
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	return n, text[end:], err == nil
}

// allDigits reports whether text is a number in plain digits.
func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// Size is a number of bytes as the file writes it: "16KiB", "1MiB", or a plain number.
type Size int64

// sizes are the units of a size, the largest first.
var sizes = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String is s in the file's notation, by the largest unit that leaves nothing over: "16KiB", "1500".
func (s Size) String() string {
	for _, u := range sizes {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0"
}

// parseSize reads a size. The error says what would be right.
func parseSize(text string) (Size, error) {
	n, rest, ok := cutNumber(text)
	for _, u := range sizes {
		if !ok || rest != u.name {
			continue
		}
		if _, err := parseNumber(text[:len(text)-len(rest)]); err != nil {
			return 0, err
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("%s is too large", quote(text))
		}
		return Size(n * u.bytes), nil
	}
	hint := "write it like 16KiB or 1MiB, or the number of bytes"
	switch unit := strings.ToUpper(strings.TrimSpace(rest)); {
	case !ok || unit == "":
	case unit[0] == 'K', unit[0] == 'M', unit[0] == 'G':
		hint = fmt.Sprintf("write %d%ciB", n, unit[0])
	}
	return 0, fmt.Errorf("%s is not a size; %s", quote(text), hint)
}
