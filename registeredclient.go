package keybearer

import (
	"context"
	"slices"
	"time"
)

// RegisteredClient is a program that people can sign in with at the engine's own MCP address (RFC 7591). All are public
// clients: anybody may register one, and what it may do is what a person gives it.
type RegisteredClient struct {
	Project ProjectID
	// ID is "mcp_" and random characters.
	ID string
	// Name is what the client calls itself. Nobody has checked it.
	Name         string
	RedirectURIs []string
	CreatedAt    time.Time
}

// ClientGrant is what one person gave one client, from the consent on: first a code, then tokens. What the client holds is
// the grant's id and a secret, of which a hash is stored.
type ClientGrant struct {
	Project ProjectID
	// ID is random.
	ID string
	// Client is the RegisteredClient's id, User who consented.
	Client string
	User   UserID
	// Resource is the address that the tokens are for (RFC 8707).
	Resource string
	// RedirectURI and Challenge are those of the request that the code answers (RFC 7636: S256).
	RedirectURI, Challenge string

	// CodeHash is of the code; CodeExpires is zero once it was redeemed.
	CodeHash    []byte
	CodeExpires time.Time
	// AccessHash is of the access token that lives until AccessExpires.
	AccessHash    []byte
	AccessExpires time.Time
	// RefreshHash is of the refresh token, PreviousHash of the one before it, which was replaced at RotatedAt.
	RefreshHash, PreviousHash []byte
	RotatedAt                 time.Time

	CreatedAt time.Time
	// ExpiresAt is when the grant ends, unless it is used before.
	ExpiresAt time.Time
	// Version counts the writes, from 1; see ClientGrantStore.
	Version int64
}

// RegisteredClientStore keeps registered clients.
type RegisteredClientStore interface {
	// PutRegisteredClient stores a new one; one whose ID is taken is Conflict.
	PutRegisteredClient(ctx context.Context, c RegisteredClient) error
	RegisteredClient(ctx context.Context, project ProjectID, id string) (RegisteredClient, error)
}

// ClientGrantStore keeps what people gave clients.
type ClientGrantStore interface {
	ClientGrant(ctx context.Context, project ProjectID, id string) (ClientGrant, error)
	// PutClientGrant writes a whole row if the stored version is ifVersion (0: no such id yet), and gives it with
	// Version ifVersion+1. Otherwise Conflict.
	PutClientGrant(ctx context.Context, g ClientGrant, ifVersion int64) (ClientGrant, error)
	// DeleteClientGrant deletes one; one that is not there is NotFound.
	DeleteClientGrant(ctx context.Context, project ProjectID, id string) error
}

// The actions of the audit about clients of the MCP address.
const (
	ActionClientRegister = "client.register" // a client was registered
	ActionClientAllow    = "client.allow"    // a person let a client in, or did not
	ActionClientEnd      = "client.end"      // what a person gave a client has ended
)

func (c RegisteredClient) clone() RegisteredClient {
	c.RedirectURIs, c.CreatedAt = storedList(c.RedirectURIs), storedTime(c.CreatedAt)
	return c
}

func (g ClientGrant) clone() ClientGrant {
	for _, hash := range []*[]byte{&g.CodeHash, &g.AccessHash, &g.RefreshHash, &g.PreviousHash} {
		*hash = storedList(slices.Clone(*hash))
	}
	for _, t := range []*time.Time{&g.CodeExpires, &g.AccessExpires, &g.RotatedAt, &g.CreatedAt, &g.ExpiresAt} {
		*t = storedTime(*t)
	}
	return g
}
