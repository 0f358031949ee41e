# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Steps note here what they could not do; scripts/test.sh reads it at the end.
LEFT_OUT=${LEFT_OUT:-.cache/left-out}
# The tools of tools/go.mod, built by scripts/tools.sh.
# shellcheck disable=SC2034 # used by those who source this
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

# kept PATTERN...: the files that git keeps or would keep, and that are there.
kept() {
  git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
    if [ -f "$file" ]; then printf '%s\n' "$file"; fi
  done
}

# test_files PACKAGE...: one line for each package that has test files: its folder, a tab, their names.
test_files() {
  # shellcheck disable=SC2016 # $ belongs to the template
  go list -f '{{with or .TestGoFiles .XTestGoFiles}}{{$.Dir}}{{"\t"}}{{join $.TestGoFiles " "}} {{join $.XTestGoFiles " "}}{{end}}' "$@" | sed '/^$/d'
}

# can_race: is there what `go test -race` links with, a C compiler and the headers of libc?
can_race() {
  have gcc && printf '#include <stdlib.h>\n' | gcc -E - >/dev/null 2>&1
}

# have_browser: is there a Chromium under one of the names that the tests look for?
have_browser() { have chromium || have chromium-browser || have google-chrome; }

# have_postgres: is there a PostgreSQL server where the tests look for one?
have_postgres() {
  local folder
  for folder in "$(dirname "$(command -v postgres || echo /)")" "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then return 0; fi
  done
  return 1
}
