package daemon

import (
	"fmt"
	"runtime/debug"

	"github.com/l4xds/l4xds/pkg/config"
	"github.com/l4xds/l4xds/pkg/snapshot"
	"github.com/l4xds/l4xds/pkg/translate"
)

// Compiled is what one look at the files came to, stage by stage.
type Compiled struct {
	Config     *config.Config
	Resources  *translate.Resources
	Generation *snapshot.Generation
}

// PanicError is a panic of our own code on what the files say.
type PanicError struct {
	Value any
	// Stack is where it happened, for the log.
	Stack []byte
}

// Error implements error. The stack is left out.
func (e *PanicError) Error() string { return fmt.Sprintf("internal error: %v", e.Value) }

// Compile takes the files at paths down the whole way, from their bytes to what would be served. Every reload runs it,
// and so do `l4xds validate` and `l4xds render`: what they say is what a reload would do. prev is what is in force, or
// nil; it makes things faster and changes nothing.
//
// With an error among the messages there is no result. An error of its own is a mistake of ours, never of the files.
func Compile(src *config.Source, prev *Compiled, paths ...string) (c *Compiled, messages config.Diagnostics, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	if prev == nil {
		prev = &Compiled{}
	}
	c = &Compiled{}
	if c.Config, messages = config.Load(src, prev.Config, paths...); c.Config == nil {
		return nil, messages, nil
	}
	if c.Resources, err = translate.Translate(c.Config, prev.Resources); err != nil {
		return nil, messages, fmt.Errorf("translate: %w", err)
	}
	if c.Generation, err = snapshot.Build(c.Resources, prev.Generation); err != nil {
		return nil, messages, fmt.Errorf("snapshot: %w", err)
	}
	return c, messages, nil
}
