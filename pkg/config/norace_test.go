//go:build !race

package config

// raced is whether the race detector is at work: everything then takes about ten times as long.
const raced = false
