package main

import "runtime/debug"

// collectLess lets the heap of a long-running command grow to three times of what lives in it before it
// is collected. The engine keeps so little that the runtime's default, twice, would collect a hundred
// times a second under load; what it costs is a few MiB. GOGC, when set, wins.
func collectLess(w world) {
	if w.getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
