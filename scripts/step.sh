#!/bin/sh
# Runs a command that is silent for long, or loud: shows dots while it lasts, and what it printed only if it fails.
#
#   step.sh TEXT COMMAND...
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '   %s ' "$1"
shift
"$@" >"$log" 2>&1 &
while kill -0 $! 2>/dev/null; do
  printf '.'
  sleep 1
done
if wait $!; then
  echo ' done'
else
  echo ' failed'
  cat "$log" >&2
  exit 1
fi
