# `make` lists the targets.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The tools are pinned in a module of their own, so that the service's go.mod stays free of them.
TOOL := go tool -modfile=internal/tools/go.mod
KUBERNETES_TOOL := go tool -modfile=internal/tools/kubernetes/go.mod
CHART := charts/chat-system
# What to test, and RACE=1 for the race detector.
PKG ?= ./...
RACE ?=

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Build
build: ## The programs, into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

generate: ## Everything that is generated, anew (sqlc by hand: go tool -modfile=internal/tools/go.mod sqlc)
	go generate ./...

fmt: ## Format the Go code
	$(TOOL) golangci-lint fmt

clean: ## Remove bin/
	rm -rf bin

##@ Check
test: engines ## Every test, on real engines (RACE=1: with the race detector; PKG=./api/...: these packages)
	go run ./internal/enginetest/withelasticsearch go test -tags failpoint,kubernetes -timeout 20m $(if $(RACE),-race) $(PKG)

engines: ## Install what the tests need and is missing (a machine without root and apt is told what)
	@internal/enginetest/install.sh

lint: ## golangci-lint
	$(TOOL) golangci-lint run

chart: ## The chart: helm lint, its unit tests (the API server tries it in test/chart, a cluster in test/e2e)
	$(KUBERNETES_TOOL) helm lint --strict $(CHART)
	$(KUBERNETES_TOOL) helm lint --strict $(CHART) --values $(CHART)/values-production.yaml
	$(KUBERNETES_TOOL) helm-unittest $(CHART)

verify: generate ## Fail when a generated file or go.mod is stale
	@stale=$$(git grep -lz --untracked -e '^// Code generated .* DO NOT EDIT' | xargs -0 git status --porcelain --); \
	[ -z "$$stale" ] || { printf 'stale, commit what `make generate` makes:\n%s\n' "$$stale" >&2; exit 1; }
	go mod tidy -diff

e2e: ## The chart on the cluster of KUBECONFIG, under load and faults; E2E_IMAGE, E2E_NEXT_IMAGE, E2E_RUNNER_IMAGE are images that it can pull, E2E_VALUES a values file
	go test -tags e2e -count=1 -timeout 45m -v ./test/e2e

e2e-runner: ## The image E2E_RUNNER_IMAGE, which loads the service from inside the cluster
	CGO_ENABLED=0 go test -c -trimpath -tags incluster -ldflags='-s -w' -o bin/e2e/runner ./test
	docker build --tag "$(E2E_RUNNER_IMAGE)" --file test/e2e/Dockerfile bin/e2e

bench: engines ## The service's figures, each against a baseline of the same run (internal/bench)
	go run ./internal/bench

vulnerabilities: ## Known vulnerabilities in what is used (asks vuln.go.dev)
	$(TOOL) govulncheck ./...

.PHONY: help build generate fmt clean test engines lint chart verify e2e e2e-runner bench vulnerabilities
