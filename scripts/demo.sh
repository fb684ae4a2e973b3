#!/bin/sh
# Builds what the demo needs, and plays it: `make demo`.
set -eu

cd "$(dirname "$0")/.."
scripts/step.sh 'fetching Envoy ' scripts/envoy.sh
scripts/step.sh 'building l4xds' make -s build
scripts/step.sh 'building demo ' env CGO_ENABLED=0 go build -trimpath -o bin/demo ./demo
ENVOY_BIN=$(scripts/envoy.sh) L4XDS=$PWD/bin/l4xds bin/demo
