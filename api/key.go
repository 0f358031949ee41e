package api

import "time"

// Key is an API key as the admin routes show it: its text is shown once, when it is made. (Ours.)
type Key struct {
	ID string `json:"id"`
	// Name is chosen by people; the audit shows it.
	Name string `json:"name"`
	// Scope is admin, or app: may authorize users and get their tokens.
	Scope string `json:"scope" jsonschema:"enum=admin,enum=app"`
	// Providers limits the key to these providers; absent means all.
	Providers []string `json:"providers,omitempty"`
	// Users limits the key to user ids that match this pattern, as in "*@example.com"; absent means all.
	Users string `json:"users,omitempty"`
	// Hint is the end of the key's text.
	Hint      string    `json:"hint"`
	CreatedAt time.Time `json:"created_at"`
	// RevokedAt is absent while the key is valid.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// KeyCreate is an API key to make. (Ours.)
type KeyCreate struct {
	Name string `json:"name" jsonschema:"minLength=1,example=ci"`
	// Scope is app, also when it is absent, or admin.
	Scope     string   `json:"scope,omitempty" jsonschema:"enum=admin,enum=app"`
	Providers []string `json:"providers,omitempty"`
	Users     string   `json:"users,omitempty" jsonschema:"example=*@example.com"`
}

// NewKey is an API key that was just made. (Ours.)
type NewKey struct {
	Key
	// Text is the key itself. It is shown this once.
	Text string `json:"key"`
}
