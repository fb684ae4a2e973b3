#!/bin/sh
# Runs the pinned golangci-lint, which it builds into .cache/bin on first use (about two minutes on two cores).
#
#   lint.sh ARGUMENT...   passed on: run, fmt, ...
set -eu

cd "$(dirname "$0")/.."
version=v2.15.0
bin=$PWD/.cache/bin/golangci-lint-$version
if [ ! -x "$bin" ]; then
  mkdir -p .cache/bin
  part=$(mktemp -d "$bin.XXXXXX")
  scripts/step.sh "building golangci-lint $version" env GOBIN="$part" CGO_ENABLED=0 \
    go install -trimpath -ldflags '-s -w' "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version" >&2
  mv "$part/golangci-lint" "$bin"
  rmdir "$part"
fi
exec "$bin" "$@"
