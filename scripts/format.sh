#!/usr/bin/env bash
# Formatting: `format.sh -l` lists the Go files that gofumpt would change and fails, `format.sh -w` changes them.
. "$(dirname "$0")/lib.sh"

scripts/tools.sh
mapfile -t files < <(kept '*.go')
case ${1:-} in
-w)
  "$TOOLS/gofumpt" -w "${files[@]}"
  ;;
-l)
  wrong=$("$TOOLS/gofumpt" -l "${files[@]}")
  [ -z "$wrong" ] || fail "$wrong" "These files are not formatted. Run: make fmt"
  echo "${#files[@]} Go files are formatted"
  ;;
*)
  fail "usage: scripts/format.sh -l | -w"
  ;;
esac
