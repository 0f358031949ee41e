# Keybearer, from a fresh clone: `make run` to try it, `make test` to check all of it.
# The targets only forward: what they do is in scripts/, one file for each job.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

# PKG narrows `make race`, `make fuzz` and `make bench`: make race PKG=./seal/...
PKG ?= ./...
# FUZZTIME is what each fuzz target gets in `make fuzz`.
FUZZTIME ?= 30s
# BENCH chooses among the benchmarks of `make bench`; BENCHTIME is what each one gets.
BENCH ?= .
BENCHTIME ?= 1s
# SEED repeats a run of `make chaos` (0 draws one); DURATION is how long each of its parts makes trouble.
SEED ?= 0
DURATION ?= 2m
export PKG FUZZTIME BENCH BENCHTIME SEED DURATION

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then start sandbox and engine; prints a link, an API key and a curl line
	@exec bin/keybearer dev

.PHONY: test
test: ## install what the tests need, then run every check and every test
	@scripts/test.sh

.PHONY: build
build: ## build one static binary, bin/keybearer
	@CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o bin/keybearer ./cmd/keybearer

.PHONY: race
race: ## run the tests alone, race detector on (PKG=./seal/... for some)
	@scripts/race.sh

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@scripts/fuzz.sh

.PHONY: bench
bench: ## measure the program beside a bare handler, print ratios (PKG=./seal for Go benchmarks)
	@scripts/bench.sh

.PHONY: chaos
chaos: ## kill, freeze and cut off engines for minutes while the provider counts (SEED=42 repeats a run)
	@scripts/chaos.sh

.PHONY: fmt
fmt: ## format the Go files
	@scripts/format.sh -w

.PHONY: lint
lint: ## check formatting, vet, static analysis, shell scripts
	@scripts/format.sh -l
	@scripts/vet.sh
	@scripts/static.sh
	@scripts/shell.sh

.PHONY: modules
modules: ## check that the modules are tidy and are what their checksums say
	@scripts/modules.sh

.PHONY: vuln
vuln: ## look for known vulnerabilities that our code reaches
	@scripts/vuln.sh

.PHONY: machine
machine: ## install what the tests need (Debian, as root)
	@scripts/machine.sh

.PHONY: clean
clean: ## remove what was built or cached here (data/ stays)
	@rm -rf bin .cache
