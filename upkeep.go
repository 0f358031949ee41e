package keybearer

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// upkeepEvery is how often Upkeep looks around.
	upkeepEvery = time.Second
	// longIdle is the longest time for which a provider is not looked at because nothing was due.
	longIdle = 5 * time.Second
	// storageRest is how long a provider is not looked at after storage has failed.
	storageRest = 10 * time.Second
)

// Upkeep looks after the connections of a project until ctx ends, though nobody ask for them: tokens
// in use are refreshed before they end, grants that would end unused are kept alive, open entries of
// the journal of rotations are settled, refreshed grants that storage refused are stored, and uses are
// written down. It begins nothing after ctx has ended, and returns when all that it began has, but for
// refreshes, which the Broker finishes; see [Broker.Close].
//
// Any number of replicas may run it: the work is claimed in the store, and nobody leads. Its memory
// does not grow with the number of connections. It is an error of kind NotImplemented where the stores
// have no [UpkeepStore], otherwise nil.
func (b *Broker) Upkeep(ctx context.Context, project ProjectID) error {
	if b.cfg.Upkeep == nil {
		return errNoUpkeep()
	}
	var all sync.WaitGroup
	defer all.Wait()
	r := rota{broker: b, entries: map[ProviderID]*rotaEntry{}}
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		r.report(ctx, b.chores(ctx))
		providers, err := b.tended(ctx, project)
		r.report(ctx, err)
		for _, p := range r.begin(providers) {
			all.Go(func() { r.end(ctx, p.ID, b.round(ctx, p)) })
		}
		select {
		case <-ctx.Done():
			ending, cancel := lasting(ctx)
			defer cancel()
			_ = b.storeUses(ending) // they are of little worth
			return nil
		case <-tick.C:
		}
	}
}

// UpkeepOnce does once, now, what [Broker.Upkeep] does again and again, and waits for its end: one round
// for each provider that is not resting, in which no more is refreshed than its rate allows for a
// second. It is for programs that have a clock of their own. The error joins what storage failed at.
func (b *Broker) UpkeepOnce(ctx context.Context, project ProjectID) error {
	if b.cfg.Upkeep == nil {
		return errNoUpkeep()
	}
	chores := b.chores(ctx)
	providers, err := b.tended(ctx, project)
	errs := make([]error, len(providers))
	var all sync.WaitGroup
	for i, p := range providers {
		all.Go(func() { errs[i] = b.round(ctx, p).err })
	}
	all.Wait()
	return errors.Join(chores, err, errors.Join(errs...))
}

func errNoUpkeep() error {
	return Errorf(NotImplemented, "the store of connections has no plan: give Config.Upkeep an UpkeepStore")
}

// tended are the providers whose connections can be looked after.
func (b *Broker) tended(ctx context.Context, project ProjectID) ([]*Provider, error) {
	list, err := b.providers(ctx, project)
	var tended []*Provider
	for i := range list {
		if p := &list[i]; p.Status == ProviderActive && p.Definition.RefreshRequest != nil {
			tended = append(tended, p)
		}
	}
	return tended, err
}

// chores are what belongs to no provider.
func (b *Broker) chores(ctx context.Context) error {
	return errors.Join(b.tryUnsaved(ctx), b.storeUses(ctx))
}

// tryUnsaved tries to store the grants that storage refused, and keeps what it refuses again.
func (b *Broker) tryUnsaved(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, storeLife)
	defer cancel()
	b.unsaved.Range(func(id, left any) bool {
		err = b.tryOneUnsaved(ctx, left.(*unsavedGrant).connection)
		return !errors.Is(err, Unavailable) // as it would refuse the others
	})
	return err
}

func (b *Broker) tryOneUnsaved(ctx context.Context, c Connection) error {
	t, err := b.takeTurn(ctx, &c)
	if err != nil {
		return err
	}
	defer t.end()
	return b.storeUnsaved(ctx, c.ID)
}

// rota says whose round it is. A provider that takes long holds up nobody else: its next round begins
// when the last one has ended.
type rota struct {
	broker *Broker

	mu      sync.Mutex
	entries map[ProviderID]*rotaEntry
	failing bool
}

type rotaEntry struct {
	busy bool
	next time.Time // of the system's clock
	idle int       // rounds without work, in a row
}

// begin gives those whose round begins now.
func (r *rota) begin(providers []*Provider) []*Provider {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	known := make(map[ProviderID]bool, len(providers))
	var due []*Provider
	for _, p := range providers {
		known[p.ID] = true
		e := r.entries[p.ID]
		if e == nil {
			e = &rotaEntry{}
			r.entries[p.ID] = e
		}
		if !e.busy && !now.Before(e.next) {
			e.busy = true
			due = append(due, p)
		}
	}
	for id, e := range r.entries {
		if !known[id] && !e.busy {
			delete(r.entries, id)
		}
	}
	return due
}

// end notes what a round has come to.
func (r *rota) end(ctx context.Context, id ProviderID, o roundOutcome) {
	r.report(ctx, o.err)
	r.mu.Lock()
	defer r.mu.Unlock()
	e, rest := r.entries[id], o.rest
	e.busy = false
	if o.err != nil {
		rest = storageRest
	}
	switch {
	case o.idle:
		rest = min(upkeepEvery<<min(e.idle, 10), longIdle)
		e.idle++
	case o.worked:
		e.idle = 0
	}
	e.next = time.Now().Add(rest)
}

// report tells the operator when storage begins to fail and when it works again, once each.
func (r *rota) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if failing := err != nil; failing == r.failing {
		return
	}
	r.failing = err != nil
	if r.failing {
		r.broker.log.Warn("connections cannot be looked after, since storage fails; trying again", "error", err)
	}
}
