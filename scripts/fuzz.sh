#!/usr/bin/env bash
# Every fuzz target of the packages in PKG (all), for FUZZTIME each. Without cgo: the compiler's cache is shared with the build.
# What breaks a target is kept by `go test` in that package's testdata/fuzz: commit it with the repair.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
read -ra packages <<<"${PKG:-./...}"
found=$(test_files "${packages[@]}")
status=0 count=0
while IFS=$'\t' read -r dir files; do
  [ -n "$dir" ] || continue
  read -ra names <<<"$files"
  while IFS= read -r target; do
    count=$((count + 1))
    echo "${dir#"$PWD/"}: $target"
    go test -vet=off -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "$dir" </dev/null || status=1
  done < <(cd "$dir" && sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "${names[@]}")
done <<<"$found"
echo "$count fuzz targets"
exit "$status"
