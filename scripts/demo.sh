#!/bin/sh
# Builds what the demo needs, and runs it: `make demo`. It shows that it goes on while a build is silent.
set -eu

cd "$(dirname "$0")/.."
mkdir -p .cache
log=$(mktemp .cache/demo.XXXXXX)
trap 'rm -f "$log"' EXIT

# step TEXT COMMAND...: runs the command, with dots while it lasts; shows what it printed only if it fails.
step() {
  printf '   %s ' "$1"
  shift
  "$@" >"$log" 2>&1 &
  while kill -0 $! 2>/dev/null; do
    printf '.'
    sleep 0.5
  done
  if wait $!; then echo ' done'; else
    echo ' failed'
    cat "$log" >&2
    exit 1
  fi
}

step 'fetching Envoy ' scripts/envoy.sh
ENVOY_BIN=$(scripts/envoy.sh)
step 'building l4xds' make -s build
step 'building demo ' go build -o bin/demo ./demo
export ENVOY_BIN L4XDS="$PWD/bin/l4xds"
bin/demo
