#!/usr/bin/env bash
# Brings in the published software that the interop tests drive: the JavaScript
# and Python clients, the Python tool framework, oidc-provider, Glewlwyd, a Chromium and a keyring. Run it as often as
# you like: what is there already is left alone.
#
# With root on a Debian-like machine it installs what is missing. Without, it
# names each part that it leaves out and why, and the tests of those parts are
# left out too; with CI=true a missing part is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mkdir -p .state .peers
exec 9>.state/lock
if command -v flock >/dev/null; then flock 9; fi
: >.state/left-out.new

say() { printf 'interop: %s\n' "$*"; }

# leave_out PART REASON notes a part that cannot be had on this machine.
leave_out() {
  printf '%s: %s\n' "$1" "$2" >>.state/left-out.new
  say "left out: $1: $2"
}

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

fresh() { [ -f ".state/$1" ] && [ "$(cat ".state/$1")" = "$2" ]; }

apt_ready=
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# refresh brings Debian's package lists up to date, once per run.
refresh() {
  [ -z "$apt_ready" ] || return 0
  DEBIAN_FRONTEND=noninteractive apt-get -qq update || return 1
  apt_ready=yes
}

# apt VERB PACKAGE... gets Debian packages and shows apt's words only when it fails.
apt() {
  local verb=$1
  shift
  refresh || return 1
  say "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get -qq "$verb" --yes --no-install-recommends "$@" >.state/apt.log 2>&1 ||
    { tail -n 20 .state/apt.log >&2; return 1; }
}

# want PART PACKAGE... : COMMAND installs the packages unless the command succeeds.
want() {
  local part=$1 packages=()
  shift
  while [ "$1" != : ]; do packages+=("$1"); shift; done
  shift
  "$@" >/dev/null 2>&1 && return 0
  if can_install && apt install "${packages[@]}" && "$@" >/dev/null 2>&1; then
    return 0
  fi
  leave_out "$part" "needs root once: apt-get install ${packages[*]}"
  return 1
}

has_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
has_venv() { python3 -c 'import ensurepip, venv'; }

node_part() {
  want node nodejs npm : command -v npm || return 0
  local now
  now=$(digest node/package.json node/package-lock.json)
  if fresh node "$now" && [ -d node/node_modules ]; then return 0; fi
  say 'installing the JavaScript packages'
  # No package of the list needs an install script, so none is run.
  if (cd node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
    echo "$now" >.state/node
  else
    leave_out node 'npm ci did not finish; see its words above'
  fi
}

# python_part FOLDER installs the packages of a folder's lock file; the part is called after the folder.
python_part() {
  want "$1" python3 python3-venv : has_venv || return 0
  local now
  now=$(digest "$1/requirements.txt" <(python3 -c 'import sys; print(sys.version, sys.prefix)'))
  if fresh "$1" "$now" && [ -x "$1/.venv/bin/python" ]; then return 0; fi
  say "installing the Python packages of $1"
  rm -rf "$1/.venv"
  if python3 -m venv "$1/.venv" &&
    "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1/requirements.txt"; then
    echo "$now" >".state/$1"
  else
    leave_out "$1" 'pip install did not finish; see its words above'
  fi
}

# The Debian package of Glewlwyd sets up a database and a system service that
# listens with a known password. The tests need neither, so the package is only
# unpacked; the libraries that it is linked against are installed as usual.
glewlwyd_part() {
  local home=.peers/glewlwyd
  if glewlwyd_runs; then return 0; fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    leave_out glewlwyd 'only packaged for Debian and its relatives'
    return 0
  fi
  if [ ! -x "$home/usr/bin/glewlwyd" ]; then
    if can_install; then refresh || true; fi
    say 'unpacking glewlwyd'
    rm -rf .peers/new && mkdir -p .peers/new
    if ! (cd .peers/new && apt-get -qq download glewlwyd 2>/dev/null && dpkg-deb -x glewlwyd_*.deb tree); then
      rm -rf .peers/new
      leave_out glewlwyd 'the package cannot be fetched; try: apt-get update'
      return 0
    fi
    dpkg-deb -f .peers/new/glewlwyd_*.deb Depends | tr ',' '\n' | grep -E '^ *(lib|zlib)' |
      paste -sd, - >.peers/new/tree/needs
    rm -rf "$home" && mv .peers/new/tree "$home" && rm -rf .peers/new
  fi
  if can_install && ! glewlwyd_runs; then
    apt satisfy "$(cat "$home/needs")" || true
  fi
  if ! glewlwyd_runs; then
    leave_out glewlwyd "needs root once for its libraries: apt-get satisfy '$(cat "$home/needs")'"
  fi
}

glewlwyd_runs() {
  local home=.peers/glewlwyd links
  [ -x "$home/usr/bin/glewlwyd" ] || return 1
  links=$(ldd "$home"/usr/bin/glewlwyd "$home"/usr/lib/glewlwyd/*/*.so)
  [[ $links != *'not found'* ]]
}

node_part
python_part python
python_part python-tools
glewlwyd_part
want chromium chromium : has_chromium || true
want curl curl : command -v curl || true
want git git : command -v git || true

has_keyring() { command -v gnome-keyring-daemon && command -v dbus-run-session && command -v dbus-send; }
want keyring gnome-keyring dbus : has_keyring || true

mv .state/left-out.new .state/left-out
if [ -s .state/left-out ] && [ "${CI:-}" = true ]; then
  say 'with CI=true nothing may be left out' >&2
  exit 1
fi
