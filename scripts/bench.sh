#!/usr/bin/env bash
# Without PKG: measures the built program from outside, beside a bare handler, and prints ratios (bench/); then what a living
# token costs in a Go program, and how much the sandbox answers.
# With PKG: the Go benchmarks of those packages that match BENCH, for BENCHTIME each, one package after the other.
# `bench.sh short` only proves that both run: such figures mean nothing.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0

# benchmarks PACKAGES FLAGS...: the packages that have benchmarks, with those flags of `go test`.
benchmarks() {
  local packages found dirs=() dir files names
  read -ra packages <<<"$1"
  shift
  found=$(test_files "${packages[@]}")
  while IFS=$'\t' read -r dir files; do
    [ -n "$dir" ] || continue
    read -ra names <<<"$files"
    if (cd "$dir" && grep -q '^func Benchmark' "${names[@]}"); then dirs+=("$dir"); fi
  done <<<"$found"
  if [ ${#dirs[@]} -eq 0 ]; then
    echo "no benchmarks in ${packages[*]}"
    return
  fi
  go test -vet=off -run '^$' -benchmem -timeout 60m "$@" "${dirs[@]}"
}

if [ "${1:-}" = short ]; then
  benchmarks ./... -bench . -benchtime 1x -short
  without=()
  if ! have_postgres; then
    without=(-postgres=false)
    leave_out "the benchmarks on PostgreSQL" "PostgreSQL is not installed"
  fi
  go run ./bench -short "${without[@]}"
elif [ "${PKG:-./...}" = ./... ]; then
  go run ./bench
  benchmarks "./atlassian ./providertest/atlassiantest" -bench 'Token|Sandbox' -benchtime 3s
else
  benchmarks "$PKG" -bench "${BENCH:-.}" -benchtime "${BENCHTIME:-1s}"
fi
