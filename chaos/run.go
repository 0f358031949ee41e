package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/providertest"
)

// evidence is what a run leaves for the judge.
type evidence struct {
	dir         string
	deeds       []deed
	endings     []ending
	naps        []nap
	points      map[string][]fault.Line // by process
	tally       map[string]int
	refused     []misfit
	foreign     []misfit
	grants      []providertest.Grant
	connections map[string]api.Connection // by user
	calm        time.Time                 // when the trouble was over
	works       map[string]bool           // users whose token worked at the end
}

// run does all of it and returns what was seen. The folder stays.
func run(ctx context.Context, s settings, out io.Writer) (_ *evidence, err error) {
	dir, err := os.MkdirTemp("", "keybearer-chaos-")
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, "chaos: "+format+"\n", args...) }
	began := time.Now()
	t, err := found(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	say("%d engines on %s are well after %s", len(t.replicas), s.database, time.Since(began).Round(100*time.Millisecond))
	ids, err := consentAll(ctx, s, t)
	if err != nil {
		return nil, err
	}
	say("%d users have consented after %s; %s of trouble begin", len(ids), time.Since(began).Round(100*time.Millisecond), s.duration)
	if err := t.renew(ctx, false); err != nil {
		return nil, err
	}
	c := &crowd{town: t, ids: ids, tally: map[string]int{}}
	e := &evidence{dir: dir, deeds: s.plan(), tally: c.tally, points: map[string][]fault.Line{}}
	t.makeTrouble(ctx, c, e.deeds)
	say("the trouble is over after %s; everything is healed", time.Since(began).Round(100*time.Millisecond))
	if err := t.settle(ctx, c, e); err != nil {
		return nil, err
	}
	e.refused, e.foreign = c.refused, c.foreign
	err = t.collect(ctx, e)
	say("done after %s", time.Since(began).Round(100*time.Millisecond))
	return e, err
}

// makeTrouble lets the crowd ask while the plan is carried out.
func (t *town) makeTrouble(ctx context.Context, c *crowd, deeds []deed) {
	ctx, cancel := context.WithTimeout(ctx, t.s.duration)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { c.mingle(ctx, t.s.clients) })
	began := time.Now()
	for _, d := range deeds {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(began.Add(d.at))):
			t.do(d)
		}
	}
	both.Wait()
}

func (t *town) do(d deed) {
	r := t.replicas[d.replica]
	switch d.what {
	case kill:
		r.end(killedFromOutside, syscall.SIGKILL)
	case freeze:
		r.freeze()
	case cut:
		r.database.cut()
	case stall:
		r.database.stall()
	case mend:
		r.database.mend()
	case disturb:
		t.provider.Inject(d.fault)
	case heal:
		t.provider.Heal()
	}
}

// settle heals everything, waits until the tokens have ended, and asks for each connection until a new
// one works or the engine says that a new consent is needed.
func (t *town) settle(ctx context.Context, c *crowd, e *evidence) error {
	t.provider.Heal()
	for _, r := range t.replicas {
		if r.database != nil {
			r.database.mend()
		}
	}
	if err := t.renew(ctx, true); err != nil {
		return err
	}
	e.calm, e.works = time.Now(), map[string]bool{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t.s.life):
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	next := make(chan int)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for n := range next {
				works := t.asksAtLast(ctx, c, n)
				mu.Lock()
				e.works[user(n)] = works
				mu.Unlock()
			}
		})
	}
	for n := range c.ids {
		next <- n
	}
	close(next)
	all.Wait()
	return nil
}

// asksAtLast asks until a token works or is not to be had.
func (t *town) asksAtLast(ctx context.Context, c *crowd, n int) bool {
	for tries := 0; ctx.Err() == nil; tries++ {
		at := t.replicas[(n+tries)%len(t.replicas)]
		if c.ask(ctx, n, at, false) {
			return true
		}
		page, err := at.client.Connections(ctx, keybearer.ConnectionFilter{User: keybearer.UserID(user(n))})
		if err == nil && (len(page.Items) == 0 || page.Items[0].ConnectionStatus != string(keybearer.ConnectionActive)) {
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	return false
}

// collect reads what the provider, the engine and the processes have written down.
func (t *town) collect(ctx context.Context, e *evidence) error {
	e.grants, e.connections = t.provider.Grants(), map[string]api.Connection{}
	for {
		page, err := t.replicas[0].client.Connections(ctx, keybearer.ConnectionFilter{Limit: 100, Offset: len(e.connections)})
		if err != nil {
			return err
		}
		for _, c := range page.Items {
			e.connections[c.UserID] = c
		}
		if len(page.Items) == 0 {
			break
		}
	}
	for _, r := range t.replicas {
		r.mu.Lock()
		endings, naps, last := r.endings, r.naps, r.name
		r.mu.Unlock()
		e.endings, e.naps = append(e.endings, endings...), append(e.naps, naps...)
		for _, process := range append(endings, ending{name: last}) {
			lines, err := r.points(process.name)
			if err != nil {
				return err
			}
			e.points[process.name] = lines
		}
	}
	return nil
}
