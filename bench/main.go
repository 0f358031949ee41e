// Command bench measures a running engine from outside, in one run beside a bare net/http handler that
// returns the same bytes, and prints ratios. The machine may be shared: rounds of the candidates
// alternate, and medians of the ratios within a round are what counts.
//
//	go run ./bench             # all of it, with a million connections: about ten minutes
//	go run ./bench -short      # a few seconds, to see that it runs; such figures mean nothing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// plan is how much is measured.
type plan struct {
	rounds  int
	each    time.Duration
	workers int
	few     int
	many    int
	starts  int
	ended   int // tokens that end at once
	callers int // who ask for them
	rushes  int
	idles   int // rounds of upkeep with nothing to do
	only    string
	servers bool // PostgreSQL, too
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	p := plan{rounds: 7, each: 2 * time.Second, workers: 16, few: 1000, many: 1_000_000, starts: 9, ended: 10_000, callers: 64, rushes: 5, idles: 200, servers: true}
	short := flag.Bool("short", false, "only see that it runs")
	bareAt := flag.String("bare", "", "serve the bare handler at this address (used by bench itself)")
	role := flag.String("role", "", "play a part in the measuring of the proxy (used by bench itself)")
	roleDir := flag.String("dir", "", "where the parts find each other (used by bench itself)")
	flag.IntVar(&p.rounds, "rounds", p.rounds, "how many rounds")
	flag.DurationVar(&p.each, "each", p.each, "how long each candidate is measured in a round")
	flag.IntVar(&p.workers, "workers", p.workers, "how many clients ask at once")
	flag.IntVar(&p.many, "many", p.many, "how many connections the large database has")
	flag.IntVar(&p.ended, "ended", p.ended, "how many tokens end at once")
	flag.IntVar(&p.callers, "callers", p.callers, "how many callers ask for those at once")
	flag.IntVar(&p.rushes, "rushes", p.rushes, "how often they do")
	flag.StringVar(&p.only, "only", "", "only one part: tokens, tools, refreshes, planning, proxy or commands")
	flag.BoolVar(&p.servers, "postgres", p.servers, "measure on PostgreSQL, too")
	flag.Parse()
	if *bareAt != "" {
		return serveBare(ctx, *bareAt)
	}
	if strings.HasPrefix(*role, "tool-") {
		return serveTools(ctx, *role)
	}
	if *role != "" {
		return serveRole(ctx, *role, *roleDir)
	}
	if *short {
		p = plan{rounds: 1, each: 200 * time.Millisecond, workers: 4, few: 100, many: 1000, starts: 1, ended: 200, callers: 16, rushes: 1, idles: 10, only: p.only, servers: p.servers}
	}
	dir, err := os.MkdirTemp("", "keybearer-bench-")
	if err != nil {
		return err
	}
	err = measure(ctx, p, dir)
	return errors.Join(err, os.RemoveAll(dir))
}
