#!/usr/bin/env bash
# Every fuzz target of the packages in PKG (all), for FUZZTIME each, as many at a time as there are processors: so each has one.
# Without cgo: the compiler's cache is shared with the build.
# What breaks a target is kept in its package's testdata/fuzz: commit it with the repair.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p .cache/fuzz

# One target of a test binary, in its package's folder. The toolchain sometimes takes the end of the time for a failure
# (go.dev/issue/75804): a deadline and nothing else, no input that breaks the target. Such a run says nothing either way, and is
# made again, twice at most.
# shellcheck disable=SC2317 # xargs calls it
fuzz() {
  local binary=$1 dir=$2 target=$3 said=$1.$3 try
  for try in 1 2 3; do
    (cd "$dir" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${FUZZTIME:-30s}" -test.parallel 1 \
      -test.fuzzcachedir "$cache/${dir//\//_}") >"$said" 2>&1 </dev/null && break
    if ! grep -qx ' *context deadline exceeded' "$said" || grep -q 'Failing input written' "$said"; then
      try=failed
      break
    fi
    echo "the time ran out in the middle of an input (try $try): $target is fuzzed again"
    if [ "$try" = 3 ]; then try=failed; fi
  done
  echo "${dir#"$PWD/"}: $target: $(grep '^fuzz: ' "$said" | tail -n 1)"
  if [ "$try" = failed ]; then
    cat "$said"
    return 1
  fi
}
export -f fuzz
export cache=$PWD/.cache/fuzz FUZZTIME=${FUZZTIME:-30s}

read -ra packages <<<"${PKG:-./...}"
found=$(test_files "${packages[@]}")
status=0 count=0
while IFS=$'\t' read -r dir files; do
  [ -n "$dir" ] || continue
  read -ra names <<<"$files"
  targets=$(cd "$dir" && sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "${names[@]}")
  [ -n "$targets" ] || continue
  binary=$work/$(printf '%s' "$dir" | tr / _).test
  if ! go test -c -vet=off -fuzz=. -o "$binary" "$dir"; then
    status=1
    continue
  fi
  while IFS= read -r target; do
    count=$((count + 1))
    printf '%s\0%s\0%s\0' "$binary" "$dir" "$target" >>"$work/targets"
  done <<<"$targets"
done <<<"$found"
# shellcheck disable=SC2016 # $0 and $@ belong to the inner shell
if [ -s "$work/targets" ]; then
  xargs -0 -n 3 -P "$(nproc 2>/dev/null || echo 2)" bash -c 'set -euo pipefail; fuzz "$@"' fuzz <"$work/targets" || status=1
fi
echo "$count fuzz targets"
exit "$status"
