#!/usr/bin/env bash
# go vet. Without cgo, as the product is built, so that both share what the compiler cached.
. "$(dirname "$0")/lib.sh"

CGO_ENABLED=0 go vet ./...
# What only the engine of the chaos test is built with.
CGO_ENABLED=0 go vet -tags chaos ./internal/fault
