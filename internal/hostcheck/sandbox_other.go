//go:build !linux

package hostcheck

import (
	"context"
	"errors"
)

func sandbox(context.Context, string, string) (string, error) {
	return "", errors.New("only Linux has network namespaces")
}
