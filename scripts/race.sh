#!/usr/bin/env bash
# The tests of the packages in PKG (all), in random order, race detector on.
# Leaves .cache/tests.json, a line for each test that ended, for scripts/test.sh to count.
. "$(dirname "$0")/lib.sh"

scripts/tools.sh
ended=.cache/tests.json
rm -f "$ended"

# vet has its own step; it is not run again here.
flags=(-vet=off -shuffle=on -timeout=20m)
if can_race; then
  export CGO_ENABLED=1
  flags+=(-race)
else
  export CGO_ENABLED=0
  leave_out "the race detector" "gcc is not installed; the tests run without it"
fi
skip=()
if ! have_browser; then
  skip+=('^TestBrowser')
  leave_out "the tests named TestBrowser..." "chromium is not installed"
fi
if ! have_postgres; then
  skip+=('^TestPostgres' '/^postgres$')
  leave_out "the tests named TestPostgres... or .../postgres" "PostgreSQL is not installed"
fi
if [ ${#skip[@]} -gt 0 ]; then
  flags+=(-skip "$(IFS='|' && printf '%s' "${skip[*]}")")
fi

status=0
read -ra packages <<<"${PKG:-./...}"
"$TOOLS/gotestsum" --format pkgname-and-test-fails --hide-summary=skipped,output \
  --jsonfile-timing-events "$ended" -- "${flags[@]}" "${packages[@]}" || status=$?

# A test that skipped itself is left out like anything else.
while IFS= read -r name; do
  leave_out "a test" "$name was skipped"
done < <(sed -nE 's/.*"Action":"skip".*"Package":"([^"]*)".*"Test":"([^"]*)".*/\1 \2/p' "$ended" 2>/dev/null)
exit "$status"
