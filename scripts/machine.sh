#!/usr/bin/env bash
# What the tests need beside Go: as root on a Debian-like machine it installs what is missing, as often as you like.
# Elsewhere, or without root, it says what is missing and what is therefore left out.
# The published clients and the OAuth servers that they are tested with are the matter of interop/setup.sh.
. "$(dirname "$0")/lib.sh"

apt_ready=

# need PACKAGES CHECK...: the Debian PACKAGES are there when CHECK succeeds. What cannot be done without them is noted by the
# script that cannot do it.
need() {
  local packages=$1
  shift
  if "$@"; then return 0; fi
  if have apt-get && [ "$(id -u)" -eq 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    if [ -z "$apt_ready" ]; then
      apt-get -qq -o DPkg::Lock::Timeout=300 update
      apt_ready=yes
    fi
    echo "installing $packages"
    # shellcheck disable=SC2086 # several packages in one word
    apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $packages >/dev/null
    "$@" && return 0
  fi
  echo "missing: $packages (as root: make machine)"
}

need "gcc libc6-dev" can_race
need shellcheck have shellcheck
need chromium have_browser

# Debian starts a server of its own with the package, unless it is told not to. The tests start theirs.
clusters=/etc/postgresql-common/createcluster.d
if ! have_postgres && have apt-get && [ "$(id -u)" -eq 0 ]; then
  mkdir -p "$clusters"
  echo "create_main_cluster = false" >"$clusters/keybearer.conf"
fi
need postgresql have_postgres
rm -f "$clusters/keybearer.conf"

if [ -x interop/setup.sh ]; then
  interop/setup.sh
  if [ -f interop/.state/left-out ]; then
    mkdir -p "$(dirname "$LEFT_OUT")"
    sed 's/^/interop, /' interop/.state/left-out >>"$LEFT_OUT"
  fi
fi
