package keybearer

import (
	"context"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// keep stores what a refresh gave, before anybody uses it.
func (b *Broker) keep(ctx context.Context, h held, answer oauth.TokenResponse) (held, error) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	spent := secret.New(h.grant.RefreshToken)
	h.grant.take(answer)
	h.Scopes, h.IssuedAt, h.ExpiresAt = answer.Scopes, answer.IssuedAt, answer.ExpiresAt
	h.Refreshable, h.UpdatedAt = h.grant.RefreshToken != "", b.now()
	sealed, err := b.sealGrant(h.grant, h.GrantPlace())
	if err != nil {
		return held{}, err
	}
	h.Grant = sealed
	stored, err := b.overlay(ctx, h, spent)
	if err == nil || errors.Is(err, NotFound) || errors.Is(err, Reauthorize) {
		return stored, err
	}
	// The provider has rotated and the old refresh token may be spent: keep the only copy in memory
	// until storage works again.
	b.unsaved.Store(h.ID, &unsavedGrant{h.Connection, spent})
	b.log.Error("a refreshed grant could not be stored; it is kept in memory and stored as soon as possible", "connection", h.ID, "error", err)
	return held{}, asKind(Unavailable, err)
}

// overlay writes a refreshed grant over the row that it came of. If somebody else wrote the row
// meanwhile, what counts is whether the refresh token that was spent is still in it. If not, a new
// consent has replaced the grant, and is given.
func (b *Broker) overlay(ctx context.Context, h held, spent secret.String) (held, error) {
	for range tries {
		stored, err := b.cfg.Connections.PutConnection(ctx, h.Connection, h.Version)
		if err == nil {
			h.Connection = stored
			return h, nil
		}
		if !errors.Is(err, Conflict) {
			return held{}, err
		}
		newer, err := b.newest(ctx, &h.Connection)
		switch {
		case err != nil:
			return held{}, err
		case !spent.Equal(secret.New(newer.grant.RefreshToken)):
			return newer, nil
		case newer.grant.Flow == h.grant.Flow: // the same grant, only sealed anew
			h.Version = newer.Version
		default: // a new consent that brought no refresh token of its own, and goes on with the spent one
			newer.grant.RefreshToken = h.grant.RefreshToken
			if newer.Grant, err = b.sealGrant(newer.grant, newer.GrantPlace()); err != nil {
				return held{}, err
			}
			h = newer
		}
	}
	return held{}, outrun(h.Ref)
}

// tries is how often a row is written when others write to it, too. Each of them wins once.
const tries = 10

func outrun(ref Ref) error {
	return Errorf(Unavailable, "writing the connection of %s: somebody else was faster every time: try again", ref)
}

// unsavedGrant is a refreshed connection that could not be stored, and the refresh token it was got for.
type unsavedGrant struct {
	connection Connection
	spent      secret.String
}

// storeUnsaved stores a refreshed grant that could not be stored before.
func (b *Broker) storeUnsaved(ctx context.Context, id ConnectionID) error {
	left, ok := b.unsaved.Load(id)
	if !ok {
		return nil
	}
	u := left.(*unsavedGrant)
	h, err := b.open(&u.connection)
	if err != nil {
		return err
	}
	_, err = b.overlay(ctx, h, u.spent)
	if err == nil || errors.Is(err, NotFound) || errors.Is(err, Reauthorize) {
		b.unsaved.CompareAndDelete(id, left)
		return nil
	}
	return asKind(Unavailable, err)
}

// storeAllUnsaved is the last chance of what waits in memory.
func (b *Broker) storeAllUnsaved(ctx context.Context) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	var lost []error
	b.unsaved.Range(func(id, left any) bool {
		if err := b.storeUnsaved(ctx, id.(ConnectionID)); err != nil {
			lost = append(lost, fmt.Errorf("the refreshed grant of %s could not be stored and is lost: %w", left.(*unsavedGrant).connection.Ref, err))
		}
		return true
	})
	return errors.Join(lost...)
}
