# `make` or `make help` lists the targets.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The tools are pinned in a module of their own, so that the service's go.mod stays free of them.
TOOL := go tool -modfile=internal/tools/go.mod

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Develop
generate: ## Regenerate everything that is generated (go:generate lines; sqlc runs as `go tool -modfile=internal/tools/go.mod sqlc`)
	go generate ./...

.PHONY: help generate
