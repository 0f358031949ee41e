package keybearer

import (
	"context"
	"time"
)

// Rotator is a [Sealer] whose keys can be exchanged while it is in use.
type Rotator interface {
	Sealer
	// Rotate makes a new key, which seals from now on, and gives it. Those from before still open. Of
	// calls that come together all may be given the same key.
	Rotate(ctx context.Context) (SealingKey, error)
	// SealingKeys lists the keys. Their Values count what does not lie in the stores that the Broker
	// counts itself.
	SealingKeys(ctx context.Context) ([]SealingKey, error)
}

// SealingKey is a key that seals what stores keep. The key itself is never shown.
type SealingKey struct {
	ID string
	// Root marks an operator's root key, which seals the others: the data keys.
	Root bool
	// Default marks the root key that seals new data keys, and the data key that seals new values.
	Default bool
	// SealedWith is the root key that a data key is sealed with.
	SealedWith string
	// CreatedAt is when a data key was made; zero for root keys.
	CreatedAt time.Time
	// Values counts what is sealed with the key. With 0 nobody needs it any more, unless it is the default.
	Values int
}

// ActionKeysRotate is the action of the audit for a new data key.
const ActionKeysRotate = "keys.rotate"

// SealingKeys lists the keys that seal what is stored, and counts what is sealed with each; it looks at
// every row for that. Kind: NotImplemented.
func (v *View) SealingKeys(ctx context.Context) ([]SealingKey, error) {
	if err := v.admin("sealing_keys"); err != nil {
		return nil, err
	}
	r, err := v.b.rotator()
	if err != nil {
		return nil, err
	}
	keys, err := r.SealingKeys(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := v.b.SealedBy(ctx, v.caller.Project)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		keys[i].Values += counts[keys[i].ID]
	}
	return keys, nil
}

// RotateKeys makes a new data key, which seals from now on, and gives it. What is stored is sealed anew
// by [Broker.Reseal], which an engine calls. Kind: NotImplemented.
func (v *View) RotateKeys(ctx context.Context) (SealingKey, error) {
	if err := v.admin(ActionKeysRotate); err != nil {
		return SealingKey{}, err
	}
	r, err := v.b.rotator()
	if err != nil {
		return SealingKey{}, err
	}
	key, err := r.Rotate(ctx)
	v.record(Event{Action: ActionKeysRotate, Outcome: outcome(err), Reason: key.ID})
	return key, err
}

func (b *Broker) rotator() (Rotator, error) {
	r, ok := b.cfg.Sealer.(Rotator)
	if !ok {
		return nil, Errorf(NotImplemented, "the keys of this engine's sealer cannot be rotated while it runs: it is no Rotator")
	}
	return r, nil
}
