#!/bin/sh
# A Docker engine for tests on a machine where none runs (as root).
#
#   engine.sh up     starts one, with all its data under .engine, and prints the DOCKER_HOST to use
#   engine.sh down   ends the one that `up` started, and takes back what it left: rules, bridges, mounts, data
set -eu

cd "$(dirname "$0")/.."
dir=$PWD/.engine
host=unix://$dir/docker.sock

up() {
  scripts/need.sh dockerd:docker.io iptables:iptables ip:iproute2 pgrep:procps
  scripts/need.sh docker:docker-cli # newer Debians have it apart
  wait_for_others
  mkdir -p "$dir"
  # An engine that has to turn on forwarding itself also sets the FORWARD policy to DROP, for the whole machine.
  sysctl -n net.ipv4.ip_forward >"$dir/forward"
  sysctl -q -w net.ipv4.ip_forward=1
  dockerd --host "$host" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
    >"$dir/log" 2>&1 </dev/null &
  for _ in $(seq 100); do
    if docker --host "$host" info >/dev/null 2>&1; then
      echo "$host"
      return
    fi
    sleep 0.2
  done
  echo "engine: dockerd does not answer" >&2
  tail -n 20 "$dir/log" >&2
  return 1
}

# wait_for_others waits, five minutes at most, until no other engine runs: two of them break each other's network rules.
wait_for_others() {
  for _ in $(seq 300); do
    pgrep -x dockerd >/dev/null || return 0
    [ -n "${waiting:-}" ] || echo "engine: waiting for another engine to end" >&2
    waiting=yes
    sleep 1
  done
  echo "engine: another engine runs on this machine, and does not answer here" >&2
  return 1
}

down() {
  [ -f "$dir/pid" ] || return 0
  pid=$(cat "$dir/pid")
  kill "$pid"
  while running "$pid"; do sleep 0.1; done
  iptables-save | grep -vE 'DOCKER|docker0|br-[0-9a-f]{12}' | iptables-restore
  ip link delete docker0 2>/dev/null || true
  sysctl -q -w net.ipv4.ip_forward="$(cat "$dir/forward")"
  grep -o " $dir/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount
  rm -rf "$dir"
}

# running PID: is it there, and not only waiting for somebody to ask how it ended?
running() {
  grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2>/dev/null
}

case ${1:-} in
up | down) "$1" ;;
*)
  sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
