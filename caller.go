package keybearer

import (
	"path"
	"slices"
	"time"
)

// Scope of an API key.
const (
	ScopeAdmin = "admin" // may do everything in its project
	ScopeApp   = "app"   // may authorize users and get their tokens
)

// Caller says who asks. Every verb of a [View] is checked against it and recorded under its name.
type Caller struct {
	Project ProjectID
	// Name is what the audit calls the caller: "key:ci", "user:alice", "cli".
	Name string
	// Admin callers may operate the engine, unless they are limited.
	Admin bool
	// Providers limits the caller to these; empty means all.
	Providers []ProviderID
	// Users limits the caller to user ids that match this pattern of path.Match ("*@example.com"; "*"
	// does not match "/"); empty means all.
	Users string
}

func (c Caller) limited() bool { return len(c.Providers) > 0 || c.Users != "" }

// mayUse reports whether the caller may act for a user at a provider.
func (c Caller) mayUse(user UserID, provider ProviderID) bool {
	return c.mayActFor(user) && c.mayReach(provider)
}

func (c Caller) mayActFor(user UserID) bool {
	if c.Users == "" {
		return true
	}
	ok, err := path.Match(c.Users, string(user))
	return err == nil && ok
}

func (c Caller) mayReach(provider ProviderID) bool {
	return len(c.Providers) == 0 || slices.Contains(c.Providers, provider)
}

// Key is an API key as stores keep it: its text only as a hash.
type Key struct {
	ID      string // "key_" and 26 random characters
	Project ProjectID
	// Name is chosen by people; the audit shows it.
	Name string
	// Hash is SHA-256 of the key's text. The text has 256 random bits, so no salt and no slow hash
	// is needed.
	Hash []byte
	// Hint is the last four characters of the text.
	Hint      string
	Scope     string // ScopeAdmin or ScopeApp
	Providers []ProviderID
	Users     string
	CreatedAt time.Time
	RevokedAt time.Time // zero while valid
}

// Caller is who uses the key.
func (k *Key) Caller() Caller {
	return Caller{
		Project: k.Project, Name: "key:" + k.Name, Admin: k.Scope == ScopeAdmin,
		Providers: k.Providers, Users: k.Users,
	}
}

// Account is a person who can sign in at the engine's own pages: to prove who consented (the
// built-in verifier) and, as an admin, to operate the engine.
type Account struct {
	Project ProjectID
	// User is the user id that the account proves.
	User UserID
	// PasswordHash is an Argon2id hash in its PHC text form.
	PasswordHash string
	Admin        bool
	// CreatedAt is when the account was made, or its password last set. Sessions that were opened
	// before do not count.
	CreatedAt time.Time
}

// Session is a signed-in browser.
type Session struct {
	// Hash is SHA-256 of the secret in the browser's cookie.
	Hash    []byte
	Project ProjectID
	User    UserID
	Expires time.Time
}
