package api

import "time"

// SealingKey is a key that seals what is stored: a root key of the operator, or a data key that is itself
// sealed with one. The key itself is never shown. (Ours.)
type SealingKey struct {
	ID   string `json:"id"`
	Kind string `json:"kind" jsonschema:"enum=root,enum=data"`
	// Default marks the root key that seals new data keys, and the data key that seals new values.
	Default bool `json:"default"`
	// SealedWith is the root key that a data key is sealed with.
	SealedWith string `json:"sealed_with,omitempty"`
	// CreatedAt is when a data key was made.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// Values counts what is sealed with the key. With 0 nobody needs it, unless it is the default.
	Values int `json:"values"`
}
