#!/usr/bin/env bash
# The benchmarks of the packages in PKG (all) that match BENCH, for BENCHTIME each, one package after the other.
# With BENCHTIME=1x it only proves that they run (`go test -short`): such figures mean nothing.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
read -ra packages <<<"${PKG:-./...}"
found=$(test_files "${packages[@]}")
dirs=()
while IFS=$'\t' read -r dir files; do
  [ -n "$dir" ] || continue
  read -ra names <<<"$files"
  if (cd "$dir" && grep -q '^func Benchmark' "${names[@]}"); then dirs+=("$dir"); fi
done <<<"$found"
if [ ${#dirs[@]} -eq 0 ]; then
  echo "no benchmarks in ${packages[*]}"
  exit 0
fi

flags=(-vet=off -run '^$' -bench "${BENCH:-.}" -benchtime "${BENCHTIME:-1s}" -benchmem -timeout 60m)
if [ "${BENCHTIME:-1s}" = 1x ]; then flags+=(-short); fi
go test "${flags[@]}" "${dirs[@]}"
