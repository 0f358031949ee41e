package keybearer

import (
	"context"
	"errors"
	"fmt"

	"github.com/keybearer/keybearer/internal/fault"
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
	h.Refreshable, h.UpdatedAt = h.grant.renewable(), b.now()
	holder := h.Rotation.Holder
	h.Rotation = Rotation{}
	b.plan(ctx, &h.Connection, &h.grant)
	sealed, err := b.sealGrant(h.grant, h.GrantPlace())
	if err != nil {
		return held{}, err
	}
	h.Grant = sealed
	fault.At(fault.BeforeCommit, string(h.ID))
	stored, err := b.overlay(ctx, h, spent, holder)
	if err == nil {
		fault.At(fault.AfterCommit, string(h.ID))
	}
	if err == nil || errors.Is(err, NotFound) || errors.Is(err, Reauthorize) {
		return stored, err
	}
	// The provider has rotated and the old refresh token may be spent: keep the only copy in memory
	// until storage works again, or it is our turn again.
	b.unsaved.Store(h.ID, &unsavedGrant{h.Connection, spent})
	if errors.Is(err, errOvertaken) {
		return held{}, err
	}
	b.log.Error("a refreshed grant could not be stored; it is kept in memory and stored as soon as possible", "connection", h.ID, "error", err)
	return held{}, asKind(Unavailable, err)
}

// errOvertaken means that the turn was lost to somebody else, who is at work.
var errOvertaken = errors.New("somebody else has taken over this refresh")

// overlay writes a refreshed grant over the row that it came of. If somebody else wrote the row
// meanwhile, what counts is whether the refresh token that was spent is still in it. If not, a new
// consent or another refresh has replaced the grant, and is given.
//
// holder is whose turn it was when the token was presented. Who finds another's in the row has been
// frozen for longer than the lease lives: it is errOvertaken. In one's own turn holder is 0.
func (b *Broker) overlay(ctx context.Context, h held, spent secret.String, holder int64) (held, error) {
	for range tries {
		stored, err := b.cfg.Connections.PutConnection(ctx, h.Connection, h.Version)
		if err == nil {
			h.Connection = stored
			return h, nil
		}
		if !errors.Is(err, Conflict) {
			return held{}, err
		}
		row, err := b.cfg.Connections.ConnectionByID(ctx, h.Project, h.ID)
		if err != nil {
			return held{}, err
		}
		newer, err := b.open(&row)
		switch {
		case err != nil:
			return held{}, err
		case !spent.Equal(secret.New(newer.grant.RefreshToken)) && row.State != ConnectionActive:
			return held{}, dead(&row)
		case !spent.Equal(secret.New(newer.grant.RefreshToken)):
			return newer, nil
		case holder != 0 && row.Rotation.Open() && row.Rotation.Holder != holder:
			return held{}, errOvertaken
		case newer.grant.Flow == h.grant.Flow: // the same grant: sealed anew, or found dead by its spent token
			h.Version = newer.Version
		default: // a new consent that brought no refresh token of its own, and goes on with the spent one
			newer.grant.RefreshToken, newer.Rotation = h.grant.RefreshToken, Rotation{}
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
	if h.Grant, err = b.sealGrant(h.grant, h.GrantPlace()); err != nil { // the key from then may be a former one by now
		return err
	}
	_, err = b.overlay(ctx, h, u.spent, 0)
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
