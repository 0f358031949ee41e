package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

const (
	// tendEvery is how often the engine looks whether another replica has made a data key.
	tendEvery = time.Minute
	// resealAgain is when values that do not open are tried again.
	resealAgain = time.Hour
	// flowLife is longer than any flow or attempt lives, and than any replica goes on sealing with a key
	// that is no longer the newest.
	flowLife = 2 * time.Hour
)

// tendKeys brings everything that is stored under the newest data key, and removes keys that nothing is
// sealed with any more. A restart in between takes it up again.
func (e *Engine) tendKeys(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var next time.Time // when to look through the values again
	for {
		if err := e.keys.reload(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("the data keys could not be read; trying again in a minute", "error", err)
		}
		select {
		case <-e.keys.news:
			next = time.Time{}
		default:
		}
		if !e.now().Before(next) {
			next = e.reseal(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.keys.news:
			next = time.Time{}
		}
	}
}

// reseal goes once over everything that is stored, if there are former keys, and says when to do so again.
func (e *Engine) reseal(ctx context.Context) time.Time {
	soon := e.now().Add(tendEvery)
	current, former, err := e.formerKeys(ctx)
	if err != nil {
		e.log.Warn("sealing anew was put off; trying again in a minute", "error", err)
		return soon
	}
	if len(former) == 0 {
		return e.now().Add(resealAgain)
	}
	id := dataKeyID(current.Number)
	done, left, err := e.broker.Reseal(ctx, keybearer.DefaultProject, id)
	settled := current.CreatedAt.Add(flowLife)
	switch {
	case ctx.Err() != nil || errors.Is(err, keybearer.Conflict): // another replica is at it
		return soon
	case err != nil:
		e.log.Warn("sealing anew was interrupted; it goes on in a minute", "key", id, "sealed_anew", done, "error", err)
		return soon
	case left > 0:
		e.log.Error("some values do not open and stay under their former key; trying again in an hour", "left", left)
	case done > 0:
		e.log.Info("all stored values are sealed with the newest data key", "key", id, "sealed_anew", done)
		return soon // rows may have come meanwhile that were sealed before
	}
	if e.now().Before(settled) {
		e.log.Info("former keys are kept for the authorizations that are in progress", "until", settled)
		return settled
	}
	if err := e.dropKeys(ctx, former); err != nil {
		e.log.Warn("former keys could not be removed; trying again in a minute", "error", err)
		return soon
	}
	return e.now().Add(resealAgain)
}

// formerKeys gives the data key that seals, and the keys that sealed values before it did.
func (e *Engine) formerKeys(ctx context.Context) (current sqlstore.DataKey, former []formerKey, err error) {
	stored, err := e.store.DataKeys(ctx)
	if err != nil {
		return current, nil, err
	}
	if len(stored) == 0 {
		return current, nil, errors.New("the data keys are gone from the database: restore a backup")
	}
	last := len(stored) - 1
	for _, k := range stored[:last] {
		former = append(former, formerKey{id: dataKeyID(k.Number), number: k.Number})
	}
	checks, err := e.store.KeyChecks(ctx)
	for _, id := range slices.Sorted(maps.Keys(checks)) {
		former = append(former, formerKey{id: id})
	}
	return stored[last], former, err
}

// formerKey is a data key, or, with the number 0, a root key that sealed values directly.
type formerKey struct {
	id     string
	number int64
}

// dropKeys removes the keys that nothing is sealed with any more.
func (e *Engine) dropKeys(ctx context.Context, former []formerKey) error {
	values, err := e.broker.SealedBy(ctx, keybearer.DefaultProject)
	if err != nil {
		return err
	}
	for _, k := range former {
		waiting, err := e.store.WaitingUnder(ctx, k.id)
		switch {
		case err != nil:
			return err
		case values[k.id]+waiting > 0:
		case k.number > 0:
			if err := e.store.DeleteDataKey(ctx, k.number); err != nil {
				return err
			}
			e.log.Info("nothing is sealed with this data key any more: it was removed", "key", k.id)
		default:
			if err := e.store.DeleteKeyCheck(ctx, k.id); err != nil {
				return err
			}
			e.log.Info("no value is sealed with this root key directly any more: unless it is the default it can be removed from security.root_keys", "key", k.id)
		}
	}
	return nil
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
