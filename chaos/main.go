// Command chaos tries to make the engine lose a grant. It starts the hostile provider of providertest
// with one-time refresh tokens that live for seconds, a database, and real engine processes built with
// `-tags chaos` (see internal/fault); lets many clients ask for tokens and use them; and meanwhile kills
// and freezes processes, cuts and stalls the database and lets the provider lose answers. Then
// everything is healed, every connection is asked once more, and the provider's own books are the judge.
//
//	go run ./chaos                                     # two minutes on PostgreSQL, three replicas, a leeway
//	go run ./chaos -database sqlite                    # one process, restarted
//	go run ./chaos -leeway 0                           # a provider that forgives nothing
//	go run ./chaos -short -database sqlite             # a few seconds
//	go run ./chaos -seed 42                            # the plan of another run again
//
// What happens to whom and when is drawn from the seed. How the processes' steps interleave is not, so a
// run that failed is repeated with its seed until it fails again.
//
// The exit code is 1 when the engine broke a promise, 2 when the run itself did not work.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func command(ctx context.Context, args []string, out, errs io.Writer) int {
	s, report, err := parse(args, errs)
	if err != nil {
		return 2 // said already
	}
	_, _ = fmt.Fprintf(out, "chaos: seed %d; once more: go run ./chaos %s\n", s.seed, s.flags())
	e, err := run(ctx, s, out)
	if err != nil {
		_, _ = fmt.Fprintln(errs, "chaos:", err)
		return 2
	}
	v := judge(s, e)
	text := render(s, e, v)
	_, _ = fmt.Fprint(out, "\n", text)
	err = os.MkdirAll(filepath.Dir(report), 0o755)
	if err == nil {
		err = os.WriteFile(report, []byte(text), 0o644)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errs, "chaos: writing the report:", err)
		return 2
	}
	if !v.kept() {
		_, _ = fmt.Fprintf(out, "\nThe logs of the processes: %s\n", e.dir)
		return 1
	}
	if err := os.RemoveAll(e.dir); err != nil {
		_, _ = fmt.Fprintln(errs, "chaos:", err)
		return 2
	}
	return 0
}

// settings say what one run is like.
type settings struct {
	seed        uint64
	database    string // postgres or sqlite
	duration    time.Duration
	leeway      time.Duration // for a refresh token that was rotated; 0: none
	connections int
	clients     int
	life        time.Duration // of an access token
	short       bool
}

func parse(args []string, errs io.Writer) (s settings, report string, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Uint64Var(&s.seed, "seed", 0, "draws what happens when; 0 draws the seed, too")
	flags.StringVar(&s.database, "database", "postgres", "postgres: three replicas on one server; sqlite: one process")
	flags.BoolVar(&s.short, "short", false, "a few seconds, fewer connections")
	flags.DurationVar(&s.duration, "duration", 2*time.Minute, "how long things are broken")
	flags.DurationVar(&s.leeway, "leeway", time.Minute, "how long the provider takes a rotated refresh token again; 0: not at all")
	flags.IntVar(&s.connections, "connections", 500, "how many connections")
	flags.IntVar(&s.clients, "clients", 50, "how many clients ask at once")
	flags.DurationVar(&s.life, "life", 6*time.Second, "how long an access token lives, in whole seconds")
	flags.StringVar(&report, "report", filepath.Join(".cache", "chaos-report.md"), "where the report goes")
	if err := flags.Parse(args); err != nil {
		return s, "", err
	}
	if s.short {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		brief := settings{duration: 6 * time.Second, connections: 60, clients: 10, life: 3 * time.Second}
		if !given["duration"] {
			s.duration = brief.duration
		}
		if !given["connections"] {
			s.connections = brief.connections
		}
		if !given["clients"] {
			s.clients = brief.clients
		}
		if !given["life"] {
			s.life = brief.life
		}
	}
	if s.seed == 0 {
		s.seed = uint64(rand.Uint32())
	}
	if s.database != "postgres" && s.database != "sqlite" || s.life < 2*time.Second || s.connections < 1 || flags.NArg() > 0 {
		err = fmt.Errorf("-database is postgres or sqlite, -life at least 2s, -connections at least 1, and there are no arguments")
		_, _ = fmt.Fprintln(errs, "chaos:", err)
	}
	return s, report, err
}

// flags repeat the run.
func (s settings) flags() string {
	return fmt.Sprintf("-seed %d -database %s -duration %s -leeway %s -connections %d -clients %d -life %s",
		s.seed, s.database, s.duration, s.leeway, s.connections, s.clients, s.life)
}

// replicas are as many as the database permits.
func (s settings) replicas() int {
	if s.database == "postgres" {
		return 3
	}
	return 1
}
