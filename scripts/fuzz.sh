#!/usr/bin/env bash
# Every fuzz target of the packages in PKG (all), for FUZZTIME each. Without cgo: the compiler's cache is shared with the build.
# What breaks a target is kept by `go test` in that package's testdata/fuzz: commit it with the repair.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# One target. The toolchain sometimes takes the end of the time for a failure (go.dev/issue/75804): a deadline and nothing
# else, no input that breaks the target. Such a run says nothing either way, and is made again, twice at most.
fuzz() {
  local try
  for try in 1 2 3; do
    go test -vet=off -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-30s}" "$1" </dev/null 2>&1 | tee "$said" && return
    if ! grep -qx ' *context deadline exceeded' "$said" || grep -q 'Failing input written' "$said"; then
      return 1
    fi
    echo "the time ran out in the middle of an input (try $try): $2 is fuzzed again"
  done
  return 1
}

read -ra packages <<<"${PKG:-./...}"
found=$(test_files "${packages[@]}")
status=0 count=0
while IFS=$'\t' read -r dir files; do
  [ -n "$dir" ] || continue
  read -ra names <<<"$files"
  while IFS= read -r target; do
    count=$((count + 1))
    echo "${dir#"$PWD/"}: $target"
    fuzz "$dir" "$target" || status=1
  done < <(cd "$dir" && sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "${names[@]}")
done <<<"$found"
echo "$count fuzz targets"
exit "$status"
