#!/bin/sh
# Makes sure that commands are there.
#
#   need.sh COMMAND:PACKAGE...   the Debian package in which each command is
#
# As root on Debian or a relative it installs the packages of those that are missing; elsewhere it says what to install
# and fails.
set -eu

missing=
for pair in "$@"; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "need: missing here, please install (as Debian calls it):$missing" >&2
  exit 1
fi
echo "need: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! apt-get install -y -q --no-install-recommends $missing >&2; then
  apt-get update -q >&2 # the lists may be older than the packages
  apt-get install -y -q --no-install-recommends $missing >&2
fi
