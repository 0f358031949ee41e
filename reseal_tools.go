package keybearer

import (
	"context"
	"errors"

	"github.com/keybearer/keybearer/seal"
)

// resealTools is the part of [Broker.Reseal] that is about tools: secrets of workers, secrets for tools, and what
// scheduled runs hold.
func (b *Broker) resealTools(ctx context.Context, project ProjectID, key string, left *int) (done int, err error) {
	count := func(err error) error {
		if err == nil {
			done++
		} else if !errors.Is(err, Conflict) { // which the next call looks at again
			return err
		}
		return nil
	}
	workers, err := b.cfg.Workers.Workers(ctx, project)
	if err != nil {
		return done, err
	}
	for _, w := range workers {
		sealed, changed := b.resealed("worker "+string(w.ID), w.Secret, w.SecretPlace(), key, left)
		if !changed {
			continue
		}
		w.Secret = sealed
		_, err := b.cfg.Workers.PutWorker(ctx, w, w.Version)
		if err := count(err); err != nil {
			return done, err
		}
	}
	b.workers.clear()
	secrets, err := b.cfg.ToolSecrets.ToolSecrets(ctx, project)
	if err != nil {
		return done, err
	}
	for _, s := range secrets {
		sealed, changed := b.resealed("secret "+s.Key, s.Value, s.ValuePlace(), key, left)
		if !changed {
			continue
		}
		s.Value = sealed
		_, err := b.cfg.ToolSecrets.PutToolSecret(ctx, s, s.Version)
		if err := count(err); err != nil {
			return done, err
		}
	}
	b.secrets.clear()
	return done, b.eachRunKey(ctx, project, func(k RunKey) error {
		if k.Key == key {
			return nil
		}
		r, err := b.cfg.Runs.Run(ctx, project, k.Run)
		if errors.Is(err, NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		sealed, changed := b.resealed("run "+string(r.ID), r.Content, r.ContentPlace(), key, left)
		if !changed {
			return nil
		}
		r.Content = sealed
		_, err = b.cfg.Runs.PutRun(ctx, r, r.Version)
		return count(err)
	})
}

// toolsSealedBy adds what is stored for tools to the counts of [Broker.SealedBy].
func (b *Broker) toolsSealedBy(ctx context.Context, project ProjectID, counts map[string]int) error {
	add := func(v seal.Value) {
		if len(v) > 0 {
			id, _ := v.KeyID() // "" for a broken one, as with grants
			counts[id]++
		}
	}
	workers, err := b.cfg.Workers.Workers(ctx, project)
	if err != nil {
		return err
	}
	for _, w := range workers {
		add(w.Secret)
	}
	secrets, err := b.cfg.ToolSecrets.ToolSecrets(ctx, project)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		add(s.Value)
	}
	return b.eachRunKey(ctx, project, func(k RunKey) error {
		counts[k.Key]++
		return nil
	})
}

// eachRunKey calls fn for every run of a project that holds something.
func (b *Broker) eachRunKey(ctx context.Context, project ProjectID, fn func(RunKey) error) error {
	for after := RunID(""); ; {
		page, err := b.cfg.Runs.RunKeys(ctx, project, after, resealPage)
		if err != nil {
			return err
		}
		for _, k := range page {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(k); err != nil {
				return err
			}
			after = k.Run
		}
		if len(page) < resealPage {
			return ctx.Err()
		}
	}
}
