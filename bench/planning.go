package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// plannings are what it took to look after the connections of a database.
type plannings struct {
	each   time.Duration // to plan one of those that all came due at once
	memory float64       // MiB: the most that was resident meanwhile, beyond what was before
	idle   time.Duration // a round in which nothing is due
	due    time.Duration // a round in which some are due and refreshed, for each
}

// planning measures upkeep, on a clock that is moved on: how it plans connections that all come due at
// once, as after the first start of a version that plans, and what a round takes then.
func (b *bench) planning(ctx context.Context) error {
	fmt.Printf("\nupkeep: all are planned, %d idle rounds, then %d are due and refreshed\n", b.idles, b.few)
	fmt.Printf("  %-28s  planning, each      memory  idle round  refresh, each\n", "")
	var ends [2]plannings
	for i, rows := range []int{10 * b.few, b.many} {
		s, err := b.site(ctx, fmt.Sprintf("plan-%d", i), false, sandboxToken)
		if err != nil {
			return err
		}
		if err := s.fill(ctx, rows, time.UnixMicro(1)); err != nil {
			return fmt.Errorf("filling a database with %d connections: %w", rows, err)
		}
		f, err := b.tend(ctx, s, rows)
		if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
			return fmt.Errorf("with %d connections: %w", rows, err)
		}
		ends[i] = f
		fmt.Printf("  %-28s  %14s  %6.1f MiB  %10s  %13s\n", fmt.Sprintf("%d stored", rows), f.each.Round(time.Microsecond), f.memory,
			f.idle.Round(time.Microsecond), f.due.Round(time.Microsecond))
	}
	few, many := ends[0], ends[1]
	times := func(of func(plannings) time.Duration) float64 { return of(many).Seconds() / of(few).Seconds() }
	fmt.Printf("  %-28s  %14.2f  %10.2f  %10.2f  %13.2f\n", fmt.Sprintf("%d / %d", b.many, 10*b.few),
		times(func(f plannings) time.Duration { return f.each }), many.memory/few.memory,
		times(func(f plannings) time.Duration { return f.idle }), times(func(f plannings) time.Duration { return f.due }))
	return nil
}

// tend looks after a database whose connections have never been planned.
func (b *bench) tend(ctx context.Context, s site, rows int) (f plannings, err error) {
	store, sealer, err := s.open(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now()
	filled := now
	clock := func() time.Time { return now }
	provider := &generous{}
	broker, err := tending(store, sealer, clock, provider)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, broker.Close(ctx)) }()
	round := func() (time.Duration, error) {
		now = now.Add(2 * time.Second)
		began := time.Now()
		err := broker.UpkeepOnce(ctx, keybearer.DefaultProject)
		return time.Since(began), err
	}

	debug.FreeOSMemory()
	if err := forgetPeak(); err != nil {
		return f, err
	}
	before, err := memory(os.Getpid(), "VmHWM:")
	if err != nil {
		return f, err
	}
	began := time.Now()
	for left := 1; left > 0; {
		if _, err := round(); err != nil {
			return f, err
		}
		due, err := store.ClaimDue(ctx, keybearer.DefaultProject, providerID, now, now, 1)
		if err != nil {
			return f, err
		}
		left = len(due)
	}
	f.each = time.Since(began) / time.Duration(rows)

	var idle []time.Duration
	for range b.idles {
		took, err := round()
		if err != nil {
			return f, err
		}
		idle = append(idle, took)
	}
	f.idle = median(idle)

	// They come due when 80 to 90 percent of their lives are over; see plan.go.
	now = filled.Add(tokenLife/10*8 + tokenLife/10*time.Duration(b.few)/time.Duration(rows))
	took, err := round()
	if err != nil {
		return f, err
	}
	refreshed := provider.asked.Load()
	if refreshed < int64(b.few)/2 || refreshed > 2*int64(b.few) {
		return f, fmt.Errorf("%d were refreshed in the round in which about %d were due", refreshed, b.few)
	}
	f.due = took / time.Duration(refreshed)
	after, err := memory(os.Getpid(), "VmHWM:")
	f.memory = after - before
	return f, err
}

// tending makes a broker that looks after everything, as fast as it may.
func tending(store interface {
	keybearer.ConnectionStore
	keybearer.UpkeepStore
}, sealer keybearer.Sealer, clock func() time.Time, provider http.RoundTripper,
) (*keybearer.Broker, error) {
	p := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: providerID, Status: keybearer.ProviderActive, Origin: keybearer.FromFile, ClientID: clientID,
		Settings: oauth.Definition{
			AuthorizeRequest: oauth.Request{Endpoint: "https://hooli.example/authorize"},
			TokenRequest:     oauth.Request{Endpoint: sandboxToken}, RefreshRequest: &oauth.Request{},
			Refresh: oauth.RefreshPolicy{Ahead: oauth.AheadAlways, Rate: 1000},
		},
	}
	var err error
	if p.ClientSecret, err = sealer.Seal([]byte(clientSecret), p.SecretPlace()); err != nil {
		return nil, err
	}
	return keybearer.New(keybearer.Config{
		PublicURL: publicURL, Connections: store, Sealer: sealer, Leases: keybearer.NewMemoryClock(clock), Now: clock,
		Static: []keybearer.Provider{p},
		HTTP:   func(keybearer.Origin) *http.Client { return &http.Client{Transport: provider} },
	})
}

// generous is a provider that answers every refresh at once.
type generous struct{ asked atomic.Int64 }

func (g *generous) RoundTrip(req *http.Request) (*http.Response, error) {
	n := g.asked.Add(1)
	body := fmt.Sprintf(`{"access_token":"access-%d","refresh_token":"refresh-%[1]d","token_type":"Bearer","expires_in":%d}`, n, int(tokenLife.Seconds()))
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}, nil
}

// forgetPeak makes the most that was resident what is resident now (Linux).
func forgetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }
