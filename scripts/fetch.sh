#!/bin/sh
# Fetches a Python package as a file and unpacks it: the way binaries come here, by their hash.
#
#   fetch.sh REQUIREMENTS DIR   unpacks what scripts/REQUIREMENTS pins into DIR, unless DIR is there already
set -eu

requirements=$(cd "$(dirname "$0")" && pwd)/$1 dir=$2
[ ! -d "$dir" ] || exit 0

python3 -m pip --version >/dev/null 2>&1 || "$(dirname "$0")/need.sh" pip3:python3-pip || exit 1
mkdir -p "$(dirname "$dir")"
part=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$part"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
  --dest "$part" --requirement "$requirements" >&2
python3 -m zipfile -e "$part"/*.whl "$part/tree"
# A rename, so that the tree is whole or not there; of two runs at the same time one finds it done.
python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$part/tree" "$dir" 2>/dev/null || [ -d "$dir" ]
