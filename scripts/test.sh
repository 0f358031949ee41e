#!/usr/bin/env bash
# Runs everything: installs what the tests need, then every check and every test, and says at the end what was seen.
# One check that fails does not hide the others; the exit code is that of the whole.
# Without root it names what it leaves out; where CI=true leaving anything out is a failure.
. "$(dirname "$0")/lib.sh"

unset MAKEFLAGS MFLAGS
export LEFT_OUT=$PWD/.cache/left-out
mkdir -p .cache
rm -f "$LEFT_OUT" .cache/tests.json
started=$SECONDS
summary=()
passed=0 failed=0 skipped=0

# step NAME COMMAND...: a headline, the command, and how it ended after how long.
step() {
  local name=$1 from=$SECONDS word=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || word=FAILED
  summary+=("$(printf '%-7s %4d s  %s' "$word" $((SECONDS - from)) "$name")")
  printf '== %s: %s, %d s\n' "$name" "$word" $((SECONDS - from))
  [ "$word" = ok ]
}

# check NAME COMMAND...: a step that counts as one.
check() {
  if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# tests NAME COMMAND...: a step that counts as the tests it ran, subtests too.
tests() {
  local broken=0 p f s
  step "$@" || broken=1
  touch .cache/tests.json
  p=$(counted '"Action":"pass".*"Test":')
  s=$(counted '"Action":"skip".*"Test":')
  # A package that does not build fails without a test that does.
  f=$(($(counted '"Action":"fail".*"Test":') + $(counted '"FailedBuild":')))
  # So does one that is broken off, and no test at all is no success.
  if [ "$f" -eq 0 ] && { [ "$broken" = 1 ] || [ "$p" -eq 0 ]; }; then f=1; fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

counted() { grep -c -- "$1" .cache/tests.json || true; }

check "what the tests need" scripts/machine.sh
check "tools" scripts/tools.sh
check "formatting" scripts/format.sh -l
check "shell scripts" scripts/shell.sh
check "modules" scripts/modules.sh
rm -f bin/keybearer
check "build" make --no-print-directory build
check "vet" scripts/vet.sh
check "static analysis" scripts/static.sh
check "known vulnerabilities" scripts/vuln.sh
# The tests that drive the built binary drive the one that was just built.
if [ -x bin/keybearer ]; then export KEYBEARER_BINARY=$PWD/bin/keybearer; fi
tests "tests, race detector on" env PKG=./... scripts/race.sh
check "fuzzing, 3 seconds for each target" env PKG=./... FUZZTIME=3s scripts/fuzz.sh
check "benchmarks, that they run" scripts/bench.sh short

printf '\n== all in %d s\n' $((SECONDS - started))
printf '%s\n' "${summary[@]}"
if [ -s "$LEFT_OUT" ]; then
  printf '\nLeft out on this machine:\n'
  sort -u "$LEFT_OUT" | sed 's/^/  /'
  if [ "${CI:-}" = true ]; then
    printf 'CI=true leaves nothing out: that is a failure.\n'
    failed=$((failed + 1))
  fi
fi
echo
if [ "$skipped" -gt 0 ]; then
  echo "$passed passed, $failed failed, $skipped skipped"
else
  echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
