package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// plannings are what planning the connections of a database gave.
type plannings struct {
	each   time.Duration // for one connection
	rounds int
	heap   float64 // MiB, the most that was seen beyond what was there before
}

// planning measures how upkeep plans connections that all come due at once and are not in use, on a
// clock that is moved on by a second for each round.
func (b *bench) planning(ctx context.Context) error {
	fmt.Printf("\nplanning connections that all come due at once and are not in use\n")
	var ends [2]plannings
	for i, rows := range []int{10 * b.few, b.many} {
		s, err := b.site(ctx, fmt.Sprintf("plan-%d", i), false, sandboxToken)
		if err != nil {
			return err
		}
		if err := s.fill(ctx, rows, time.UnixMicro(1)); err != nil {
			return fmt.Errorf("filling a database with %d connections: %w", rows, err)
		}
		f, err := planAll(ctx, s, rows)
		if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
			return fmt.Errorf("planning %d connections: %w", rows, err)
		}
		ends[i] = f
		fmt.Printf("  %8d stored %16s each, in %d rounds, with %.1f MiB of memory\n", rows, f.each.Round(time.Microsecond), f.rounds, f.heap)
	}
	fmt.Printf("  cost of one at %d stored / at %d    %.2f of the time, %.2f of the memory\n", b.many, 10*b.few,
		float64(ends[1].each)/float64(ends[0].each), ends[1].heap/ends[0].heap)
	return nil
}

func planAll(ctx context.Context, s site, rows int) (f plannings, err error) {
	store, sealer, err := s.open(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now()
	clock := func() time.Time { return now }
	broker, err := keybearer.New(keybearer.Config{
		PublicURL: "http://localhost:9099", Connections: store, Sealer: sealer, Leases: keybearer.NewMemoryClock(clock), Now: clock,
		Static: []keybearer.Provider{{
			ID: "hooli", Status: keybearer.ProviderActive, ClientID: "client",
			Settings: oauth.Definition{RefreshRequest: &oauth.Request{}, Refresh: oauth.RefreshPolicy{IdleExpiry: oauth.Duration(90 * 24 * time.Hour)}},
		}},
	})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, broker.Close(ctx)) }()
	runtime.GC()
	before := heap()
	began := time.Now()
	for left := rows; left > 0; f.rounds++ {
		if err := broker.UpkeepOnce(ctx, keybearer.DefaultProject); err != nil {
			return f, err
		}
		f.heap = max(f.heap, heap()-before)
		now = now.Add(time.Second)
		due, err := store.ClaimDue(ctx, keybearer.DefaultProject, "hooli", now, now, 1)
		if err != nil {
			return f, err
		}
		left = len(due)
	}
	f.each = time.Since(began) / time.Duration(rows)
	return f, nil
}

// heap is the memory of this process's objects, in MiB, also of those that nobody needs any more, but
// that were not collected yet.
func heap() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse) / (1 << 20)
}
