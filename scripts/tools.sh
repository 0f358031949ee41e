#!/usr/bin/env bash
# Builds the tools that tools/go.mod pins into .cache/tools, once for each state of that file and of Go.
. "$(dirname "$0")/lib.sh"

have go || fail "Go is not installed. Install Go 1.26 or newer and try again."
stamp=$(go version | cat - tools/go.mod tools/go.sum | git hash-object --stdin)
if [ -f "$TOOLS/stamp" ] && [ "$(cat "$TOOLS/stamp")" = "$stamp" ]; then
  exit 0
fi
mkdir -p "$TOOLS"
echo "building the tools of tools/go.mod into .cache/tools"
(cd tools && GOBIN=$TOOLS CGO_ENABLED=0 go install tool)
printf '%s\n' "$stamp" >"$TOOLS/stamp"
