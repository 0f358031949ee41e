package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// sandboxToken is where the copied grants would be refreshed: nobody does that here.
const sandboxToken = "https://hooli.example/oauth/token"

// replicas are the engines on one PostgreSQL.
const replicas = 3

// candidate is one of those that take turns.
type candidate struct {
	label   string
	servers []*process
	users   int
	figures []figures
}

// tokens measures how tokens are handed out that need no refresh, beside a bare handler.
func (b *bench) tokens(ctx context.Context) (err error) {
	few, err := b.filled(ctx, "few", false, b.few)
	if err != nil {
		return err
	}
	many, err := b.filled(ctx, "many", false, b.many)
	if err != nil {
		return err
	}
	fmt.Printf("\ntokens that need no refresh: %d clients, %d rounds of %s each\n", b.workers, b.rounds, b.each)
	if err := b.starts(ctx, few); err != nil {
		return err
	}
	var running []*process
	defer func() {
		for _, e := range running {
			err = errors.Join(err, e.stop())
		}
	}()
	sites := []site{few, many}
	if b.postgres != nil {
		shared, err := b.filled(ctx, "shared", true, b.few)
		if err != nil {
			return err
		}
		sites = append(sites, slices.Repeat([]site{shared}, replicas)...)
	}
	for _, s := range sites {
		e, err := s.start(ctx, fmt.Sprintf("engine-%d", len(running)))
		if err != nil {
			return err
		}
		running = append(running, e)
	}
	small, large, shared := running[:1], running[1:2], running[2:]
	if err := tellResident("idle, SQLite", small); err != nil {
		return err
	}
	if err := tellResident("idle, PostgreSQL, each replica", shared); err != nil {
		return err
	}
	for _, q := range []struct {
		name string
		ask  question
	}{{"completed authorize", askAuthorize}, {"status", askStatus}} {
		body, err := sample(ctx, q.ask, small[0].url)
		if err != nil {
			return err
		}
		bare, err := startBare(ctx, b.dir, body)
		if err != nil {
			return err
		}
		candidates := []*candidate{
			{label: "bare handler", servers: []*process{bare}, users: b.few},
			{label: fmt.Sprintf("SQLite, %d stored", b.few), servers: small, users: b.few},
			{label: fmt.Sprintf("SQLite, %d stored, %d active", b.many, b.few), servers: large, users: b.few},
			{label: fmt.Sprintf("SQLite, %d stored, all active", b.many), servers: large, users: b.many},
		}
		if b.postgres != nil {
			candidates = append(candidates,
				&candidate{label: fmt.Sprintf("PostgreSQL, %d stored, 1 replica", b.few), servers: shared[:1], users: b.few},
				&candidate{label: fmt.Sprintf("PostgreSQL, %d stored, %d replicas", b.few, replicas), servers: shared, users: b.few})
		}
		err = b.compare(ctx, q.name, q.ask, candidates)
		if err = errors.Join(err, bare.stop()); err != nil {
			return err
		}
	}
	if err := tellResident(fmt.Sprintf("after the load, SQLite, %d stored", b.many), large); err != nil {
		return err
	}
	return tellResident("after the load, PostgreSQL, each replica", shared)
}

// filled makes a database with so many connections, which are not due.
func (b *bench) filled(ctx context.Context, name string, postgres bool, rows int) (site, error) {
	s, err := b.site(ctx, name, postgres, sandboxToken)
	if err == nil {
		err = s.fill(ctx, rows, time.Time{})
	}
	if err != nil {
		return s, fmt.Errorf("filling a database with %d connections: %w", rows, err)
	}
	return s, nil
}

// starts measures the time from the start of the process to its first healthy answer.
func (b *bench) starts(ctx context.Context, s site) error {
	var took []time.Duration
	for range b.plan.starts {
		e, err := s.start(ctx, "start")
		if err != nil {
			return err
		}
		took = append(took, e.took)
		if err := e.stop(); err != nil {
			return err
		}
	}
	fmt.Printf("start to first healthy answer: median %s of %d (aim: under 200 ms)\n", median(took).Round(time.Millisecond), len(took))
	return nil
}

func tellResident(when string, engines []*process) error {
	var all []float64
	for _, e := range engines {
		mib, err := e.resident()
		if err != nil {
			return err
		}
		all = append(all, mib)
	}
	if len(all) > 0 {
		fmt.Printf("resident memory, %s: %.1f MiB\n", when, median(all))
	}
	return nil
}

func sample(ctx context.Context, ask question, url string) ([]byte, error) {
	req, err := ask(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	return body, errors.Join(err, res.Body.Close())
}

// compare lets the candidates take turns. The first is what the others are measured by, and the second
// what it costs to have few connections.
func (b *bench) compare(ctx context.Context, name string, ask question, candidates []*candidate) error {
	for round := -1; round < b.rounds; round++ { // the first one warms up
		for _, c := range candidates {
			f, err := burst(ctx, ask, c.servers, c.users, b.workers, b.each)
			if err != nil {
				return fmt.Errorf("%s at %s: %w", name, c.label, err)
			}
			if round >= 0 {
				c.figures = append(c.figures, f)
			}
		}
	}
	rate := func(f figures) float64 { return f.perSecond }
	p99 := func(f figures) time.Duration { return f.p99 }
	used := func(f figures) time.Duration { return f.cpu }
	fmt.Printf("\n%-38s  requests/s       p50       p99  processor   / bare: requests/s   p99  processor\n", name+", medians")
	bare := candidates[0].figures
	for _, c := range candidates {
		fmt.Printf("  %-36s  %10.0f  %8s  %8s  %9s  %18.2f  %4.2f  %9.2f\n", c.label, middle(c.figures, rate),
			middle(c.figures, func(f figures) time.Duration { return f.p50 }).Round(10*time.Microsecond),
			middle(c.figures, p99).Round(10*time.Microsecond), middle(c.figures, used).Round(time.Microsecond),
			ratio(c.figures, bare, rate), ratio(c.figures, bare, seconds(p99)), ratio(c.figures, bare, seconds(used)))
	}
	few, active, all := candidates[1].figures, candidates[2].figures, candidates[3].figures
	fmt.Printf("  %d stored / %d stored: %.2f of the time (aim: within 1.2), with all active %.2f\n",
		b.many, b.few, ratio(few, active, rate), ratio(few, all, rate))
	return nil
}

func seconds[T any](of func(T) time.Duration) func(T) float64 {
	return func(v T) float64 { return of(v).Seconds() }
}
