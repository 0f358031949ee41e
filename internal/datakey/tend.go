package datakey

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

const (
	// soonAgain is when a look that came to no end is taken again.
	soonAgain = time.Minute
	// resealAgain is when values that do not open are tried again.
	resealAgain = time.Hour
	// FlowLife is longer than any flow or attempt lives, and than any process goes on sealing with a key
	// that is no longer the newest.
	FlowLife = 2 * time.Hour
)

// Values are what data keys seal; a [keybearer.Broker] has them.
type Values interface {
	Reseal(ctx context.Context, project keybearer.ProjectID, key string) (done, left int, err error)
	SealedBy(ctx context.Context, project keybearer.ProjectID) (map[string]int, error)
}

// Tend goes once over everything that is stored, if there are former keys: it brings that under the newest
// data key, and removes keys that nothing is sealed with any more. It says when to do so again. Of several
// processes one works at a time, and one that dies in between leaves the rest for the next.
func (k *Keyring) Tend(ctx context.Context, values Values) time.Time {
	soon := k.now().Add(soonAgain)
	current, former, err := k.formerKeys(ctx)
	if err != nil {
		k.log.Warn("sealing anew was put off; trying again in a minute", "error", err)
		return soon
	}
	if len(former) == 0 {
		return k.now().Add(resealAgain)
	}
	id := ID(current.Number)
	done, left, err := values.Reseal(ctx, keybearer.DefaultProject, id)
	settled := current.CreatedAt.Add(k.cfg.Settle)
	switch {
	case ctx.Err() != nil || errors.Is(err, keybearer.Conflict): // another replica is at it
		return soon
	case err != nil:
		k.log.Warn("sealing anew was interrupted; it goes on in a minute", "key", id, "sealed_anew", done, "error", err)
		return soon
	case left > 0:
		k.log.Error("some values do not open and stay under their former key; trying again in an hour", "left", left)
	case done > 0:
		k.log.Info("all stored values are sealed with the newest data key", "key", id, "sealed_anew", done)
		return soon // rows may have come meanwhile that were sealed before
	}
	if k.now().Before(settled) {
		k.log.Info("former keys are kept for the authorizations that are in progress, and for processes that do not know the newest one", "until", settled)
		return settled
	}
	if err := k.dropKeys(ctx, values, former); err != nil {
		k.log.Warn("former keys could not be removed; trying again in a minute", "error", err)
		return soon
	}
	return k.now().Add(resealAgain)
}

// formerKeys gives the data key that seals, and the keys that sealed values before it did.
func (k *Keyring) formerKeys(ctx context.Context) (current seal.DataKey, former []formerKey, err error) {
	stored, err := k.store.DataKeys(ctx)
	if err != nil {
		return current, nil, err
	}
	if len(stored) == 0 {
		return current, nil, errors.New("the data keys are gone from the database: restore a backup")
	}
	last := len(stored) - 1
	for _, s := range stored[:last] {
		former = append(former, formerKey{id: ID(s.Number), number: s.Number})
	}
	checks, err := k.store.KeyChecks(ctx)
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
func (k *Keyring) dropKeys(ctx context.Context, values Values, former []formerKey) error {
	counts, err := values.SealedBy(ctx, keybearer.DefaultProject)
	if err != nil {
		return err
	}
	for _, f := range former {
		waiting, err := k.store.WaitingUnder(ctx, f.id)
		switch {
		case err != nil:
			return err
		case counts[f.id]+waiting > 0:
		case f.number > 0:
			if err := k.store.DeleteDataKey(ctx, f.number); err != nil {
				return err
			}
			k.log.Info("nothing is sealed with this data key any more: it was removed", "key", f.id)
		default:
			if err := k.store.DeleteKeyCheck(ctx, f.id); err != nil {
				return err
			}
			k.log.Info("no value is sealed with this root key directly any more: unless it is the default it can be removed from "+k.cfg.Words.Kept, "key", f.id)
		}
	}
	return nil
}
