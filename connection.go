package keybearer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
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

// DefaultConnection is what people call the connection without a name.
const DefaultConnection = "default"

// ConnectionName reads the name of a connection: up to 63 letters, digits, "-", "_" and ".", beginning
// with a letter or digit. The connection called default has none. Kind: BadRequest.
func ConnectionName(text string) (string, error) {
	if text == "" || text == DefaultConnection {
		return "", nil
	}
	if !connectionName.MatchString(text) {
		return "", Errorf(BadRequest, "a connection's name has 1 to 63 letters, digits, hyphens, underscores and dots, and begins with a letter or digit: like work")
	}
	return text, nil
}

var connectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

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
	Kind  ConnectionKind
	State ConnectionState
	// Reason says in words for people why the state is reauthorize.
	Reason string
	// Scopes are what was granted, sorted.
	Scopes []string
	// Grant is a sealed [Grant], bound by [Connection.GrantPlace].
	Grant seal.Value
	// IssuedAt is when the access token was given; ExpiresAt when it ends, zero if that is unknown.
	IssuedAt, ExpiresAt time.Time
	// Refreshable reports whether the grant holds a refresh token, or a service account's credential.
	Refreshable bool
	// Rotation is the journal's open entry, or zero: whether the refresh token in Grant is still good
	// is known.
	Rotation Rotation
	// Family is the same for connections whose grants have one fate at the provider, as Atlassian's
	// of one app and one account; empty where that is not known. It is not a secret.
	Family string
	// DueAt is when somebody should look after the connection, though nobody ask for it: to refresh
	// it ahead, to keep it alive, to settle the journal. Zero: never.
	DueAt time.Time
	// UsedAt is when a token of it was last handed out, to within some minutes; zero: never.
	UsedAt time.Time

	CreatedAt, UpdatedAt time.Time
	// Version counts the writes, from 1; see ConnectionStore.
	Version int64
}

// Rotation is an entry of the journal of rotations: a refresh token that may have been spent at the
// provider without its successor being stored. It is written before the token is presented, and goes
// with the write that stores what came of it. Where it is found open, a process died in between, or
// an answer was lost on the way.
type Rotation struct {
	// Token is the SHA-256 of the refresh token. It is empty after a restore from a backup: whichever
	// token is in the row, another may have come since.
	Token []byte
	// Attempt counts how often the token was presented without a known end; 0 after a restore.
	Attempt int64
	// Holder is the generation of the lease under which it was presented last.
	Holder int64
	// At is since when the token may have been spent: when it was first presented, or when the backup
	// was made.
	At time.Time
}

// Open reports whether there is an entry.
func (r *Rotation) Open() bool { return !r.At.IsZero() }

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

// covers reports whether an app gets all that it wants. What a token that was given without scopes
// reaches only the provider knows.
func (c *Connection) covers(wanted []string) bool {
	return Covers(c.Scopes, wanted) || c.Kind != Consented && len(c.Scopes) == 0
}

// Token is what is handed out. It has no refresh token.
type Token struct {
	Ref Ref
	// Kind is what the connection rests on; at Atlassian Cloud it decides where the token goes.
	Kind   ConnectionKind
	Access secret.String
	// Username is empty for a Bearer token. With an API token it is the other half of Basic; see
	// [Token.Authorization].
	Username string
	// Scopes are what the token reaches, sorted.
	Scopes []string
	// ExpiresAt is zero when the provider did not say.
	ExpiresAt time.Time
	// UserInfo is the JSON object that the provider's user info request gave, or nil.
	UserInfo json.RawMessage
	// Sites is a [SiteList] as JSON, as it is kept, or nil. [Authorization] has it read.
	Sites json.RawMessage
}

// Scheme is how the token is presented (RFC 9110 section 11.1): Bearer, or Basic with the user name.
func (t *Token) Scheme() string {
	if t.Username != "" {
		return "Basic"
	}
	return "Bearer"
}

// Authorization is the value of the Authorization header: Bearer and the token (RFC 6750 section 2.1),
// or Basic with user name and token (RFC 7617).
func (t *Token) Authorization() secret.String {
	if t.Username != "" {
		return secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(t.Username+":"+t.Access.Reveal())))
	}
	return secret.New("Bearer " + t.Access.Reveal())
}
