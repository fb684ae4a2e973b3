#!/usr/bin/env bash
# Makes stand-ins for the public images that the compose demo uses, from what this machine has installed (Debian), for
# machines that reach no image registry. They bear the public names, so the Dockerfile and the compose file stay as they
# are. Entry points, users and directories are those of the public images, and no tool is in them that those lack.
#
#   standins.sh IMAGE...
#
# Runs in the project's root. ENVOY_BIN is the Envoy to put in. Images that are there already are left alone.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# add FILE...: the files at their own paths, with the shared libraries that they need.
add() {
  cp --dereference --force --parents "$@" "$root"
  add_libraries "$@"
}

add_libraries() {
  { ldd "$@" 2>/dev/null || true; } | { grep -o '/[^ :]*\.so[^ :]*' || true; } | sort -u |
    xargs -r cp --dereference --no-clobber --parents --target-directory "$root"
}

# tree: what every image has. The directories of programs are one, as on Debian.
tree() {
  mkdir -p "$root"/{etc/ssl/certs,home/nonroot,run,tmp,usr/{bin,sbin,lib,lib64,local/bin},var}
  local dir
  for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
  chmod 1777 "$root/tmp"
  printf '%s\n' root:x:0:0::/root:/bin/sh envoy:x:101:101::/:/sbin/nologin nonroot:x:65532:65532::/home/nonroot:/sbin/nologin \
    nobody:x:65534:65534::/:/sbin/nologin >"$root/etc/passwd"
  printf '%s\n' root:x:0: envoy:x:101: nonroot:x:65532: nobody:x:65534: >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

# shell: the commands of a Debian base image, and not more.
shell() {
  local file files=()
  for file in $(dpkg -L bash coreutils dash findutils grep gzip sed tar util-linux | grep -E '^(/usr)?/bin/[^/]+$'); do
    [ ! -f "$file" ] || files+=("$file")
  done
  add "${files[@]}"
  ln -sf dash "$root/bin/sh"
}

make_envoy() {
  tree && shell
  install -m 755 "$ENVOY_BIN" "$root/usr/local/bin/envoy"
  add_libraries "$ENVOY_BIN"
  cat >"$root/docker-entrypoint.sh" <<'S'
#!/bin/sh
set -e
case "$1" in -*) set -- envoy "$@" ;; esac
exec "$@"
S
  chmod 755 "$root/docker-entrypoint.sh"
  image 'ENTRYPOINT ["/docker-entrypoint.sh"]' 'CMD ["envoy", "-c", "/etc/envoy/envoy.yaml"]'
}

make_prometheus() {
  tree
  add "$(command -v prometheus)" "$(command -v busybox)"
  ln -s busybox "$root/bin/sh" && ln -s busybox "$root/bin/wget"
  mkdir -p "$root/etc/prometheus" "$root/prometheus"
  chown 65534:65534 "$root/prometheus"
  image 'ENTRYPOINT ["prometheus"]' 'USER nobody' 'WORKDIR /prometheus' \
    'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
}

# golang: Go as it is here, with the modules that this project needs in its cache: a build then fetches nothing.
make_golang() {
  tree && shell
  mkdir -p "$root/usr/local/go" "$root/go"
  tar -C "$(go env GOROOT)" --exclude ./test --exclude ./doc --exclude ./api -c . | tar -C "$root/usr/local/go" -x
  go mod download
  GOPROXY=file://$(go env GOMODCACHE)/cache/download GOSUMDB=off GOFLAGS=-modcacherw GOMODCACHE=$root/go/pkg/mod \
    go mod download
  image 'ENV PATH=/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin GOPATH=/go GOTOOLCHAIN=local' 'WORKDIR /go'
}

make_distroless() {
  tree
  image 'USER 65532'
}

# image CHANGE...: the tree as an image of one layer under $name.
image() {
  local change args=(--change 'LABEL stand-in=true')
  for change in "$@"; do args+=(--change "$change"); done
  tar -C "$root" --numeric-owner -c . | docker import "${args[@]}" - "$name" >/dev/null
}

for name in "$@"; do
  if docker image inspect "$name" >/dev/null 2>&1; then continue; fi
  echo "standins: making $name" >&2
  rm -rf "$root"
  case $name in
  envoyproxy/envoy:*) make_envoy ;;
  prom/prometheus:*) make_prometheus ;;
  golang:*) make_golang ;;
  gcr.io/distroless/static*:nonroot) make_distroless ;;
  *)
    echo "standins: no recipe for $name" >&2
    exit 1
    ;;
  esac
done
