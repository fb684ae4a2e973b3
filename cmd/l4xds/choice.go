package main

import (
	"fmt"
	"slices"
	"strings"
)

// choice is a flag that takes one of a few words.
type choice[T ~string] struct {
	value *T
	known []T
}

// Set implements pflag.Value.
func (c choice[T]) Set(text string) error {
	if !slices.Contains(c.known, T(text)) {
		return fmt.Errorf("want %s", strings.Join(words(c.known), ", "))
	}
	*c.value = T(text)
	return nil
}

// String implements pflag.Value.
func (c choice[T]) String() string {
	if c.value == nil {
		return "" // pflag asks a zero value
	}
	return string(*c.value)
}

// Type implements pflag.Value: it is what help shows as the value.
func (c choice[T]) Type() string { return strings.Join(words(c.known), "|") }

func words[T ~string](known []T) []string {
	list := make([]string, len(known))
	for i, k := range known {
		list[i] = string(k)
	}
	return list
}
