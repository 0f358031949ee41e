#!/usr/bin/env bash
# The shell scripts, read by shellcheck.
. "$(dirname "$0")/lib.sh"

if ! have shellcheck; then
  leave_out "shell scripts" "shellcheck is not installed"
  exit 0
fi
mapfile -t files < <(kept '*.sh' .ci/run)
shellcheck --external-sources --source-path=SCRIPTDIR "${files[@]}"
echo "${#files[@]} scripts read"
