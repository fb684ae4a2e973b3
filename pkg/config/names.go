package config

import (
	"slices"
	"strings"
)

// reserved are the words that `to` and its long form need for themselves.
var reserved = []string{"original", "requested", "sni", "echo", "none", "endpoints"}

// constants are what YAML 1.1 reads as something other than text.
var constants = []string{"true", "false", "yes", "no", "on", "off", "null"}

// validName reports whether text has the form of a name: it is the statistics' prefix, and stands in Envoy's messages.
func validName(text string) bool {
	if text == "" || len(text) > 63 || !alphanumeric(text[0]) {
		return false
	}
	for _, c := range []byte(text) {
		if !alphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// checkName says what is wrong with the name of a stanza.
func (d *decoder) checkName(v *value) {
	switch {
	case !validName(v.text):
		d.errorf(idName, v, "%s is not a name; names have letters, digits, _ and -, start with a letter or digit, and are at most 63 long", quote(v.text))
	case slices.Contains(reserved, v.text), slices.Contains(constants, strings.ToLower(v.text)):
		d.errorf(idName, v, "%s is a word of the language; choose another name", quote(v.text))
	case allDigits(v.text):
		d.errorf(idName, v, "%s is a number; choose a name with a letter in it", quote(v.text))
	}
}
