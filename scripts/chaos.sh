#!/usr/bin/env bash
# The long chaos test, DURATION each: three replicas on PostgreSQL with a provider that has a leeway, the same without any, and one
# process on SQLite that is restarted. SEED repeats a run. All reports are printed, and are in .cache/chaos-report.md.
# The short form is a test of chaos/ and runs with all others.
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0
report=.cache/chaos-report.md
mkdir -p .cache
: >"$report"
status=0

# trial FLAGS...: one run; its report is added to the others.
trial() {
  go run ./chaos -seed "${SEED:-0}" -duration "${DURATION:-2m}" -report .cache/chaos-part.md "$@" || status=1
  cat .cache/chaos-part.md >>"$report"
  rm -f .cache/chaos-part.md
}

trial -database postgres
trial -database postgres -leeway 0
trial -database sqlite
echo
echo "all reports: $report"
exit "$status"
