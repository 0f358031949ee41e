#!/usr/bin/env bash
# What the tests need beside Go, as Debian packages: installs those that are missing, as root.
# Elsewhere, or without root, it says which are missing and what is therefore left out.
#
# With the argument `skip` it prints instead the pattern of the tests that cannot run on this machine, for `go test -skip`.
. "$(dirname "$0")/lib.sh"

# One need a line: the check that it is there | Debian packages | what rests on it | tests that cannot run without it.
needs() {
  cat <<'NEEDS'
have gcc && have_libc|gcc libc6-dev|the race detector|
have git|git|the house rules|
have shellcheck|shellcheck|the check of the shell scripts|
have python3 && python3 -c 'import ensurepip, venv'|python3 python3-venv|the published Python client|Python|Arcadepy
have npm|npm|the published JavaScript client and the certified OAuth server|Node|JavaScript|ArcadeJS|OIDCProvider
have chromium|chromium|the browser tests|Chromium|Browser
have glewlwyd|glewlwyd|the second OAuth server|Glewlwyd
NEEDS
}

have_libc() { printf '#include <stdlib.h>\n' | gcc -E - >/dev/null 2>&1; }

there() { eval "$1" >/dev/null 2>&1; }

if [ "${1:-}" = skip ]; then
  needs | while IFS='|' read -r check _ _ tests; do
    there "$check" || printf '%s\n' "$tests"
  done | sed '/^$/d' | paste -sd '|'
  exit 0
fi

missing=()
while IFS='|' read -r check packages _ _; do
  # shellcheck disable=SC2206 # several packages stand in one field
  there "$check" || missing+=($packages)
done < <(needs)

if [ ${#missing[@]} -gt 0 ] && have apt-get && [ "$(id -u)" -eq 0 ]; then
  echo "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

while IFS='|' read -r check packages what _; do
  if ! there "$check"; then
    leave_out "$what" "missing: $packages (as root: make machine)"
  fi
done < <(needs)
echo "the machine has what it can have"
