package api

import (
	"encoding/json"
	"time"
)

// ConnectionCreate is a credential that somebody made at a provider, to be stored as a user's connection
// in place of the one that is there.
type ConnectionCreate struct {
	// UserID is the app's name of the person or service that the connection is for.
	UserID string `json:"user_id" jsonschema:"minLength=1,maxLength=256,example=alice@example.com"`
	// ProviderID is the provider's unique id.
	ProviderID string `json:"provider_id" jsonschema:"minLength=1,maxLength=100,example=my-atlassian"`
	// Connection is the connection's name, where the user has several at the provider.
	Connection string `json:"connection,omitempty" jsonschema:"maxLength=63,example=work"`
	// Kind is api_token or scoped_api_token (sent as Basic with the username), personal_access_token (sent as
	// Bearer), api_key (sent as the provider's definition says) or service_account (client credentials, with
	// which the engine asks for tokens).
	Kind string `json:"kind" jsonschema:"enum=api_token,enum=scoped_api_token,enum=personal_access_token,enum=api_key,enum=service_account"`
	// Username goes with an API token: the e-mail address of its account.
	Username string `json:"username,omitempty" jsonschema:"maxLength=256"`
	// SiteURL goes with an API token: the address of the site that it is for.
	SiteURL string `json:"site_url,omitempty" jsonschema:"maxLength=300,example=https://teahouse.atlassian.net"`
	// ClientID goes with a service account.
	ClientID string `json:"client_id,omitempty" jsonschema:"maxLength=1000"`
	// Secret is the token, or the service account's client secret. It is never shown again.
	Secret string `json:"secret" jsonschema:"minLength=1,maxLength=4096,writeOnly=true"`
	// Scopes are what the token was made with, or what the service account asks for. Without them a token
	// covers whatever an app asks for.
	Scopes []string `json:"scopes,omitempty"`
	// ExpiresAt is when a token ends, if that is known.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Connection is one user's grant at one provider.
type Connection struct {
	// ID is what DELETE takes.
	ID string `json:"id"`
	// ConnectionID is the same as ID.
	ConnectionID string `json:"connection_id"`
	// Name is the connection's name, absent for the one without. (Ours.)
	Name string `json:"name,omitempty"`
	// Kind is oauth2 for a person's consent, else what was given: see ConnectionCreate. (Ours.)
	Kind string `json:"kind" jsonschema:"enum=oauth2,enum=api_token,enum=scoped_api_token,enum=personal_access_token,enum=api_key,enum=service_account"`
	// Username goes with an API token. (Ours.)
	Username string `json:"username,omitempty"`
	// ClientID goes with a service account. (Ours.)
	ClientID string `json:"client_id,omitempty"`
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
	// ConsentedAt is when the user consented last, if that is known. (Ours.)
	ConsentedAt time.Time `json:"consented_at,omitzero"`
	// ExpiresAt is when the present access token ends, if that is known. (Ours.)
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Sites are those that the connection reaches, where its provider has such and they are known. (Ours.)
	Sites *SiteList `json:"sites,omitempty"`
}
