#!/bin/sh
# Runs the test of the compose demo: with the engine, Compose and public images that are there, or else with an engine
# of its own, a pinned Compose and stand-ins for the images.
#
#   compose-test.sh              fails where no engine can be had
#   compose-test.sh --if-it-can  says so, and succeeds
set -eu

cd "$(dirname "$0")/.."
optional=${1:-} started=

cleanup() {
  [ -z "$started" ] || scripts/engine.sh down
}
trap cleanup EXIT

# unable WHY: there is no engine, and none can be had.
unable() {
  echo "compose-test: not run: $1" >&2
  [ "$optional" = --if-it-can ] && exit 0
  exit 1
}

if ! docker info >/dev/null 2>&1; then
  [ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ] || unable "no Docker engine answers, and only root on Linux can start one"
  echo "compose-test: starting an engine" >&2
  started=yes
  DOCKER_HOST=$(scripts/engine.sh up) || unable "no Docker engine answers, and none starts here"
  export DOCKER_HOST
fi

if ! docker compose version >/dev/null 2>&1; then
  echo "compose-test: fetching Compose" >&2
  scripts/fetch.sh compose-requirements.txt "$PWD/.cache/compose"
  DOCKER_CONFIG=$PWD/.cache/docker
  export DOCKER_CONFIG
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  install -m 755 .cache/compose/*.data/scripts/docker-compose "$DOCKER_CONFIG/cli-plugins/docker-compose"
fi

images=$(
  sed -n 's/^ *image: \(.*[/].*\)/\1/p' docker-compose.yaml
  sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile
)
for image in $(echo "$images" | sort -u); do
  docker image inspect "$image" >/dev/null 2>&1 || timeout 300 docker pull --quiet "$image" || {
    scripts/need.sh prometheus:prometheus busybox:busybox-static
    ENVOY_BIN=$(scripts/envoy.sh) scripts/standins.sh "$image"
  }
done

# One after the other: the second finds the stages of the first in the cache.
for service in l4xds backends; do
  scripts/step.sh "building the image of $service" docker compose build "$service"
done
go test -tags compose -count=1 -v ./deploy/compose
