package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// render writes the report for people, as Markdown.
func render(s settings, e *evidence, v *verdict) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	row := func(what string, much any) { line("| %s | %v |", what, much) }
	table := func(head string, counts map[string]int) {
		line("\n| %s | times |\n|---|---|", head)
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			row(name, counts[name])
		}
	}

	word := "kept"
	if !v.kept() {
		word = "BROKEN"
	}
	leeway := "no leeway"
	if s.leeway > 0 {
		leeway = "a leeway of " + s.leeway.String()
	}
	line("# Chaos: %s, %s: promises %s\n", s.database, leeway, word)
	line("Seed %d. Once more: `go run ./chaos %s`\n", s.seed, s.flags())
	line("%d connections with one-time refresh tokens and access tokens of %s, %d clients, %d engine processes, %s of trouble.",
		s.connections, s.life, s.clients, s.replicas(), s.duration)
	if s.replicas() > 1 {
		line("Their clocks are 0, +30 and -30 seconds off.")
	}

	line("\n## What was done to them")
	done := map[string]int{}
	for _, x := range e.endings {
		done["process ended: "+x.how]++
	}
	for _, d := range e.deeds {
		switch d.what {
		case cut, stall:
			done["database: "+d.what]++
		case disturb:
			done["provider: "+d.fault.Name]++
		}
	}
	done["process frozen"] = len(e.naps)
	table("deed", done)

	line("\n## What the clients saw")
	table("answer", e.tally)

	line("\n## What the provider's books say\n\n| | |\n|---|---|")
	row("grants", len(e.grants))
	row("**grants lost**", len(v.losses))
	names, count := v.causes()
	for _, name := range names {
		row("– "+name, count[name])
	}
	row("rotations", v.rotations)
	row("rotations before a third of the token's life was over", v.early)
	row("spent tokens presented again within the leeway", v.inLeeway)
	row("spent tokens presented again after it", v.tooLate)
	row("spent tokens presented again although the successor was stored", len(v.needless))
	row("dead grants tried again", v.deadTries)
	row("losses that the engine does not tell", v.silent)
	row("rotations of which no commit is noted", v.orphans)
	row("tokens that ended between asking and use", v.onTheWay)
	row("tokens handed out that could not work", len(v.wrong))
	row("tokens of somebody else", len(e.foreign))
	row("window from rotation to commit: median, p99, longest", fmt.Sprintf("%s, %s, %s",
		v.width(50).Round(10*time.Microsecond), v.width(99).Round(10*time.Microsecond), v.width(100).Round(10*time.Microsecond)))

	if len(v.losses) > 0 {
		line("\n## The losses\n")
		for _, l := range v.losses[:min(len(v.losses), 15)] {
			line("- %s: %s: %s", l.user, l.cause, l.detail)
		}
		if more := len(v.losses) - 15; more > 0 {
			line("- and %d more", more)
		}
	}
	if len(v.needless) > 0 {
		line("\n## Spent tokens presented without need\n")
		for _, text := range v.needless[:min(len(v.needless), 20)] {
			line("- %s", text)
		}
	}
	for _, x := range e.endings {
		if x.said != "" {
			line("\n## The last words of %s, which ended by itself\n\n```\n%s\n```", x.name, strings.TrimSpace(x.said))
		}
	}
	if len(v.wrong) > 0 {
		line("\n## Tokens that could not work\n")
		for _, m := range v.wrong[:min(len(v.wrong), 20)] {
			line("- %s from %s: asked for at %s, used at %s, ended at %s", m.user, m.from,
				m.asked.Format(clock), m.used.Format(clock), m.end.Format(clock))
		}
	}
	line("\n## Verdict\n")
	if v.kept() {
		line("Every promise was kept.")
	}
	for _, text := range v.broken {
		line("- BROKEN: %s", text)
	}
	return b.String()
}

const clock = "15:04:05.000"
