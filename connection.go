package keybearer

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Ref addresses a connection: whose it is, at which provider, and its name where a user has several
// there. The engine API knows one per user and provider, with the empty name.
type Ref struct {
	Project  ProjectID
	User     UserID
	Provider ProviderID
	Name     string
}

func (r Ref) String() string {
	if r.Name != "" {
		return fmt.Sprintf("%s at %s (%s)", r.User, r.Provider, r.Name)
	}
	return fmt.Sprintf("%s at %s", r.User, r.Provider)
}

// ConnectionID names a connection row: "conn_" and 26 random characters.
type ConnectionID string

// ConnectionState is where a connection is in its life; docs/state-machine.md has the picture.
type ConnectionState string

// The states of a connection.
const (
	// ConnectionActive: the grant is believed to be alive.
	ConnectionActive ConnectionState = "active"
	// ConnectionReauthorize: the grant is dead; only a new consent brings it back.
	ConnectionReauthorize ConnectionState = "reauthorize"
)

// Connection is one user's grant at one provider, as stores keep it.
type Connection struct {
	ID ConnectionID
	Ref
	State ConnectionState
	// Reason says in words for people why the state is reauthorize.
	Reason string
	// Scopes are what was granted, sorted.
	Scopes []string
	// Grant is a sealed [Grant], bound by [Connection.GrantPlace].
	Grant seal.Value
	// IssuedAt is when the access token was given; ExpiresAt when it ends, zero if that is unknown.
	IssuedAt, ExpiresAt time.Time
	// Refreshable reports whether the grant holds a refresh token.
	Refreshable bool

	CreatedAt, UpdatedAt time.Time
	// Version counts the writes, from 1; see ConnectionStore.
	Version int64
}

// GrantPlace is where the grant is sealed: a row that is copied to another user does not open.
func (c *Connection) GrantPlace() []byte {
	return seal.Place("connection", string(c.Project), string(c.User), string(c.Provider), c.Name, "grant")
}

// Covers reports whether every wanted scope was granted.
func Covers(granted, wanted []string) bool {
	for _, w := range wanted {
		if !slices.Contains(granted, w) {
			return false
		}
	}
	return true
}

// Token is what is handed out. It has no refresh token.
type Token struct {
	Ref    Ref
	Access secret.String
	// Scopes are what the token reaches, sorted.
	Scopes []string
	// ExpiresAt is zero when the provider did not say.
	ExpiresAt time.Time
	// UserInfo is the JSON object that the provider's user info request gave, or nil.
	UserInfo json.RawMessage
}
