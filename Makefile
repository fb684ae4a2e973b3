# The commands of the project. `make` alone lists them.
#
# What they need: Go, Python 3 with pip, git, make and a C compiler (for the race detector). What else a test needs it
# fetches into .cache by version and hash, or, as root on Debian, installs; elsewhere it says what is missing.

.DEFAULT_GOAL := help
.NOTPARALLEL:

# The version that the binary tells: the tag, or the commit, or "dev" outside a clone.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the main job on real Envoys, in seconds once it is built; KEEP=1 leaves it running
	@scripts/demo.sh

.PHONY: build
build: ## bin/l4xds
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/l4xds ./cmd/l4xds

.PHONY: check
check: lint generated unit ## before each commit: format, lint, generated files, unit tests with -race

.PHONY: test
test: tools lint generated unit demo compose-if e2e ## everything that CI asks; about ten minutes on two cores

.PHONY: tools
tools: # what unit tests show the kernel's rules with; without them, or without root, they say so in a line
	scripts/need.sh ip:iproute2 nft:nftables iptables:iptables systemd-analyze:systemd

.PHONY: lint
lint: ## formatter and linters, pinned; the first run builds them
	go vet -tags 'e2e compose' ./...
	scripts/lint.sh run ./...

.PHONY: fmt
fmt: ## format the code
	scripts/lint.sh fmt ./...

.PHONY: unit
unit: ## unit tests with -race
	go test -race ./...

.PHONY: generate
generate: ## docs/reference.md, docs/schema.json and the bootstraps of the compose demo
	go run ./internal/gen
	for group in east west; do \
	  go run ./cmd/l4xds bootstrap --node-id envoy-$$group --cluster $$group --xds l4xds:18000 --admin 0.0.0.0:9901 \
	    >deploy/compose/envoy-$$group.yaml; \
	done

.PHONY: generated
generated: ## are the generated files current?
	go run ./internal/gen -check

.PHONY: golden
golden: ## the Envoy resources and kernel rules of all examples, as the tests compare them
	go test ./pkg/translate -run Golden -update
	go test ./pkg/kit -run Golden -update

.PHONY: certs
certs: ## the certificates that examples/tls names, for trying it by hand; tests make them by themselves
	go run ./test/certs/make

.PHONY: envoy
envoy: ## print the path of Envoy: $ENVOY_BIN, or the pinned one
	@scripts/envoy.sh

.PHONY: e2e
e2e: ## the tests that push bytes through a real Envoy
	scripts/need.sh promtool:prometheus
	scripts/namespaces.sh
	ENVOY_BIN=$$(scripts/envoy.sh) go test -tags e2e -count=1 -timeout 10m ./test/e2e ./test/netns ./internal/render

.PHONY: bench
bench: ## times and memory beside Envoy's own files and stock go-control-plane; half an hour
	ENVOY_BIN=$$(scripts/envoy.sh) go run ./test/bench
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: compose-test
compose-test: ## the compose demo, on an engine of its own
	scripts/compose-test.sh

.PHONY: compose-if
compose-if: # the same where an engine can be had; elsewhere it says why not
	scripts/compose-test.sh --if-it-can
