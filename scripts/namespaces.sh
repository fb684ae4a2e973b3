#!/bin/sh
# Sees to what the tests in network namespaces need, or says in one line why they are skipped. In CI they fail instead.
set -eu

cd "$(dirname "$0")/.."

# skipped WHY
skipped() {
  echo "e2e: the tests in network namespaces are skipped: $1" >&2
  exit 0
}

[ "$(uname)" = Linux ] || skipped "they are of Linux"
[ "$(id -u)" = 0 ] || skipped "they need root"
scripts/need.sh unshare:util-linux nft:nftables ip:iproute2 setpriv:util-linux iptables:iptables
unshare --net --mount true 2>/dev/null || skipped "root may not make any here"
