package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/seal"
)

// The steps of a rekey, in their order.
const (
	stepNoted    = "noted"    // the note says where the new root key is going to be kept
	stepStored   = "stored"   // it is there
	stepSwitched = "switched" // the database is sealed with it
	stepResealed = "resealed" // every value is sealed with a new data key
	stepForgot   = "forgot"   // the former root key is gone from its custody
)

// Rekey replaces the root key of the vault by a new one, in this custody or, where it is "", in the one that
// the vault has. A new data key seals from then on, and everything that is stored is sealed anew with it: so
// who has the former root key, with an old copy of the vault, opens nothing that is stored later. The former
// data key stays for some hours, for those who had the vault open, and goes with [Vault.Tidy].
//
// It may be broken off anywhere, by a kill, too: the vault then opens with the former root key or with the new
// one, and another Rekey or Tidy ends what was begun. The former root key is removed last. Other processes
// that have the vault open go on, unless the new key is one that they would have to ask for: a passphrase, or a
// variable of their environment.
//
// To the Environment, the new key is in [NewKeyVariable]; after the end its value belongs into [KeyVariable].
// Kinds: as for [Open], and BadRequest where the new key cannot be had.
func (v *Vault) Rekey(ctx context.Context, to Custody) error {
	if to == "" {
		to = v.Custody()
	}
	if !to.known() {
		_, err := ParseCustody(string(to))
		return err
	}
	return v.alone(ctx, func() error {
		if err := v.settle(ctx); err != nil { // the former one may be in a keyring that is locked
			v.cfg.Log.Warn("what an earlier rekey has left is still there", "error", err)
		}
		err := v.replaceRoot(ctx, to)
		v.recorder.Record(ctx, keybearer.Event{
			Time: v.cfg.Now(), Project: keybearer.DefaultProject, Actor: v.cfg.Actor, Action: keybearer.ActionKeysRotate,
			Outcome: outcome(err), Reason: "the root key of the vault, to the custody " + string(to),
		})
		if err != nil {
			return err
		}
		v.cfg.step(stepSwitched)
		if err := v.resealAll(ctx); err != nil {
			return fmt.Errorf("the vault has its new key; sealing its values anew was interrupted, and goes on with the next rekey: %w", err)
		}
		v.cfg.step(stepResealed)
		return v.settle(ctx)
	})
}

// replaceRoot makes the new root key and seals the data keys with it. The transaction in the middle is the
// moment from which on the new one counts.
func (v *Vault) replaceRoot(ctx context.Context, to Custody) error {
	found, _, err := v.openKeys(ctx)
	if err != nil {
		return err
	}
	n, err := v.readNote()
	if err != nil {
		return err
	}
	if len(n.Keys) >= maxEntries {
		return keybearer.Errorf(keybearer.Conflict, "too many former keys of the vault could not be removed yet: unlock the keyring, and run this again")
	}
	key := newRootKey()
	if to == Environment {
		if key, err = v.givenKey(NewKeyVariable); err != nil {
			return err
		}
		if _, known := n.find(key.id); known {
			return keybearer.Errorf(keybearer.BadRequest, "the key in %s is the one that the vault has: put a new one there", NewKeyVariable)
		}
	}
	if err := v.keep(ctx, n, key, to); err != nil {
		return err
	}
	ring, err := seal.NewKeyring(key.seal())
	if err != nil {
		return err
	}
	replaced, err := found.Rewrapped(ring)
	if err != nil {
		return err
	}
	fresh, err := datakey.Draw(ring, found.Stored[len(found.Stored)-1].Number+1, v.cfg.Now())
	if err != nil {
		return err
	}
	if err := v.db.ReplaceDataKeys(ctx, found.Stored, append(replaced, fresh)); err != nil {
		return err
	}
	v.custody.Store(to)
	return v.keys.Learn(ctx, key.seal())
}

// resealAll seals every value with the newest data key. One that does not open is told in the log, and left.
func (v *Vault) resealAll(ctx context.Context) error {
	stored, err := v.db.DataKeys(ctx)
	if err != nil {
		return err
	}
	for {
		done, _, err := v.broker.Reseal(ctx, keybearer.DefaultProject, datakey.ID(stored[len(stored)-1].Number))
		if err != nil || done == 0 {
			return err
		}
	}
}

// settle ends what a rekey has begun: root keys that the database does not use are removed from their custody,
// and then from the note. It is called in one's turn.
func (v *Vault) settle(ctx context.Context) error {
	used, err := v.usedRoot(ctx)
	if err != nil {
		return err
	}
	n, err := v.readNote()
	if err != nil {
		return err
	}
	current, known := n.find(used)
	if !known {
		return v.unknownRoot(n, used)
	}
	kept := []entry{current}
	var errs []error
	for _, e := range n.Keys {
		if e.ID == used {
			continue
		}
		if err := v.forget(ctx, e); err != nil {
			kept, errs = append(kept, e), append(errs, err)
		}
	}
	errs = append(errs, v.placeFileKey(used))
	if len(kept) < len(n.Keys) {
		v.cfg.step(stepForgot)
		errs = append(errs, v.writeNote(kept))
	}
	return errors.Join(errs...)
}

func outcome(err error) string {
	if err != nil {
		return string(keybearer.KindOf(err))
	}
	return "ok"
}
