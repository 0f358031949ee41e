package api

import "time"

// Account is a person who can sign in at the engine's own pages. (Ours.)
type Account struct {
	// UserID is the user id that the account proves.
	UserID string `json:"user_id"`
	// Admin may operate the engine.
	Admin     bool      `json:"admin"`
	CreatedAt time.Time `json:"created_at"`
}

// AccountPut makes an account, or replaces it. (Ours.)
type AccountPut struct {
	Password string `json:"password" jsonschema:"minLength=1,writeOnly=true"`
	Admin    bool   `json:"admin,omitempty"`
}
