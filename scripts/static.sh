#!/usr/bin/env bash
# Static analysis: staticcheck with the checks of staticcheck.conf.
. "$(dirname "$0")/lib.sh"

scripts/tools.sh
CGO_ENABLED=0 "$TOOLS/staticcheck" ./...
CGO_ENABLED=0 "$TOOLS/staticcheck" -tags chaos ./internal/fault
