package api

import (
	"encoding/json"
	"time"
)

// Connection is one user's grant at one provider.
type Connection struct {
	// ID is what DELETE takes.
	ID string `json:"id"`
	// ConnectionID is the same as ID.
	ConnectionID string `json:"connection_id"`
	// ConnectionStatus is active, or reauthorize when only a new consent helps.
	ConnectionStatus string `json:"connection_status" jsonschema:"enum=active,enum=reauthorize"`
	// StatusReason says why the status is reauthorize. (Ours.)
	StatusReason string `json:"status_reason,omitempty"`
	// ProviderID is the provider's unique id.
	ProviderID string `json:"provider_id"`
	// ProviderType is the provider's well-known type, absent for custom ones.
	ProviderType        string          `json:"provider_type,omitempty"`
	ProviderDescription string          `json:"provider_description,omitempty"`
	ProviderUserInfo    json.RawMessage `json:"provider_user_info,omitempty"`
	// Scopes are what was granted.
	Scopes []string `json:"scopes"`
	UserID string   `json:"user_id"`
	// CreatedAt is when the user consented first. (Ours.)
	CreatedAt time.Time `json:"created_at,omitzero"`
	// UpdatedAt is when the grant was last refreshed or replaced. (Ours.)
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// ExpiresAt is when the present access token ends, if that is known. (Ours.)
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}
