# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Steps note here what they could not do; scripts/test.sh reads it at the end.
LEFT_OUT=${LEFT_OUT:-.cache/left-out}
TOOLS=$PWD/.cache/tools

# have NAME: is the command there?
have() { command -v "$1" >/dev/null 2>&1; }

# fail MESSAGE...: say what went wrong, and end.
fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# leave_out WHAT WHY: note what is not checked. Where CI=true that is a failure.
leave_out() {
  mkdir -p "$(dirname "$LEFT_OUT")"
  printf '%s: %s\n' "$1" "$2" >>"$LEFT_OUT"
  printf 'left out: %s: %s\n' "$1" "$2"
  if [ "${CI:-}" = true ]; then
    fail "CI=true leaves nothing out: $1"
  fi
}

# go_files [PATTERN...]: the Go files that git keeps or would keep.
go_files() {
  git ls-files --cached --others --exclude-standard -- '*.go' | while IFS= read -r f; do
    [ -f "$f" ] && printf '%s\n' "$f"
  done
}
