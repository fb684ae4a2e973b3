package config

import (
	"bytes"
	"unicode/utf8"
)

// check says what keeps the bytes of d from being YAML, before they are read as such. It takes a byte order mark off.
func (d *document) check(r *report) bool {
	d.text = bytes.TrimPrefix(d.text, []byte("\uFEFF"))
	if bytes.HasPrefix(d.text, []byte("\xFF\xFE")) || bytes.HasPrefix(d.text, []byte("\xFE\xFF")) {
		r.fail(idEncoding, d.whole(), "the file is UTF-16; save it as UTF-8")
		return false
	}
	return true
}

var _ = utf8.RuneError
