package keybearer

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// ResealStore is a [ConnectionStore] that tells cheaply how its grants are sealed, and exchanges many of
// them at once. [Broker.Reseal] needs one.
type ResealStore interface {
	ConnectionStore
	// GrantKeys lists up to limit connections that have a grant, ordered by ID, which follow on after.
	GrantKeys(ctx context.Context, project ProjectID, after ConnectionID, limit int) ([]GrantKey, error)
	// ReplaceGrants stores the Grant of each connection, and nothing else of it, where the stored version
	// is still that of the connection; the version is raised by one. The others are passed over.
	ReplaceGrants(ctx context.Context, connections []Connection) error
}

// GrantKey says with which key a connection's grant is sealed.
type GrantKey struct {
	Connection ConnectionID
	// Key is the key's id; empty where the sealed value is broken.
	Key string
}

const (
	resealPage = 1000
	// resealBatch is how many grants are stored at once: many cost little more than one, and others may
	// write in between.
	resealBatch = 100
	// resealWait is how long one waits for another that works.
	resealWait = time.Second
	// resealLease is how long a Reseal that died keeps others from going on with its work.
	resealLease = time.Minute
	// resealExtend is how often one that lives says so.
	resealExtend = 10 * time.Second
)

// Reseal seals anew, with the key of that id, which must be the Sealer's default, what stores hold
// under other keys: grants of connections, client secrets of providers, and what is stored for tools. It
// counts what it changed.
//
// It works in small steps while everything else goes on, never holds anything up for long, and may be
// stopped anywhere: what is done is done, and the rest is found by the next call. Call it until it counts
// 0: a row that somebody else writes at the same time may stay as it is, and is counted. Of several
// replicas one works at a time; the others are told Conflict. What waits in flows and attempts is not
// touched, and gone within Config.FlowLife. A value that does not open is logged, left as it is, and is
// part of left.
func (b *Broker) Reseal(ctx context.Context, project ProjectID, key string) (done, left int, err error) {
	waiting, cancel := context.WithTimeout(ctx, resealWait)
	defer cancel()
	lease, err := b.cfg.Leases.Acquire(waiting, "reseal/"+string(project), resealLease)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return 0, 0, Errorf(Conflict, "another replica is sealing values anew: what is left then is for the next call")
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = b.cfg.Leases.Release(context.WithoutCancel(ctx), lease) }() // else it ends by itself
	providers, err := b.cfg.Providers.Providers(ctx, project)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range providers {
		sealed, changed := b.resealed("provider "+string(p.ID), p.ClientSecret, p.SecretPlace(), key, &left)
		if !changed {
			continue
		}
		p.ClientSecret = sealed
		if _, err := b.cfg.Providers.PutProvider(ctx, p, p.Version); err == nil {
			done++
		} else if !errors.Is(err, Conflict) {
			return done, left, err
		}
	}
	b.shelf.clear()
	tools, err := b.resealTools(ctx, project, key, &left)
	if done += tools; err != nil {
		return done, left, err
	}
	extended := time.Now()
	var batch []Connection
	store := func() error {
		if len(batch) == 0 {
			return nil
		}
		if time.Since(extended) > resealExtend {
			if err := b.cfg.Leases.Extend(ctx, lease, resealLease); err != nil {
				return err
			}
			extended = time.Now()
			b.log.Info("sealing stored values anew", "key", key, "sealed_anew", done)
		}
		if err := b.cfg.Connections.(ResealStore).ReplaceGrants(ctx, batch); err != nil { // eachGrant has seen that it is one
			return err
		}
		done += len(batch)
		batch = batch[:0]
		return nil
	}
	err = b.eachGrant(ctx, project, func(g GrantKey) error {
		if g.Key == key {
			return nil
		}
		c, err := b.cfg.Connections.ConnectionByID(ctx, project, g.Connection)
		switch {
		case errors.Is(err, NotFound):
			return nil
		case err != nil && KindOf(err) == Internal && ctx.Err() == nil: // this row's own trouble
			b.unsealable("connection "+string(g.Connection), err, &left)
			return nil
		case err != nil:
			return err
		}
		sealed, changed := b.resealed("connection "+string(c.ID), c.Grant, c.GrantPlace(), key, &left)
		if !changed {
			return nil
		}
		c.Grant = sealed
		if batch = append(batch, c); len(batch) < resealBatch {
			return nil
		}
		return store()
	})
	if err == nil {
		err = store()
	}
	return done, left, err
}

// resealed gives the value under the wanted key, and whether it is another one than before.
func (b *Broker) resealed(of string, v seal.Value, place []byte, key string, left *int) (seal.Value, bool) {
	if len(v) == 0 {
		return v, false
	}
	if id, err := v.KeyID(); err == nil && id == key {
		return v, false
	}
	plain, err := b.cfg.Sealer.Open(v, place)
	if err == nil {
		var sealed seal.Value
		if sealed, err = b.cfg.Sealer.Seal(plain, place); err == nil {
			return sealed, !bytes.Equal(sealed, v)
		}
	}
	b.unsealable(of, err, left)
	return v, false
}

func (b *Broker) unsealable(of string, err error, left *int) {
	*left++
	b.log.Error("a value could not be sealed anew and is left as it is", "of", of, "error", err)
}

// SealedBy counts, by the id of the key that sealed them, the grants of connections, the client secrets of
// providers, and what is stored for tools. It looks at every row, in pages.
func (b *Broker) SealedBy(ctx context.Context, project ProjectID) (map[string]int, error) {
	counts := map[string]int{}
	providers, err := b.cfg.Providers.Providers(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, p := range providers {
		if len(p.ClientSecret) > 0 {
			id, _ := p.ClientSecret.KeyID() // "" for a broken one, as with grants
			counts[id]++
		}
	}
	if err := b.toolsSealedBy(ctx, project, counts); err != nil {
		return nil, err
	}
	return counts, b.eachGrant(ctx, project, func(g GrantKey) error {
		counts[g.Key]++
		return nil
	})
}

// eachGrant calls fn for every grant of a project. Rows that come or go meanwhile do not disturb it.
func (b *Broker) eachGrant(ctx context.Context, project ProjectID, fn func(GrantKey) error) error {
	store, ok := b.cfg.Connections.(ResealStore)
	if !ok {
		return Errorf(NotImplemented, "this store of connections cannot tell how grants are sealed: it is no ResealStore")
	}
	for after := ConnectionID(""); ; {
		page, err := store.GrantKeys(ctx, project, after, resealPage)
		if err != nil {
			return err
		}
		for _, g := range page {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(g); err != nil {
				return err
			}
			after = g.Connection
		}
		if len(page) < resealPage {
			return ctx.Err()
		}
	}
}
