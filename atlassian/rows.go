package atlassian

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// rows shows a [Store] to the Broker as what it works with: the one connection of a client, and the right
// to refresh it alone.
type rows struct {
	store  Store
	sealer keybearer.Sealer // of this process: between the Broker and here
	ref    keybearer.Ref
	now    func() time.Time
	// client and endpoint are whom tokens are taken to be of that came from elsewhere.
	client, endpoint string

	seen atomic.Pointer[sighting] // so that a thousand askers read the same state once
}

type sighting struct {
	raw   []byte
	state state
}

var (
	_ keybearer.ConnectionStore = (*rows)(nil)
	_ keybearer.Leaser          = (*rows)(nil)
)

// movedID names a connection that came from elsewhere, until it is written.
const movedID keybearer.ConnectionID = "conn_moved"

// swaps is how often a state is written when others write to it, too.
const swaps = 100

// read gives the state, which is shared: clone it before changing it.
func (r *rows) read(ctx context.Context) ([]byte, state, error) {
	raw, err := r.store.Load(ctx)
	if err != nil {
		return nil, state{}, storeError("reading what is stored", err)
	}
	if last := r.seen.Load(); last != nil && bytes.Equal(last.raw, raw) {
		return raw, last.state, nil
	}
	s, err := readState(raw)
	if err != nil {
		return nil, state{}, keybearer.Errorf(keybearer.Internal, "%w", err)
	}
	r.seen.Store(&sighting{raw, s})
	return raw, s, nil
}

// change edits the state in one step. edit may be called several times.
func (r *rows) change(ctx context.Context, edit func(*state) error) error {
	for range swaps {
		raw, s, err := r.read(ctx)
		if err != nil {
			return err
		}
		s = s.clone()
		if err := edit(&s); err != nil {
			return err
		}
		err = r.store.Swap(ctx, raw, s.form())
		if err == nil || !errors.Is(err, keybearer.Conflict) {
			return storeError("storing", err)
		}
	}
	return keybearer.Errorf(keybearer.Unavailable, "storing: somebody else was faster every time: try again")
}

// connection is the row in a state.
func (r *rows) connection(s *state) (keybearer.Connection, error) {
	if !s.connected() {
		return keybearer.Connection{}, keybearer.Errorf(keybearer.NotFound, "no connection of %s", r.ref)
	}
	o := s.ours
	if !s.ownTokens() { // the tokens came from elsewhere, and are newer than what we know
		o = ours{ID: o.ID, Version: o.Version + 1, Client: r.client, Endpoint: r.endpoint, Issued: s.validUntil.Add(-time.Hour)}
	}
	c := keybearer.Connection{
		ID: o.ID, Ref: r.ref, State: o.State, Reason: o.Reason, Scopes: sorted(scopesIn(s.scopes)),
		IssuedAt: o.Issued, ExpiresAt: s.validUntil, Refreshable: s.refresh != "",
		CreatedAt: o.Created, UpdatedAt: o.Updated, Version: o.Version,
	}
	if c.ID == "" {
		c.ID = movedID
	}
	if c.State == "" {
		c.State = keybearer.ConnectionActive
	}
	if c.ExpiresAt.IsZero() || s.token == "" { // it counts as past
		c.ExpiresAt = time.Unix(1, 0).UTC()
		c.IssuedAt = time.Unix(0, 0).UTC()
	}
	if o.Rotation != nil {
		c.Rotation = *o.Rotation
	}
	var err error
	c.Grant, err = keybearer.SealGrant(r.sealer, &c, keybearer.Grant{
		Access: secret.New(s.token), Refresh: secret.New(s.refresh), TokenType: o.Type,
		ClientID: o.Client, TokenEndpoint: o.Endpoint, RedirectURI: o.Redirect, Flow: o.Consent, ConsentedAt: o.Consented,
	})
	return c, err
}

// take lays a row over the state.
func (r *rows) take(s *state, c *keybearer.Connection) error {
	g, err := keybearer.OpenGrant(r.sealer, c)
	if err != nil {
		return err
	}
	s.token, s.refresh, s.scopes, s.validUntil = g.Access.Reveal(), g.Refresh.Reveal(), strings.Join(c.Scopes, " "), c.ExpiresAt
	o := &s.ours
	*o = ours{
		Of: s.mark(), ID: c.ID, Version: c.Version, State: c.State, Reason: c.Reason, Issued: c.IssuedAt,
		Created: c.CreatedAt, Updated: c.UpdatedAt, Type: g.TokenType,
		Client: g.ClientID, Endpoint: g.TokenEndpoint, Redirect: g.RedirectURI, Consent: g.Flow, Consented: g.ConsentedAt, Logins: o.Logins, Turn: o.Turn,
	}
	if c.Rotation.Open() {
		o.Rotation = &c.Rotation
	}
	return nil
}

// Connection implements [keybearer.ConnectionStore].
func (r *rows) Connection(ctx context.Context, ref keybearer.Ref) (keybearer.Connection, error) {
	_, s, err := r.read(ctx)
	if err != nil {
		return keybearer.Connection{}, err
	}
	if ref != r.ref {
		return keybearer.Connection{}, keybearer.Errorf(keybearer.NotFound, "no connection of %s", ref)
	}
	return r.connection(&s)
}

// ConnectionByID implements [keybearer.ConnectionStore].
func (r *rows) ConnectionByID(ctx context.Context, _ keybearer.ProjectID, id keybearer.ConnectionID) (keybearer.Connection, error) {
	c, err := r.Connection(ctx, r.ref)
	if err == nil && c.ID != id {
		err = keybearer.Errorf(keybearer.NotFound, "no connection %q", id)
	}
	return c, err
}

// PutConnection implements [keybearer.ConnectionStore].
func (r *rows) PutConnection(ctx context.Context, c keybearer.Connection, ifVersion int64) (keybearer.Connection, error) {
	err := r.change(ctx, func(s *state) error {
		now, err := r.connection(s)
		exists := err == nil
		if err != nil && !errors.Is(err, keybearer.NotFound) {
			return err
		}
		if exists != (ifVersion != 0) || exists && (now.Version != ifVersion || now.ID != c.ID) {
			return keybearer.Errorf(keybearer.Conflict, "the connection of %s was changed by somebody else", c.Ref)
		}
		c.Version = ifVersion + 1
		return r.take(s, &c)
	})
	return c, err
}

// Connections implements [keybearer.ConnectionStore].
func (r *rows) Connections(ctx context.Context, _ keybearer.ConnectionFilter) ([]keybearer.Connection, int, error) {
	c, err := r.Connection(ctx, r.ref)
	if errors.Is(err, keybearer.NotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return []keybearer.Connection{c}, 1, nil
}

// DeleteConnection implements [keybearer.ConnectionStore].
func (r *rows) DeleteConnection(ctx context.Context, _ keybearer.ProjectID, id keybearer.ConnectionID, ifVersion int64) error {
	return r.change(ctx, func(s *state) error {
		c, err := r.connection(s)
		if err != nil {
			return err
		}
		if c.ID != id || c.Version != ifVersion {
			return keybearer.Errorf(keybearer.Conflict, "the connection was changed by somebody else")
		}
		s.forget()
		return nil
	})
}

// forget drops the tokens, and what we know of them.
func (s *state) forget() {
	s.token, s.refresh, s.scopes, s.validUntil = "", "", "", time.Time{}
	s.ours = ours{Logins: s.ours.Logins, Turn: s.ours.Turn}
}
