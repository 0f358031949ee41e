#!/usr/bin/env bash
# Modules: go.mod and go.sum are tidy, and what was downloaded is what go.sum says.
# That the SQLite driver's libc is the one its own go.mod names is a test: house_test.go.
. "$(dirname "$0")/lib.sh"

status=0
for dir in . tools bench/peers/goproxy; do
  (cd "$dir" && go mod tidy -diff) || {
    echo "$dir/go.mod is not tidy. Run in that folder: go mod tidy" >&2
    status=1
  }
  (cd "$dir" && go mod verify) || status=1
done
exit "$status"
